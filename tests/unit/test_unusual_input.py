"""What Infisical or Kubernetes would refuse is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.configurations import errors, load, with_
from tests.unit.test_application_settings import complaints, shop


@pytest.mark.parametrize(
    "address",
    [
        "<ops@example.org>",
        "öps@example.org",
        "ops..a@example.org",
        ".ops@example.org",
        "ops@example.org.",
        "ops@example",
        "ops@-example.org",
        "ops@example.o1",
        "ops.@example.org",
    ],
)
def test_an_address_that_infisical_refuses(address: str) -> None:
    [line] = errors(with_(("organization", {"name": "dog", "admin": address})))
    assert line.startswith("- organization.admin: write it as name@host.domain, the address alone")


@pytest.mark.parametrize("address", ["ops@example.org", "o'neill+a_b-c.d@a-b.example.co", "A1@b.Cd"])
def test_an_address_that_infisical_takes(address: str) -> None:
    load(with_(("organization", {"name": "dog", "admin": address})))


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("redis.memoryLimit", "512000000K", "redis.memoryLimit"),
        ("redis.memoryLimit", "512000Kii", "redis.memoryLimit"),
        ("redis.memoryLimit", "512ki", "redis.memoryLimit"),
        ("cluster.kubeconfig", "~/.kube/config", "cluster.kubeconfig"),
        ("networkPolicies.apiServer.cidrs", ["fe80::1%eth0"], "networkPolicies.apiServer.cidrs[0]"),
        ("ingress.route", {"kind": "ingress", "annotations": {"-x..y/z": "a"}}, 'ingress.route.annotations["-x..y/z"]'),
        ("pods.labels", {"a..b/z": "a"}, 'pods.labels["a..b/z"]'),
    ],
)
def test_what_kubernetes_refuses_is_refused_here(path: str, value: Any, named: str) -> None:
    [line] = errors(with_((path, value)))
    assert line.startswith(f"- {named}: ")


def test_what_kubernetes_takes_loads() -> None:
    load(with_(("redis.memoryLimit", "512000k"), ("database.storage", "10485760Ki")))
    load(with_(("cluster.kubeconfig", "/home/ci/.kube/config")))
    load(with_(("ingress.route", {"kind": "ingress", "annotations": {"nginx.ingress.kubernetes.io/a": "b"}})))


@pytest.mark.parametrize("workload", ["deployment/My App", "deployment/App", "deployment/a..b", "deployment/"])
def test_a_workload_has_a_name_of_kubernetes(workload: str) -> None:
    [line] = complaints(shop("deliver 0 restarts", [workload]))
    assert "applications.shop.deliver[0].restarts[0]: write a workload" in line
