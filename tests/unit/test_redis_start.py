"""A Redis server that starts asks the Sentinels first: what the operator is given for it."""

from __future__ import annotations

from tests.unit.harness import platform


def test_a_server_asks_the_sentinels_before_it_starts() -> None:
    spec = platform(redis={"image": "quay.io/opstree/redis:v7.0.15"})["platform-kv-replication"]["spec"]
    start = spec["initContainer"]
    assert start["enabled"] is True
    assert start["image"] == spec["kubernetesConfig"]["image"]
    assert start["resources"] == spec["kubernetesConfig"]["resources"], "a quota counts each container of a pod"
    assert start["command"][:2] == ["sh", "-c"], "without -e: it never keeps a server from starting"
    asked = ["platform-kv-sentinel-sentinel", "26379", "platform-kv-master"]
    assert start["command"][3:] == ["start", *asked, "/data", "15", "5"]


def test_no_password_is_needed() -> None:
    start = platform()["platform-kv-replication"]["spec", "initContainer"]
    assert "env" not in start
    assert "PASSWORD" not in str(start)


def test_it_starts_in_a_restricted_namespace() -> None:
    start = platform(pods={"podSecurity": "restricted"})["platform-kv-replication"]["spec", "initContainer"]
    assert start["enabled"] is True
    assert start["securityContext"]["allowPrivilegeEscalation"] is False
