"""Say who may reach whom: the table that every NetworkPolicy of the platform is made from.

A new part adds its pods and a line for each of its paths. Both ends get their rule from that line: the one who calls
may go out, and the one who is called may be reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from components.base.names import DATABASE_CLUSTER, JOB_LABEL, REDIS_REPLICATION, SENTINEL_STATEFUL_SET
from components.base.ports import (
    ACME_SOLVER_PORT,
    DNS_PORTS,
    HTTPS_PORT,
    INFISICAL_PORT,
    LDAP_PORTS,
    METRICS_PORTS,
    PATRONI_PORT,
    POSTGRES_PORT,
    REDIS_PORT,
    SENTINEL_PORT,
    port_of,
)
from components.network_ends import ANYBODY, PUBLIC, Addresses, End, Others, Path, Pods
from settings import Settings
from settings.external import ExternalDatabase, ExternalRedis
from settings.names import Names
from settings.network_policies import Part, Peer

_POOLER = "connection-pooler"


def _job(name: str, namespace: str) -> Pods:
    return Pods(name=name, namespace=namespace, labels={JOB_LABEL: [name]})


_UNNAMED = Names()  # network_paths gives every end the names of its stack
# The servers. Both charts call their component differently, and during a switch there are pods of both.
INFISICAL = Pods(name="infisical", namespace=_UNNAMED.infisical, labels={"component": ["backend", "infisical"]})
# What else a server of PostgreSQL has for labels is a setting of its operator.
DATABASE = Pods(
    name="database", namespace=_UNNAMED.database, labels={"cluster-name": [DATABASE_CLUSTER]}, without=_POOLER
)
POOLER = Pods(name="pooler", namespace=_UNNAMED.database, labels={_POOLER: [f"{DATABASE_CLUSTER}-pooler"]})
REDIS_SERVERS = Pods(name="redis", namespace=_UNNAMED.redis, labels={"app": [REDIS_REPLICATION]})
SENTINEL_PODS = Pods(name="sentinel", namespace=_UNNAMED.redis, labels={"app": [SENTINEL_STATEFUL_SET]})
ACME_SOLVER = Pods(
    name="acme-solver", namespace=_UNNAMED.infisical, labels={"acme.cert-manager.io/http01-solver": ["true"]}
)
# The Jobs.
DATABASE_READY = _job("platform-db-gate-operator", _UNNAMED.database)
DATABASE_LOGIN = _job("platform-db-gate-login", _UNNAMED.database)
CERT_SYNC = _job("cert-sync", _UNNAMED.database)
REDIS_HANDOVER = _job("platform-kv-handover", _UNNAMED.redis)
REDIS_ROLLED = _job("platform-kv-servers", _UNNAMED.redis)
REDIS_READY = _job("platform-kv-gate", _UNNAMED.redis)
REDIS_ROTATION = _job("platform-kv-rotation", _UNNAMED.redis)
MIGRATION = _job("infisical-migration", _UNNAMED.infisical)
INFISICAL_READY = _job("infisical-gate", _UNNAMED.infisical)
ISSUED = _job("ingress-issued", _UNNAMED.infisical)
ROUTE_MOVED = _job("ingress-moved", _UNNAMED.infisical)
EXTERNAL_LOGIN = _job("platform-db-login", _UNNAMED.database)
EXTERNAL_REDIS_LOGIN = _job("platform-kv-login", _UNNAMED.redis)
MOVE_IN, MOVE_IN_REHEARSAL = (_job(f"move-in-{step}", _UNNAMED.database) for step in ("dump", "rehearsal"))

SERVERS: Mapping[Part, Pods] = {
    "infisical": INFISICAL,
    "database": DATABASE,
    "pooler": POOLER,
    "redis": REDIS_SERVERS,
    "sentinel": SENTINEL_PODS,
}
_ASKING_REDIS = (REDIS_READY, REDIS_ROTATION, REDIS_HANDOVER)
_REDIS_JOBS = (*_ASKING_REDIS, REDIS_ROLLED)
_CALLING = (DATABASE_READY, CERT_SYNC, *_REDIS_JOBS, INFISICAL_READY, ISSUED, ROUTE_MOVED)
JOBS = (*_CALLING, DATABASE_LOGIN, MIGRATION)
CALL_THE_API_SERVER = (DATABASE, *_CALLING)


def network_paths(settings: Settings) -> Sequence[Path]:
    """Return all paths of a stack; none when it leaves NetworkPolicies out."""
    if not settings.network_policies.enabled:
        return ()
    absent = _absent(settings)
    own = (
        *_inside(settings),
        *_to_dns(settings, *SERVERS.values(), *JOBS),
        *_to_the_api_server(settings, *CALL_THE_API_SERVER),
        *_out(settings),
        *_way_in(settings),
        *_bootstrap(settings),
        *_secrets_operator(settings),
        *_applications(settings),
        *_backups(settings),
        *_to_external(settings),
    )
    paths = (*own, *_extra(settings, _jobs(own)))
    names = settings.cluster.names
    return [
        replace(path, source=_named(path.source, names), target=_named(path.target, names))
        for path in paths
        if path.source not in absent and path.target not in absent
    ]


def _named(end: End, names: Names) -> End:
    return replace(end, namespace=names.own(end.namespace)) if isinstance(end, Pods) else end


def _absent(settings: Settings) -> Sequence[Pods]:
    """Return the pods that a stack does not have, because somebody else runs its database or its Redis."""
    database = (DATABASE, POOLER, DATABASE_READY, DATABASE_LOGIN, CERT_SYNC)
    redis = (REDIS_SERVERS, SENTINEL_PODS, *_REDIS_JOBS)
    return [
        *(database if settings.database.kind == "external" else ()),
        *(redis if settings.redis.kind == "external" else ()),
    ]


def _to_external(settings: Settings) -> Iterator[Path]:
    """Yield the paths to databases that somebody else runs. Their ports are known, their addresses may change."""
    backed_up, restored = settings.backup, settings.restore
    before, backup, restore = (_job(name, _UNNAMED.database) for name in ("backup-before", "backup", "restore"))
    if isinstance(settings.database, ExternalDatabase):
        restores = (restore, MOVE_IN) if restored and restored.server else (restore,) if restored else ()
        jobs = [EXTERNAL_LOGIN, MIGRATION, *((before, backup) if backed_up else ()), *restores]
        for pods in (INFISICAL, *jobs):
            yield Path(source=pods, target=ANYBODY, ports=[settings.database.port])
        yield from _to_dns(settings, EXTERNAL_LOGIN)
    if isinstance(settings.redis, ExternalRedis):
        for pods in (INFISICAL, EXTERNAL_REDIS_LOGIN, *((restore,) if restored else ())):
            yield Path(source=pods, target=ANYBODY, ports=sorted({*settings.redis.ports}))
        yield from _to_dns(settings, EXTERNAL_REDIS_LOGIN)
    if settings.audit_logs:  # Infisical's own path to it is among those of _out
        yield Path(source=MIGRATION, target=ANYBODY, ports=[settings.audit_logs.port])


def _inside(settings: Settings) -> Iterator[Path]:
    """Yield the paths to the platform's servers, each with who takes it."""
    operators = settings.network_policies.operators
    postgres_operator, redis_operator = Others(namespace=operators.postgres), Others(namespace=operators.redis)
    visitors = ends_of(settings.network_policies.ingress_controller, ANYBODY)
    callers: Sequence[tuple[Pods, int, Sequence[End]]] = (
        (INFISICAL, INFISICAL_PORT, [*visitors, INFISICAL_READY]),
        (ACME_SOLVER, ACME_SOLVER_PORT, visitors),
        (POOLER, POSTGRES_PORT, [INFISICAL, DATABASE_LOGIN, CERT_SYNC]),
        (DATABASE, POSTGRES_PORT, [POOLER, DATABASE, MIGRATION, DATABASE_LOGIN, CERT_SYNC, postgres_operator]),
        (DATABASE, POSTGRES_PORT, [INFISICAL] if settings.infisical.read_replicas == "cluster" else []),
        (DATABASE, PATRONI_PORT, [DATABASE, postgres_operator]),
        (REDIS_SERVERS, REDIS_PORT, [INFISICAL, REDIS_SERVERS, SENTINEL_PODS, *_ASKING_REDIS, redis_operator]),
        (SENTINEL_PODS, SENTINEL_PORT, [INFISICAL, REDIS_SERVERS, SENTINEL_PODS, *_ASKING_REDIS, redis_operator]),
    )
    for target, port, sources in callers:
        yield from (Path(source=source, target=target, ports=[port]) for source in sources)
    for part, pods in SERVERS.items():
        for scraper in ends_of(settings.network_policies.metrics):
            yield Path(source=scraper, target=pods, ports=METRICS_PORTS[part])


