"""Settings of the Zalando operator that the platform depends on: from its object, or from its ConfigMap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.base.names import DATABASE_CLUSTER
from operations.checks import domain
from operations.checks.deployments import Deployed, watching
from operations.checks.result import Result, fail, ok, unknown, warn
from operations.cluster import Cluster, Unanswered
from settings import Settings
from settings.database import DatabaseSettings

_OBJECT = "POSTGRES_OPERATOR_CONFIGURATION_OBJECT"
_CONFIG_MAP = "CONFIG_MAP_NAME"
_TEMPLATE = "{username}.{cluster}.credentials.{tprkind}.{tprgroup}"
_SUBJECT = "postgres-operator"
_STORE = "kubernetes_use_configmaps"
_VOLUMES = "enable_persistent_volume_claim_deletion"


def is_configured(deployed: Deployed) -> bool:
    """Return whether it is started as the Zalando operator is."""
    return any(map(deployed.environment.get, (_OBJECT, _CONFIG_MAP)))


def settings_of(cluster: Cluster, operator: Deployed, settings: Settings) -> Iterator[Result]:
    """Judge where the operator acts, and what its settings would do to the platform. Raises Unanswered."""
    where, found = _configuration(cluster, operator)
    if found is None:
        yield fail(f"{_SUBJECT}: settings", f"{where} is not there", f"make it, or correct Deployment {operator}")
        return
    # The operator's own order: environment, settings, its own namespace.
    scope = operator.environment.get("WATCHED_NAMESPACE") or found.get("watched_namespace") or operator.namespace
    fix = f'set watched_namespace to "*" in {where}, and restart the operator'
    yield watching(_SUBJECT, set() if scope == "*" else {scope}, [settings.cluster.names.database], fix)
    yield from _controller(operator, settings.cluster.names.database)
    yield from _store(cluster, where, found, operator, settings.cluster.names.database)
    fix = f"set cluster_domain to {{}} in {where}, and restart the operator"
    yield from domain.judge(cluster, _SUBJECT, found.get("cluster_domain", ""), fix)
    yield _deletion(where, found, operator)
    if settings.cluster.protect:
        yield _volumes(where, found)
    yield from _ignored(cluster, found, settings.cluster.names.database)
    yield _template(where, found)
    yield _resizing(where, found, protect=settings.cluster.protect)
    yield _upgrading(where, found)
    if isinstance(settings.database, DatabaseSettings):
        yield _instances(where, found, settings.database.instances)
    yield from _placing(where, found, settings)


def _controller(operator: Deployed, namespace: str) -> Iterator[Result]:
    """Judge the operator's CONTROLLER_ID: with one it leaves every database alone that does not name it."""
    subject = f"{_SUBJECT}: CONTROLLER_ID"
    try:
        identity = operator.environment.get("CONTROLLER_ID")
    except Unanswered as reason:
        yield unknown(subject, reason)
        return
    if identity:
        yield fail(
            subject,
            f"{identity}: it acts on databases with the annotation acid.zalan.do/controller: {identity} alone, and "
            "this one has none",
            f"take CONTROLLER_ID out of Deployment {operator}, or have an operator without it act in {namespace}",
        )


def _store(
    cluster: Cluster, where: str, found: Mapping[str, str], operator: Deployed, namespace: str
) -> Iterator[Result]:
    """Judge where Patroni keeps its state: servers with a different place than the others elect their own primary.

    A database that begins may have either. The default is false, and true from 2.0 on.
    """
    if found.get("etcd_host"):
        return
    subject, told, version = f"{_SUBJECT}: {_STORE}", found.get(_STORE), operator.version
    if told is None and (not version or version < (2, 0, 0)):
        yield warn(
            subject,
            "not set: an operator of 2.x takes true, which moves Patroni's state under a running database, and each of "
            "two servers may be a primary meanwhile",
            f"set {_STORE} to false in {where} before the operator is upgraded",
        )
        return
    wanted = told or "true"
    try:
        running = _runs_with(cluster, namespace)
    except Unanswered as reason:
        yield unknown(subject, reason)
        return
    if running in (None, wanted):
        yield ok(subject, told or "true, the default")
        return
    place = {"true": "ConfigMaps", "false": "Endpoints"}
    yield fail(
        subject,
        f"{wanted}: Patroni keeps its state in {place[wanted]}, and the servers that run keep it in {place[running]}. "
        "While the operator replaces them, the database may have two primaries",
        f"set {_STORE} to {running} in {where}, and restart the operator. Upstream's docs/migrate.md says how the "
        "state is moved: with database.instances at 1",
    )


def _runs_with(cluster: Cluster, namespace: str) -> str | None:
    """Return the setting that the servers were made with, None where there are none. Raises Unanswered."""
    found = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{DATABASE_CLUSTER}")
    if not found:
        return None
    containers = found["spec"]["template"]["spec"]["containers"]
    variables = [variable for container in containers for variable in container.get("env", [])]
    switched_on = any(each["name"] == _STORE.upper() and each.get("value") == "true" for each in variables)
    return "true" if switched_on else "false"


