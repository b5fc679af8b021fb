"""Say what runs, in which version, and what doesn't."""

from __future__ import annotations

from collections.abc import Iterator

from components.base.names import DATABASE_CLUSTER
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Object, outcome_of
from settings import Commands, Settings
from settings.external import ExternalDatabase

NO_MASTER = "docs/runbooks/node-lost.md#redis-has-no-master"
REDIS_SERVERS = "redis_setup_type=replication"
STOPPED = "infisical-platform/replicas"  # on a Deployment that a restore has stopped: how many pods it had
PRIMARY = f"cluster-name={DATABASE_CLUSTER},spilo-role=master,application=spilo"


def workloads(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the Deployments and StatefulSets of each namespace by their ready pods. Raises Unanswered."""
    names = settings.cluster.names
    installed = settings.secrets_operator and settings.secrets_operator.wanted  # of the cluster's own it has log-ins
    operator = [names.own(settings.secrets_operator.namespace)] if settings.secrets_operator and installed else []
    database = [names.database] if settings.database.kind == "operator" else []
    redis = [names.redis] if settings.redis.kind == "operator" else []
    for namespace in (names.infisical, *database, *redis, *operator):
        found = [
            (kind, workload)
            for kind in ("deployment", "statefulset")
            for workload in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/{kind}s")
        ]
        if not found:
            yield fail(namespace, "nothing runs there", f"`{commands.pulumi('up')}`")
        for kind, workload in found:
            yield _workload(commands.pulumi("up"), cluster, namespace, kind, workload)


def database(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what the operator says of PostgreSQL, and whether there is one primary. Raises Unanswered.

    Of a database that somebody else runs, Infisical's own pods and the backups tell.
    """
    if isinstance(settings.database, ExternalDatabase):
        yield ok("PostgreSQL", f"{settings.database.host}, which somebody else runs")
        return
    namespace = settings.cluster.names.database
    path = f"/apis/acid.zalan.do/v1/namespaces/{namespace}"
    found = cluster.get(f"{path}/postgresqls/{DATABASE_CLUSTER}")
    subject = "PostgreSQL"
    if not found:
        yield fail(subject, "there is no database", cluster.kubectl(f"get postgresqls -n {namespace}"))
        return
    version = found["spec"]["postgresql"]["version"]
    told = (found.get("status") or {}).get("PostgresClusterStatus", "nothing")
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={PRIMARY}")
    names = ", ".join(pod["metadata"]["name"] for pod in pods)
    describe = cluster.kubectl(f"describe postgresql -n {namespace} {DATABASE_CLUSTER}")
    if len(pods) != 1:
        yield fail(subject, f"version {version}, with {names or 'no pod'} as primary", describe)
    elif told != "Running":
        yield warn(subject, f"version {version}, primary {names}; the operator says {told}", describe)
    else:
        yield ok(subject, f"version {version}, primary {names}")


def redis(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge whether one server of Redis is the master, as the operator's labels have it. Raises Unanswered.

    Servers without a master are up and ready, each on its own, while Infisical can't start.
    """
    if settings.redis.kind != "operator":
        yield ok("Redis", "somebody else runs it")
        return
    namespace = settings.cluster.names.redis
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={REDIS_SERVERS}")
    roles = {pod["metadata"]["name"]: pod["metadata"]["labels"].get("redis-role") for pod in pods}
    masters = [name for name, role in sorted(roles.items()) if role == "master"]
    look = cluster.kubectl(f"get pods -n {namespace} -L redis-role")
    if len(masters) == 1:
        yield ok("Redis", f"master {masters[0]}")
    elif any(roles.values()):  # of servers that are all new the operator has not chosen one yet
        who = f"{', '.join(masters)} are masters" if masters else "none is the master"
        seen = f"of {len(roles)} servers {who}"
        yield fail("Redis", seen, f"{look}; where it stays so, {NO_MASTER} ends it")
    elif roles:
        yield warn("Redis", "no master yet", look)


def scheduled(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge each CronJob by its newest Job. Raises Unanswered."""
    for namespace in settings.cluster.names.namespaces:
        newest: dict[str, Object] = {}
        for job in cluster.items(f"/apis/batch/v1/namespaces/{namespace}/jobs"):
            for owner in job["metadata"].get("ownerReferences") or []:
                before = newest.get(owner["name"])
                if not before or _began(before) < _began(job):
                    newest[owner["name"]] = job
        for name, job in sorted(newest.items()):
            yield _scheduled(cluster, namespace, name, job)


def _scheduled(cluster: Cluster, namespace: str, name: str, job: Object) -> Result:
    subject, of, outcome = f"CronJob {name}", job["metadata"]["name"], outcome_of(job)
    if outcome == "Failed":
        return fail(subject, f"its newest Job failed: {of}", cluster.kubectl(f"logs -n {namespace} job/{of}"))
    return ok(subject, f"{'succeeded' if outcome else 'works'}, {_began(job) or 'just now'}")


def _workload(up: str, cluster: Cluster, namespace: str, kind: str, workload: Object) -> Result:
    name, spec, status = workload["metadata"]["name"], workload["spec"], workload.get("status") or {}
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    images = [container["image"].rpartition("/")[2] for container in spec["template"]["spec"]["containers"]]
    seen = f"{ready} of {wanted} ready, {', '.join(images)}"
    describe = cluster.kubectl(f"get pods -n {namespace}")
    if not wanted:
        before = (workload["metadata"].get("annotations") or {}).get(STOPPED)
        if before and kind == "deployment":
            seen = (
                f"0 of {before}: a restore has stopped it and has not ended (annotation {STOPPED}), {', '.join(images)}"
            )
            scale = cluster.kubectl(f"scale deployment {name} -n {namespace} --replicas {before}")
            fix = (
                f"have restore.id and restore.from in the stack file as they were, and `{up}`: it finishes the restore"
            )
            return fail(name, seen, f"{fix}; or, where it can't be finished, {scale}")
        scale = cluster.kubectl(f"scale {kind} {name} -n {namespace} --replicas 1")
        return fail(name, f"nothing is to run: {seen}", f"{scale}, or with as many as it had")
    if ready < wanted:
        judged = warn if ready else fail
        return judged(name, seen, f"{describe}; {cluster.kubectl(f'describe {kind} -n {namespace} {name}')}")
    if status.get("updatedReplicas", wanted) < wanted:
        return warn(name, f"{seen}, and {status['updatedReplicas']} of the new kind", describe)
    return ok(name, seen)


def _began(job: Object) -> str:
    return (job.get("status") or {}).get("startTime") or ""
