"""What a stack tells others: no secret, and everything that its page in Pulumi Cloud fills in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components import stack_outputs
from tests.unit.harness import ROOT, THROW_AWAY, platform


def exports(stack: str = "prod", **sections: Any) -> dict[str, Any]:
    return {leaf.where: leaf.value for leaf in platform(stack, **sections).exports.values()}


def test_addresses_names_and_versions_are_told() -> None:
    told = exports()
    assert told.pop("keyLabel"), "what an escrow is compared with"
    assert told == {
        "url": "https://secrets.pnats.cloud",
        "organization": "nobody's yet, unless somebody has claimed it: see README, The first organisation",
        "namespaces": {
            "infisical": "infisical",
            "database": "platform-db-pg",
            "redis": "platform-kv-redis-cluster",
        },
        "infisical": {
            "service": "infisical-backend",
            "address": "http://infisical-backend.infisical.svc:8080",
            "secret": "infisical-secrets",
        },
        "database": {
            "cluster": "platform-db-cluster",
            "pooler": "platform-db-cluster-pooler.platform-db-pg.svc:5432",
            "primary": "platform-db-cluster.platform-db-pg.svc:5432",
            "authority": "platform-db-pg/platform-db-ca",
        },
        "redis": {
            "sentinels": "platform-kv-sentinel-sentinel.platform-kv-redis-cluster.svc:26379",
            "masterName": "platform-kv-master",
        },
        "versions": {
            "infisical": "docker.io/infisical/infisical:v0.165.8",
            "chart": "infisical 0.4.2",
            "postgresql": "15",
            "redis": "quay.io/opstree/redis:v7.0.15",
        },
    }


def test_no_output_is_secret() -> None:
    found = platform("prod").exports.values()
    assert not any(leaf.secret for leaf in found)
    assert not any(value in str(leaf.value) for leaf in found for value in THROW_AWAY.values())


def test_the_page_in_pulumi_cloud_fills_in_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "readme" not in exports(), "nobody shows it where the state is in a bucket"
    monkeypatch.setattr(stack_outputs, "get_organization", lambda: "acme")
    told = exports(organization={"name": "acme", "admin": "ops@example.org"})
    page = told["readme"]
    assert page == (ROOT / "Pulumi.README.md").read_text()
    named = re.findall(r"\$\{outputs\.([\w.]+)\}", page)
    assert len(named) > 10
    for path in named:
        value: Any = told
        for step in path.split("."):
            value = value[step]
        assert isinstance(value, str)
