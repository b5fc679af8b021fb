"""Requirements: what others made is looked for first."""

from __future__ import annotations

import pytest

from tests.unit.harness import platform

GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge"}


def test_whatever_the_settings_name_is_looked_for() -> None:
    graph = platform(database={"storageClass": "fast"}, redis={"storageClass": "slow"}, ingress={"route": GATEWAY})
    assert sorted(graph.reads.values()) == [
        "ClusterIssuer/embedded-ca",
        "Gateway/edge/public",
        "StorageClass/fast",
        "StorageClass/slow",
    ]


def test_nothing_else_is() -> None:
    assert sorted(platform().reads.values()) == ["ClusterIssuer/embedded-ca", "IngressClass/nginx"]
    assert sorted(platform("prod").reads.values()) == ["IngressClass/nginx"], "its issuer is its own"


@pytest.mark.parametrize(
    "part", ["PlatformDb/platform-db", "PlatformKv/platform-kv", "InfisicalSecrets/infisical-secrets"]
)
def test_nothing_is_made_before_it_was_found(part: str) -> None:
    graph = platform()
    assert set(graph.reads) <= graph[part].dependencies


def test_the_same_class_is_looked_for_once() -> None:
    graph = platform(database={"storageClass": "fast"}, redis={"storageClass": "fast"})
    assert list(graph.reads.values()).count("StorageClass/fast") == 1
