"""Requirements: what others made is looked for first."""

from __future__ import annotations

import pytest

from components.requirements import Requirements, RequirementsArgs
from settings.ingress import ExistingIssuer, IngressSettings
from tests.unit.harness import everything, platform, run, shape


def test_whatever_the_settings_name_is_looked_for() -> None:
    assert sorted(shape("gateway").reads.values()) == ["ClusterIssuer/embedded-ca", "Gateway/edge/public"]
    assert sorted(everything().reads.values()) == ["IngressClass/nginx", "StorageClass/fast", "StorageClass/large"]


def test_googles_controller_has_no_class_to_look_for() -> None:
    ingress = {"route": {"kind": "ingress", "className": "gce"}}
    assert sorted(platform(ingress=ingress).reads.values()) == ["ClusterIssuer/embedded-ca"]


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
    ingress = IngressSettings(issuer=ExistingIssuer(name="ca"))
    args = RequirementsArgs(storage_classes=["fast", "fast"], ingress=ingress)
    reads = run(lambda options: Requirements("requirements", args, options)).reads.values()
    assert sorted(reads) == ["ClusterIssuer/ca", "IngressClass/nginx", "StorageClass/fast"]