def _to_dns(settings: Settings, *pods: Pods) -> Iterator[Path]:
    for source in pods:
        for resolver in ends_of(settings.network_policies.dns, ANYBODY):
            yield Path(source=source, target=resolver, ports=DNS_PORTS, protocols=["UDP", "TCP"])


def _to_the_api_server(settings: Settings, *pods: Pods) -> Iterator[Path]:
    server = settings.network_policies.api_server
    for source in pods:
        yield Path(source=source, target=Addresses(ranges=server.cidrs), ports=server.ports)


def _way_in(settings: Settings) -> Iterator[Path]:
    """Yield the path of the Job that asks the site. Balancers, nodes and controllers may have any address and port."""
    if settings.ingress.route.asked:
        yield Path(source=_job("ingress-gate", _UNNAMED.infisical), target=ANYBODY)


def _bootstrap(settings: Settings) -> Iterator[Path]:
    """Yield the paths of the Job that makes the first organisation."""
    if settings.organization:
        pods = _job("bootstrap", _UNNAMED.infisical)
        yield Path(source=pods, target=INFISICAL, ports=[INFISICAL_PORT])
        yield from _to_dns(settings, pods)
        yield from _to_the_api_server(settings, pods)


def _secrets_operator(settings: Settings) -> Iterator[Path]:
    """Yield the paths of the operator that copies secrets. External Secrets Operator has a namespace of its own."""
    if not (operator := settings.secrets_operator):
        return
    if operator.kind == "externalSecrets":
        reader = Others(namespace=settings.network_policies.operators.external_secrets)
        yield Path(source=reader, target=INFISICAL, ports=[INFISICAL_PORT])
        return
    release = {"app.kubernetes.io/instance": ["infisical-secrets-operator"]}
    pods = Pods(name="secrets-operator", namespace=operator.namespace, labels=release)
    ready = _job("secrets-operator-gate", operator.namespace)
    yield Path(source=pods, target=INFISICAL, ports=[INFISICAL_PORT])
    yield from _to_dns(settings, pods, ready)
    yield from _to_the_api_server(settings, pods, ready)


