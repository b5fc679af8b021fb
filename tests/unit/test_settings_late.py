"""Settings that could only fail late, or take away what they promise, are refused with the reason."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.configurations import errors, load, repaired, with_


@pytest.mark.parametrize("address", ["10.0.0.5", "10.0.0.5:8443", "secrets.7"])
def test_a_site_has_a_name(address: str) -> None:
    """An address fails as the last resource of all."""
    config = with_(("infisical.siteUrl", f"https://{address}"))
    [line] = errors(config)
    assert line.startswith("- infisical.siteUrl: ")
    assert "neither an Ingress nor its certificate is made for an IP address" in line
    load(repaired(config))


@pytest.mark.parametrize("host", ["10.0.0.5.example.org", "7.example.org", "a7", "s3:8443"])
def test_numbers_elsewhere_in_a_name_are_no_address(host: str) -> None:
    load(with_(("infisical.siteUrl", f"https://{host}")))


@pytest.mark.parametrize("section", ["database", "redis"])
@pytest.mark.parametrize("nothing", ["0Gi", "00M", "0.0Ti"])
def test_a_volume_holds_something(section: str, nothing: str) -> None:
    [line] = errors(with_((f"{section}.storage", nothing)))
    assert line.startswith(f"- {section}.storage: write bytes with a unit")
    load(with_((f"{section}.storage", "0.5Gi")))


@pytest.mark.parametrize("limit", ["40Mi", "63Mi", "64M"])
def test_a_pod_may_use_what_it_asks_for(limit: str) -> None:
    [line] = errors(with_(("redis", {"memoryLimit": limit, "maxMemoryMib": 32})))
    assert line.startswith("- redis.memoryLimit: each Redis and Sentinel asks its node for 64Mi")
    load(with_(("redis", {"memoryLimit": "64Mi", "maxMemoryMib": 32})))


@pytest.mark.parametrize("instances", [1, 2])
def test_reads_survive_the_loss_of_a_pod(instances: int) -> None:
    config = with_(("infisical.readReplicas", "cluster"), ("database.instances", instances))
    [line] = errors(config)
    assert line.startswith(f"- infisical.readReplicas: database.instances is {instances}")
    load(repaired(config))
    load(with_(("infisical.readReplicas", "cluster"), ("database.instances", 3)))


@given(pods=st.integers(1, 10), replicas=st.integers(1, 20), most=st.integers(1, 100))
@example(pods=2, replicas=20, most=100)  # 2,000 of 60
def test_a_session_is_only_promised_where_there_is_a_connection(pods: int, replicas: int, most: int) -> None:
    pooler = ("database.pooler", {"mode": "session", "instances": pods})
    config = with_(pooler, ("infisical.replicas", replicas), ("infisical.pools", {"max": most}))
    if replicas * most > 60:
        [line] = errors(config)
        assert line.startswith(f"- database.pooler.mode: in session mode Infisical wants {replicas * most} connections")
        config["database"]["pooler"]["mode"] = "transaction"
        load(config)
    elif replicas * most <= 40:
        load(config)
