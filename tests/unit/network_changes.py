"""Settings of NetworkPolicies with a different value, and the policies that each changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.unit.changes import Change, change

_DATABASE = ("database", "pooler", "platform-db-gate-operator", "platform-db-gate-login", "cert-sync")
_REDIS = (
    "redis",
    "sentinel",
    "platform-kv-handover",
    "platform-kv-servers",
    "platform-kv-gate",
    "platform-kv-rotation",
)
_INFISICAL = ("infisical", "infisical-migration", "infisical-gate", "ingress-issued", "ingress-moved", "acme-solver")
_OPERATOR = ("secrets-operator", "secrets-operator-gate")
_APPLICATIONS = ("application-secrets", "secret-delivery-free", "secret-delivery-gate", "operator-canary")
_PREFIX = {
    **dict.fromkeys(_DATABASE, "platform-db"),
    **dict.fromkeys(_REDIS, "platform-kv"),
    **dict.fromkeys(_INFISICAL, "infisical-secrets"),
    "bootstrap": "infisical-secrets",
    "ingress-gate": "infisical-secrets",
    **dict.fromkeys(_APPLICATIONS, "infisical-secrets"),
    **dict.fromkeys(_OPERATOR, "secrets-operator"),
}
EVERYBODY = tuple(name for name in _PREFIX if name not in ("acme-solver", "ingress-gate"))
API_CLIENTS = (
    "database",
    "platform-db-gate-operator",
    "cert-sync",
    "platform-kv-handover",
    "platform-kv-servers",
    "platform-kv-gate",
    "platform-kv-rotation",
    "infisical",
    "infisical-gate",
    "ingress-issued",
    "ingress-moved",
    "bootstrap",
    *_OPERATOR,
    *_APPLICATIONS,
)


def policies(names: Iterable[str]) -> str:
    """Return the resources' names."""
    return " ".join(f"NetworkPolicy/{_PREFIX[name]}-policies-{name}" for name in names)


_PEER: dict[str, Any] = {
    "namespace": {"namespace": "other"},
    "cidr": {"cidr": "192.0.2.0/24"},
    "labels": {"namespace": "other", "labels": {"app": "labelled"}},
}
_SHOWN = {"namespace": "other", "cidr": "192.0.2.0/24", "labels": "labelled"}
_ALL = policies(_PREFIX) + "".join(
    f" NetworkPolicy/{part}-policies-others"
    for part in ("platform-db", "platform-kv", "infisical-secrets", "secrets-operator")
)


def _peers(key: str, names: Iterable[str]) -> Iterable[Change]:
    for field, peer in _PEER.items():
        yield change(
            f"networkPolicies.{key}.{field}", None, policies(names), _SHOWN[field], networkPolicies={key: [peer]}
        )


def _extra(key: str) -> Iterable[Change]:
    for field, peer in _PEER.items():
        path = {"part": "pooler", "peer": peer, "ports": [5555]}
        yield change(
            f"networkPolicies.{key}.peer.{field}",
            None,
            policies(["pooler"]),
            _SHOWN[field],
            networkPolicies={key: [path]},
        )
    path = {"part": "redis", "peer": _PEER["cidr"]}
    yield change(
        f"networkPolicies.{key}.part", None, policies(["redis"]), _SHOWN["cidr"], networkPolicies={key: [path]}
    )
    yield change(
        f"networkPolicies.{key}.ports",
        None,
        policies(["redis"]),
        "5556",
        networkPolicies={key: [path | {"ports": [5556]}]},
    )


NETWORK = (
    change("networkPolicies.enabled", False, _ALL, None),
    change("networkPolicies.operators.postgres", "databases", policies(["database"])),
    change("networkPolicies.operators.redis", "caches", policies(["redis", "sentinel"])),
    *_peers("ingressController", ["infisical", "acme-solver"]),
    *_peers("dns", EVERYBODY),
    *_peers("metrics", ["infisical", "database", "pooler", "redis", "sentinel"]),
    change(
        "networkPolicies.apiServer.cidrs",
        ["10.0.0.0/28"],
        policies(name for name in API_CLIENTS if name != "infisical"),
        "10.0.0.0/28",
    ),
    change("networkPolicies.apiServer.ports", [6443, 7443], policies(API_CLIENTS), "7443"),
    change("networkPolicies.outbound", "listed", policies(["infisical"]), None),
    *_extra("extraIngress"),
    *_extra("extraEgress"),
)