def _configuration(cluster: Cluster, operator: Deployed) -> tuple[str, Mapping[str, str] | None]:
    """Return the name of the settings, and the settings. The object wins, as it does in the operator."""
    if name := operator.environment.get(_OBJECT):
        path = f"/apis/acid.zalan.do/v1/namespaces/{operator.namespace}/operatorconfigurations/{name}"
        found = cluster.get(path)
        where = f"OperatorConfiguration {operator.namespace}/{name}"
        if not found:
            return where, None
        top = found["configuration"]
        flat = {**top, **top.get("kubernetes", {}), **top.get("major_version_upgrade", {})}
        return where, {key: _text(value) for key, value in flat.items()}
    namespace, _, name = operator.environment.get(_CONFIG_MAP).rpartition("/")
    namespace = namespace or operator.namespace
    found = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    return f"ConfigMap {namespace}/{name}", found.get("data", {}) if found else None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _deletion(where: str, found: Mapping[str, str], operator: Deployed) -> Result:
    subject = f"{_SUBJECT}: enable_secrets_deletion"
    if found.get("enable_secrets_deletion", "true") != "false":
        return warn(
            subject,
            "true: it deletes credentials by name, those of a database made anew as well",
            f"set enable_secrets_deletion to false in {where}, and restart the operator",
        )
    # With owner references Kubernetes itself deletes them; fixed in 2.0.2 (#3165).
    version = operator.version
    if found.get("enable_owner_references") == "true" and (not version or version < (2, 0, 2)):
        return warn(
            subject,
            "false, but enable_owner_references has Kubernetes delete the credentials instead",
            f"set enable_owner_references to false in {where}, and restart the operator",
        )
    return ok(subject, "false")


def _volumes(where: str, found: Mapping[str, str]) -> Result:
    """Judge what becomes of the volumes of a database that is deleted, by whomever. With mode `off` none is known."""
    subject = f"{_SUBJECT}: {_VOLUMES}"
    if found.get(_VOLUMES) == "false":
        return ok(subject, "false")
    off = ", once storage_resize_mode is not off" if found.get("storage_resize_mode") == "off" else ""
    return warn(
        subject,
        f"{found.get(_VOLUMES) or 'true, the default'}: with a database that is deleted go its volumes{off}",
        f"set {_VOLUMES} to false in {where}, and restart the operator",
    )


def _ignored(cluster: Cluster, found: Mapping[str, str], namespace: str) -> Iterator[Result]:
    """Warn of annotations without which the operator ignores that a database is deleted.

    The servers then run on, and one of the same name is not made: to the operator it is there. With owner references it
    is Kubernetes that deletes.
    """
    wanted = {"delete_annotation_date_key": "$(date -u +%F)", "delete_annotation_name_key": DATABASE_CLUSTER}
    told = {key: f"{found[key]}={value}" for key, value in wanted.items() if found.get(key)}
    if not told or found.get("enable_owner_references") == "true":
        return
    annotate = cluster.kubectl(f"annotate postgresql -n {namespace} {DATABASE_CLUSTER} {' '.join(told.values())}")
    yield warn(
        f"{_SUBJECT}: deletion",
        f"{' and '.join(told)}: without the annotation it ignores that the database is deleted, lets the servers run, "
        "and makes none of the same name",
        f"on the day of `make destroy`, or of docs/runbooks/point-in-time.md, before it: {annotate}",
    )


def _template(where: str, found: Mapping[str, str]) -> Result:
    subject = f"{_SUBJECT}: secret_name_template"
    template = found.get("secret_name_template") or _TEMPLATE
    if template == _TEMPLATE:
        return ok(subject, "the default")
    return fail(
        subject,
        f"{template}: the operator would not find the password that `up` has made, and make another",
        f"remove secret_name_template from {where}, and restart the operator",
    )


def _resizing(where: str, found: Mapping[str, str], *, protect: bool) -> Result:
    subject = f"{_SUBJECT}: storage_resize_mode"
    mode = found.get("storage_resize_mode") or "pvc"
    if mode != "off":
        return ok(subject, mode)
    # It deletes the volumes that it knows of, and with `off` it knows of none.
    before = f"set {_VOLUMES} to false and " if protect and found.get(_VOLUMES) != "false" else "set "
    return warn(
        subject,
        "off: a larger database.storage would change nothing",
        f"{before}storage_resize_mode to pvc in {where}, and restart the operator",
    )


def _upgrading(where: str, found: Mapping[str, str]) -> Result:
    subject = f"{_SUBJECT}: major_version_upgrade_mode"
    mode = found.get("major_version_upgrade_mode") or "manual"
    if mode != "off":
        return ok(subject, mode)
    return warn(
        subject,
        "off: a higher database.version would upgrade nothing, and the gate would fail",
        f"set major_version_upgrade_mode to manual in {where}, and restart the operator",
    )


def _instances(where: str, found: Mapping[str, str], wanted: int) -> Result:
    subject = f"{_SUBJECT}: instances"
    least, most = (int(found.get(key, "-1")) for key in ("min_instances", "max_instances"))
    given = max(wanted, least) if most < 0 else min(max(wanted, least), most)
    if given == wanted:
        return ok(subject, f"allow {wanted}")
    return warn(
        subject,
        f"it makes {given} of the {wanted} that database.instances asks for",
        f"change min_instances and max_instances in {where}, or database.instances",
    )


def _placing(where: str, found: Mapping[str, str], settings: Settings) -> Iterator[Result]:
    """Judge what section `pods` leaves to the operator, because a `postgresql` resource has no field for it."""
    spread, account = settings.pods.spread, found.get("pod_service_account_name") or "postgres-pod"
    if spread and found.get("enable_pod_antiaffinity", "false") != "true":
        yield warn(
            f"{_SUBJECT}: enable_pod_antiaffinity",
            f"false: pods.spread is {spread}, and one node may have every server of PostgreSQL, or every pooler",
            f"set enable_pod_antiaffinity to true in {where}, and restart the operator",
        )
    if settings.registry_credentials and account != "postgres-pod":
        yield fail(
            f"{_SUBJECT}: pod_service_account_name",
            f"{account}: registryCredentials reach ServiceAccount postgres-pod alone",
            f"remove pod_service_account_name from {where}, and restart the operator",
        )
