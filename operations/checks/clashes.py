"""Things that `up` makes and that are there already, made by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.base.names import (
    DATABASE_CLUSTER,
    DATABASE_NAMESPACE,
    INFISICAL_NAMESPACE,
    INFISICAL_SECRET,
    REDIS_NAMESPACE,
    REDIS_REPLICATION,
)
from operations.checks.cluster import Cluster, Unanswered
from operations.checks.result import Result, fail, ok, unknown, warn
from operations.pulumi import Stack
from settings import Settings

Owned = frozenset[tuple[str, str]]  # Pulumi's type and id


@dataclass(frozen=True, slots=True)
class _Thing:
    """What would clash: as Pulumi knows it, as kubectl finds it, and what to do."""

    subject: str
    type: str
    id: str
    selection: tuple[str, ...]
    fix: str


_TAKE_OVER = "delete it if nothing needs it any more; else move its data into the platform first"
_THINGS = (
    _Thing(
        f"Secret {INFISICAL_SECRET}",
        "kubernetes:core/v1:Secret",
        f"{INFISICAL_NAMESPACE}/{INFISICAL_SECRET}",
        ("secrets", INFISICAL_SECRET, "-n", INFISICAL_NAMESPACE),
        "it has the key that opens everything users stored: take it over with `make import-secrets`, keep a copy, and "
        "delete it then",
    ),
    _Thing(
        "Helm release infisical",
        "kubernetes:helm.sh/v3:Release",
        f"{INFISICAL_NAMESPACE}/infisical",
        ("secrets", "-l", "owner=helm,name=infisical", "-n", INFISICAL_NAMESPACE),
        f"helm uninstall infisical -n {INFISICAL_NAMESPACE}; left by a killed `up`: ./repair.sh",
    ),
    _Thing(
        f"postgresql {DATABASE_CLUSTER}",
        "kubernetes:acid.zalan.do/v1:postgresql",
        f"{DATABASE_NAMESPACE}/{DATABASE_CLUSTER}",
        ("postgresqls.v1.acid.zalan.do", DATABASE_CLUSTER, "-n", DATABASE_NAMESPACE),
        _TAKE_OVER,
    ),
    _Thing(
        f"RedisReplication {REDIS_REPLICATION}",
        "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication",
        f"{REDIS_NAMESPACE}/{REDIS_REPLICATION}",
        ("redisreplications.v1beta2.redis.redis.opstreelabs.in", REDIS_REPLICATION, "-n", REDIS_NAMESPACE),
        _TAKE_OVER,
    ),
)


def clashes(stack: Stack, cluster: Cluster, _: Settings) -> Iterator[Result]:
    """Namespaces, and what would be overwritten in them."""
    ours = _owned_by(stack)
    for name in (INFISICAL_NAMESPACE, DATABASE_NAMESPACE, REDIS_NAMESPACE):
        yield _asked(f"Namespace {name}", lambda subject, name=name: _namespace(cluster, subject, name, ours))
    for thing in _THINGS:
        yield _asked(thing.subject, lambda subject, thing=thing: _thing(cluster, subject, thing, ours))


def _owned_by(stack: Stack) -> Owned:
    """What the stack's state holds. Secrets in it stay encrypted. Raises OperationError."""
    deployment = json.loads(stack.run("stack", "export")).get("deployment") or {}
    return frozenset((entry["type"], entry.get("id", "")) for entry in deployment.get("resources") or [])


def _asked(subject: str, ask: Callable[[str], Result]) -> Result:
    try:
        return ask(subject)
    except Unanswered as reason:
        return unknown(subject, reason)


def _namespace(cluster: Cluster, subject: str, name: str, ours: Owned) -> Result:
    found = cluster.get(f"/api/v1/namespaces/{name}")
    if not found:
        return ok(subject, "not there yet")
    if found["status"]["phase"] == "Terminating":
        return fail(subject, "is being deleted", f"kubectl wait --for=delete namespace/{name}")
    if ("kubernetes:core/v1:Namespace", name) in ours:
        return ok(subject, "this stack's")
    return warn(
        subject,
        "is there, and not this stack's: `up` would take it over, and `destroy` delete it with all that is in it",
        f"kubectl get all,secrets,pvc -n {name}; keep nothing there that is not the platform's",
    )


def _thing(cluster: Cluster, subject: str, thing: _Thing, ours: Owned) -> Result:
    if (thing.type, thing.id) in ours:
        return ok(subject, "this stack's")
    if cluster.exists(*thing.selection):
        return fail(subject, "is there, and not this stack's", thing.fix)
    return ok(subject, "not there yet")