def _applications(settings: Settings) -> Iterator[Path]:
    """Yield the paths of the Jobs that provision applications, judge what is delivered, and prove the operator."""
    if not (settings.applications or settings.proves_operator):
        return
    provision, canary, *gates = (
        _job(name, _UNNAMED.infisical)
        for name in ("application-secrets", "operator-canary", "secret-delivery-free", "secret-delivery-gate")
    )
    delivering = [canary, *gates] if settings.proves_operator else []  # something is delivered then in any case
    for source in (provision, *delivering[:1]):
        yield Path(source=source, target=INFISICAL, ports=[INFISICAL_PORT])
    jobs = (provision, *delivering)
    yield from _to_dns(settings, *jobs)
    yield from _to_the_api_server(settings, *jobs)


def _backups(settings: Settings) -> Iterator[Path]:
    """Yield the paths of the Jobs of backup, rehearsal and restore. Only a restore goes to Redis, to empty it."""
    if not settings.backup:
        return
    before, backup, rehearsal, restore = (
        _job(name, _UNNAMED.database) for name in ("backup-before", "backup", "backup-rehearsal", "restore")
    )
    restores = [restore] if settings.restore else []
    server = settings.restore.server if settings.restore else None
    moving = (MOVE_IN, MOVE_IN_REHEARSAL) if server else ()
    yield from (Path(source=job, target=DATABASE, ports=[POSTGRES_PORT]) for job in (before, backup, *restores))
    if server:
        yield Path(source=MOVE_IN, target=DATABASE, ports=[POSTGRES_PORT])
        yield Path(source=MOVE_IN, target=ANYBODY, ports=[server.port])
    for job in restores:
        yield Path(source=job, target=REDIS_SERVERS, ports=[REDIS_PORT])
        yield Path(source=job, target=SENTINEL_PODS, ports=[SENTINEL_PORT])
    jobs = (before, backup, rehearsal, *restores, *moving)
    if settings.backup.target.kind == "bucket":
        port = urlsplit(settings.backup.target.endpoint).port or HTTPS_PORT
        writers = [DATABASE] if settings.backup.target.point_in_time else []
        yield from (Path(source=pods, target=ANYBODY, ports=[port]) for pods in (*jobs, *writers))
    yield from _to_dns(settings, *jobs)
    yield from _to_the_api_server(settings, *jobs)


