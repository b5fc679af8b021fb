"""The namespaces of installed operators: who reaches them, and who reads their metrics."""

from __future__ import annotations

import pytest

from tests.unit.harness import shape
from tests.unit.network import Network, Pod

NAME = "app.kubernetes.io/name"
PROMETHEUS = Pod("monitoring", {NAME: "prometheus"})
SCRAPED = {
    9402: [Pod("cert-manager", {NAME: name}) for name in ("cert-manager", "cainjector", "webhook")],
    8080: [Pod("redis-operator", {"name": "redis-operator"})],
}
POSTGRES_OPERATOR = Pod("postgres-operator", {NAME: "postgres-operator"})
PEERS = {"metrics": [{"namespace": "monitoring"}, {"cidr": "192.0.2.7/32"}]}


@pytest.mark.parametrize(("port", "pod"), [(port, pod) for port, pods in SCRAPED.items() for pod in pods])
def test_prometheus_reads_the_metrics_of_operators(port: int, pod: Pod) -> None:
    network = Network(shape("installed", networkPolicies=PEERS))
    assert network.allows(PROMETHEUS, pod, port)
    assert network.allows("192.0.2.7", pod, port)
    assert not network.allows(Pod("default"), pod, port)
    assert not network.allows(PROMETHEUS, pod, 6379)
    assert not Network(shape("installed")).allows(PROMETHEUS, pod, port)


def test_the_zalando_operator_has_no_metrics() -> None:
    """Its port 8080 answers with its settings and with what profiles it."""
    assert not Network(shape("installed", networkPolicies=PEERS)).allows(PROMETHEUS, POSTGRES_OPERATOR, 8080)
