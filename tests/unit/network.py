"""Judge connections by the NetworkPolicies of a graph, as the API's documentation defines them.

network = Network(platform())
assert network.allows(INFISICAL, POOLER, 5432)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.harness import Graph

NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.namespace}/{','.join(self.labels.values()) or 'anything'}"


End = Pod | str  # or an address outside of the pods' network


class Network:
    def __init__(self, graph: Graph) -> None:
        self._policies = [policy.inputs for policy in graph.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")]

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Both ends have a say."""
        return self._may(source, target, port, protocol, "Egress", "to") and self._may(
            target, source, port, protocol, "Ingress", "from"
        )

    def policies_of(self, pod: Pod) -> list[str]:
        return [policy["metadata"]["name"] for policy in self._of(pod)]

    def _of(self, pod: Pod) -> Iterator[Mapping[str, Any]]:
        for policy in self._policies:
            selector = policy["spec"]["podSelector"]
            if policy["metadata"]["namespace"] == pod.namespace and _selects(selector, pod.labels):
                yield policy

    def _may(self, own: End, other: End, port: int, protocol: str, kind: str, peers: str) -> bool:
        if isinstance(own, str):
            return True
        specs = [policy["spec"] for policy in self._of(own) if kind in policy["spec"]["policyTypes"]]
        rules = [(rule, spec) for spec in specs for rule in spec.get(kind.lower(), [])]
        return not specs or any(
            _has_port(rule.get("ports"), port, protocol) and _has_peer(rule.get(peers), other, own.namespace)
            for rule, _ in rules
        )


def _has_port(ports: list[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    return not ports or any(each["port"] == port and each["protocol"] == protocol for each in ports)


def _has_peer(peers: list[Mapping[str, Any]] | None, other: End, namespace: str) -> bool:
    return not peers or any(_is(peer, other, namespace) for peer in peers)


def _is(peer: Mapping[str, Any], other: End, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        return (
            isinstance(other, str)
            and _in(other, block["cidr"])
            and not any(_in(other, part) for part in block.get("except", []))
        )
    if isinstance(other, str):
        return False
    if where := peer.get("namespaceSelector"):
        return _selects(where, {NAME: other.namespace}) and _selects(peer.get("podSelector", {}), other.labels)
    return other.namespace == namespace and _selects(peer["podSelector"], other.labels)


def _in(address: str, cidr: str) -> bool:
    network = ipaddress.ip_network(cidr)
    return (
        ipaddress.ip_address(address) in network if network.version == ipaddress.ip_address(address).version else False
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(_holds(each, labels) for each in selector.get("matchExpressions", []))


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if requirement["operator"] == "DoesNotExist":
        return requirement["key"] not in labels
    assert requirement["operator"] == "In", requirement
    return labels.get(requirement["key"]) in requirement["values"]
