"""Find things that `up` will make and that somebody else has made already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.base.names import (
    DATABASE_CLUSTER,
    DATABASE_CREDENTIALS,
    INFISICAL_SECRET,
    REDIS_REPLICATION,
)
from operations.adoption.installation import MOVES_IN, data_returns, of_other_chart
from operations.checks.result import Result, fail, ok, unknown, warn
from operations.cluster import Cluster, Unanswered
from operations.pulumi import Stack
from settings import Settings
from settings.names import Names


@dataclass(frozen=True, slots=True)
class _Thing:
    """What would clash, as Pulumi knows it and as kubectl finds it, and what to do."""

    subject: str
    type: str
    id: str
    selection: tuple[str, ...]
    fix: str


def _things(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[_Thing]:
    names = settings.cluster.names
    take_over = f"take it over where it is, with its data: {stack.commands.make('adopt')}"
    secret = release = (
        f"its data is not in the platform's database, which is not there: it moves in, {MOVES_IN}. What nothing uses "
        "any more may be deleted, once its keys are written down"
    )
    if _has_data(stack, cluster, settings):
        release = take_over
        secret = (
            f"{cluster.kubectl(f'get secret {INFISICAL_SECRET} -n {names.infisical} -o yaml')} | "
            f"{stack.commands.make('import-secrets', FILE='/dev/stdin')}, then {take_over}"
        )
    yield _Thing(
        f"Secret {INFISICAL_SECRET}",
        "kubernetes:core/v1:Secret",
        f"{names.infisical}/{INFISICAL_SECRET}",
        ("secrets", INFISICAL_SECRET, "-n", names.infisical),
        f"it has the key that opens everything users stored, so keep it: {secret}",
    )
    yield _Thing(
        "Helm release infisical",
        "kubernetes:helm.sh/v3:Release",
        f"{names.infisical}/infisical",
        ("secrets", "-l", "owner=helm,name=infisical", "-n", names.infisical),
        f"{release}; left by a killed `up`: {stack.commands.make('repair')}",
    )
    yield _postgresql(names, take_over)
    yield _Thing(
        f"Secret {DATABASE_CREDENTIALS}",
        "kubernetes:core/v1:Secret",
        f"{names.database}/{DATABASE_CREDENTIALS}",
        ("secrets", DATABASE_CREDENTIALS, "-n", names.database),
        f"where its database is there, or is to come back, {take_over}. One that a database has left behind, which is "
        f"gone for good: {cluster.kubectl(f'delete secret -n {names.database} {DATABASE_CREDENTIALS}')}",
    )
    yield _Thing(
        f"RedisReplication {REDIS_REPLICATION}",
        "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication",
        f"{names.redis}/{REDIS_REPLICATION}",
        ("redisreplications.v1beta2.redis.redis.opstreelabs.in", REDIS_REPLICATION, "-n", names.redis),
        take_over,
    )


def _postgresql(names: Names, fix: str) -> _Thing:
    return _Thing(
        f"postgresql {DATABASE_CLUSTER}",
        "kubernetes:acid.zalan.do/v1:postgresql",
        f"{names.database}/{DATABASE_CLUSTER}",
        ("postgresqls.v1.acid.zalan.do", DATABASE_CLUSTER, "-n", names.database),
        fix,
    )


def _has_data(stack: Stack, cluster: Cluster, settings: Settings) -> bool:
    """Return whether Infisical's data is where the stack has it, or will be. Otherwise `up` makes an empty database."""
    database = _postgresql(settings.cluster.names, "")
    if settings.database.kind != "operator" or data_returns(settings) or (database.type, database.id) in stack.owned:
        return True
    try:
        return cluster.exists(*database.selection)
    except Unanswered:
        return True  # its own row says so


def clashes(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the namespaces, and what would be overwritten in them."""
    ours = stack.owned
    for name in settings.cluster.names.namespaces:
        yield _asked(f"Namespace {name}", lambda subject, name=name: _namespace(cluster, subject, name, ours))
    for thing in _things(stack, cluster, settings):
        yield _asked(thing.subject, lambda subject, thing=thing: _thing(cluster, subject, thing, ours))
    yield _asked("Infisical of the other chart", lambda subject: _second(stack, cluster, settings, subject))


def _second(stack: Stack, cluster: Cluster, settings: Settings, subject: str) -> Result:
    second = of_other_chart(stack, cluster, settings)
    return fail(subject, second.reason, second.way_out) if second else ok(subject, "not there")


def _asked(subject: str, ask: Callable[[str], Result]) -> Result:
    try:
        return ask(subject)
    except Unanswered as reason:
        return unknown(subject, reason)


def _namespace(cluster: Cluster, subject: str, name: str, ours: frozenset[tuple[str, str]]) -> Result:
    found = cluster.get(f"/api/v1/namespaces/{name}")
    if not found:
        return ok(subject, "not there yet")
    if found["status"]["phase"] == "Terminating":
        return fail(subject, "is being deleted", cluster.kubectl(f"wait --for=delete namespace/{name}"))
    if ("kubernetes:core/v1:Namespace", name) in ours:
        return ok(subject, "this stack's")
    return warn(
        subject,
        "is there, and not this stack's: `up` would take it over, and `destroy` delete it with all that is in it",
        f"{cluster.kubectl(f'get all,secrets,pvc -n {name}')}; keep nothing there that is not the platform's",
    )


def _thing(cluster: Cluster, subject: str, thing: _Thing, ours: frozenset[tuple[str, str]]) -> Result:
    if (thing.type, thing.id) in ours:
        return ok(subject, "this stack's")
    if cluster.exists(*thing.selection):
        return fail(subject, "is there, and not this stack's", thing.fix)
    return ok(subject, "not there yet")
