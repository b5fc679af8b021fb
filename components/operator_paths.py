"""Say who the operators that the stack installs talk to. They serve the whole cluster, and not this stack alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.base.names import JOB_LABEL
from components.base.ports import DNS_PORTS, PATRONI_PORT, POSTGRES_PORT, REDIS_PORT, SENTINEL_PORT
from components.network_paths import ANYBODY, Addresses, Path, Pods, ends_of
from components.operator_values import RELEASES, namespace_of
from settings import Settings
from settings.operators import Operator

_WEBHOOK = 10250  # of cert-manager's chart
# Of each of an operator's pods. The Zalando operator has none: its port 8080 shows its settings, and has it profiled.
_METRICS: Mapping[Operator, int] = {"redis": 8080, "certManager": 9402}
_NAME = "app.kubernetes.io/name"


def operator_paths(settings: Settings) -> Iterator[Path]:
    """Yield the paths of the namespaces of these operators; none when the stack leaves NetworkPolicies out."""
    if not settings.network_policies.enabled:
        return
    for operator in settings.operators.installed:
        namespace = namespace_of(settings, operator)
        match operator:
            case "postgres":
                pods = [_pods("postgres-operator", namespace, {_NAME: ["postgres-operator"]})]
                yield Path(source=pods[0], target=ANYBODY, ports=[POSTGRES_PORT, PATRONI_PORT])
            case "redis":
                pods = [_pods("redis-operator", namespace, {"name": ["redis-operator"]})]
                yield Path(source=pods[0], target=ANYBODY, ports=[REDIS_PORT, SENTINEL_PORT])
            case "certManager":
                pods = [_pods(name, namespace, {_NAME: [name]}) for name in ("cert-manager", "cainjector", "webhook")]
                yield Path(source=pods[0], target=ANYBODY)  # an issuer may be anywhere
                yield Path(source=ANYBODY, target=pods[2], ports=[_WEBHOOK])  # the API server has no pod
        if port := _METRICS.get(operator):
            readers = ends_of(settings.network_policies.metrics)
            yield from (Path(source=reader, target=each, ports=[port]) for reader in readers for each in pods)
        job = f"{RELEASES[operator]}-gate"
        gate = _pods(job, namespace, {JOB_LABEL: [job]})
        server = settings.network_policies.api_server
        for each in (*pods, gate):
            yield Path(source=each, target=Addresses(ranges=server.cidrs), ports=server.ports)
            yield Path(source=each, target=ANYBODY, ports=DNS_PORTS, protocols=["UDP", "TCP"])


def _pods(name: str, namespace: str, labels: dict[str, list[str]]) -> Pods:
    return Pods(name=name, namespace=namespace, labels=labels)