def _out(settings: Settings) -> Iterator[Path]:
    """Yield the paths by which Infisical leaves the cluster."""
    policies = settings.network_policies
    named = {HTTPS_PORT, *policies.api_server.ports, *_named_ports(settings)}  # it asks the API server who a pod is
    if policies.outbound == "public" and settings.infisical.allow_internal_ip_connections:
        yield Path(source=INFISICAL, target=ANYBODY)
        return
    if policies.outbound == "public":
        yield from (Path(source=INFISICAL, target=addresses) for addresses in PUBLIC)
        named |= {*LDAP_PORTS}  # set up in Infisical itself, so that no setting names them
    yield Path(source=INFISICAL, target=ANYBODY, ports=sorted(named))


def _named_ports(settings: Settings) -> Iterator[int]:
    """Yield the ports of hosts that the stack names: the mail relay, databases, proxies, collectors."""
    if settings.mail:
        yield settings.mail.port
    secret = [value.get_secret_value() for value in settings.extra_secrets.values()]
    replicas = [replica.uri.get_secret_value() for replica in settings.database_read_replicas]
    for value in (*settings.extra_environment.values(), *secret, *replicas):
        if port := port_of(value):
            yield port


def _jobs(paths: Sequence[Path]) -> Sequence[Pods]:
    """Return the pods of all Jobs that the table has, each once."""
    ends = (end for path in paths for end in (path.source, path.target))
    return [*{end.name: end for end in ends if isinstance(end, Pods) and JOB_LABEL in end.labels}.values()]


def _extra(settings: Settings, jobs: Sequence[Pods]) -> Iterator[Path]:
    parts: Mapping[Part, Sequence[Pods]] = {"jobs": jobs, **{part: [pods] for part, pods in SERVERS.items()}}
    for path in settings.network_policies.extra_ingress:
        yield from (Path(source=_end(path.peer), target=pods, ports=path.ports) for pods in parts[path.part])
    for path in settings.network_policies.extra_egress:
        yield from (Path(source=pods, target=_end(path.peer), ports=path.ports) for pods in parts[path.part])


def ends_of(peers: Sequence[Peer], *otherwise: End) -> Sequence[End]:
    """Return the ends that a setting names, or what holds without it."""
    return [_end(peer) for peer in peers] or otherwise


def _end(peer: Peer) -> End:
    if peer.cidr:
        return Addresses(ranges=[peer.cidr])
    assert peer.namespace
    return Others(namespace=peer.namespace, labels=peer.labels)
