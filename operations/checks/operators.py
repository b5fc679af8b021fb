"""Check that the three operators run, in a version that works, and act on the platform's namespaces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from operations.checks import domain, zalando
from operations.checks.deployments import Deployed, find, flag, watching
from operations.checks.installed import by_stack
from operations.checks.result import Result, fail, ok, unknown, warn
from operations.checks.versions import Known, Version
from operations.cluster import Cluster, Unanswered
from settings import Settings
from settings.operators import Operator

_ZALANDO = Known(
    good=[(Version(1, 15, 0), Version(1, 16, 0)), (Version(2, 0, 2), Version(3, 0, 0))],
    bad=dict.fromkeys(
        (Version(2, 0, 0), Version(2, 0, 1)),
        "it salts every password anew at each sync, and the pooler refuses logins meanwhile (#3170)",
    ),
    advice="1.15, or 2.0.2 and newer; before 2.x takes over from 1.x, kubernetes_use_configmaps has to be false",
)
_GATE = "GenerateConfigInInitContainer"
_REDIS = Known(
    good=[(Version(0, 23, 0), Version(0, 24, 0)), (Version(0, 25, 0), Version(0, 26, 0))],
    bad={
        Version(0, 24, 0): "once restarted, it finds no master any more (#1719)",
        Version(0, 26, 0): "it attaches a server to its master once the server is ready, and ours are ready once they "
        "are attached: while Redis rolls, each server stays alone for 90 s, and the master goes without a replica",
    },
    advice=f"0.23, or 0.25 with the feature gate {_GATE}",
)
_CERT_MANAGER = Known(good=[(Version(1, 11, 0), Version(2, 0, 0))], advice="1.11 or newer")

_ZALANDO_INSTALL = (
    "install postgres-operator --repo https://opensource.zalando.com/postgres-operator/charts/postgres-operator "
    "postgres-operator --version 1.15.1 --set configKubernetes.enable_secrets_deletion=false "
    "--set configKubernetes.enable_persistent_volume_claim_deletion=false "
    "--set configGeneral.kubernetes_use_configmaps=false"
)
_REDIS_INSTALL = (
    "install redis-operator --repo https://ot-container-kit.github.io/helm-charts redis-operator --version 0.23.0"
)
_CERT_MANAGER_INSTALL = (
    "install cert-manager --repo https://charts.jetstack.io cert-manager --namespace cert-manager "
    "--create-namespace --set crds.enabled=true"
)


def postgres_operator(cluster: Cluster, settings: Settings) -> Iterable[Result]:
    """Judge the Zalando operator and those of its settings that matter. Other operators' images have the same name."""
    if settings.database.kind == "external":
        return []
    subject = "postgres-operator"
    operators = find(cluster, lambda d: d.repository == subject and zalando.is_configured(d))

    def results(operator: Deployed) -> Iterator[Result]:
        yield _running(cluster, subject, operator, _ZALANDO)
        try:
            yield from zalando.settings_of(cluster, operator, settings)
        except Unanswered as reason:
            yield unknown(f"{subject}: settings", reason)

    return _best(operators, results) or [_absent(cluster, settings, "postgres", subject, _ZALANDO_INSTALL)]


def redis_operator(cluster: Cluster, settings: Settings) -> Iterable[Result]:
    """Judge the OT-CONTAINER-KIT operator."""
    if settings.redis.kind == "external":
        return []
    subject = "redis-operator"
    operators = find(cluster, lambda d: d.repository == subject)

    def results(operator: Deployed) -> Iterator[Result]:
        yield _running(cluster, subject, operator, _REDIS)
        yield from _sentinels_restart(subject, operator)
        try:
            scope = {name.strip() for name in operator.environment.get("WATCH_NAMESPACE").split(",")} - {""}
            told = operator.environment.get("SERVICE_DNS_DOMAIN")
        except Unanswered as reason:
            yield unknown(f"{subject}: namespaces", reason)
            return
        yield watching(
            subject, scope, [settings.cluster.names.redis], f"add it to WATCH_NAMESPACE of Deployment {operator}"
        )
        fix = f"set SERVICE_DNS_DOMAIN to {{}} in Deployment {operator}"
        yield from domain.judge(cluster, subject, told, fix)

    return _best(operators, results) or [_absent(cluster, settings, "redis", subject, _REDIS_INSTALL)]


def _sentinels_restart(subject: str, operator: Deployed) -> Iterator[Result]:
    """Judge the operator's feature gate GenerateConfigInInitContainer, which Sentinels need from 0.25 on.

    Since then their configuration outlives a container, and the image's entry point appends to what is there.
    """
    if not operator.version or operator.version < (0, 25, 0):
        return
    subject = f"{subject}: feature gate"
    try:
        told = flag(operator, "feature-gates") or operator.environment.get("FEATURE_GATES")
    except Unanswered as reason:
        yield unknown(subject, reason)
        return
    gates = {"".join(gate.split()).lower() for gate in told.split(",")}
    if gates & {f"{_GATE.lower()}=true", "allalpha=true"}:
        yield ok(subject, f"{_GATE} is on")
        return
    yield fail(
        subject,
        f'{_GATE} is off: a Sentinel whose container restarts never starts again ("Duplicate master name")',
        f"change the operator to 0.23. For a Redis without data, set FEATURE_GATES to {_GATE}=true in Deployment "
        f"{operator} instead: one that has some reads a file of another name from then on (appendfilename)",
    )


def cert_manager(cluster: Cluster, settings: Settings) -> Iterable[Result]:
    """Judge cert-manager's controller, which issues. A different check asks whether the webhook answers."""
    subject = "cert-manager"
    controllers = find(cluster, _is_controller)

    def results(controller: Deployed) -> Iterator[Result]:
        yield _running(cluster, subject, controller, _CERT_MANAGER)
        # It takes one namespace or all of them, and the platform has certificates in two.
        only = flag(controller, "namespace")
        scope, fix = {only} if only else set[str](), f"remove --namespace from the arguments of Deployment {controller}"
        yield watching(subject, scope, (settings.cluster.names.database, settings.cluster.names.infisical), fix)
        if settings.ingress.issuer.kind == "letsEncrypt" and settings.ingress.route.kind == "gateway":
            yield _challenged(cluster, f"{subject}: Gateway API", controller)

    return _best(controllers, results) or [_absent(cluster, settings, "certManager", subject, _CERT_MANAGER_INSTALL)]


def _challenged(cluster: Cluster, subject: str, controller: Deployed) -> Result:
    """Judge whether it answers challenges behind a Gateway. A site that moves there notices at its next renewal."""
    written = cluster.get(f"/api/v1/namespaces/{controller.namespace}/configmaps/{controller.name}") or {}
    file = "\n".join((written.get("data") or {}).values())
    flags = {"--enable-gateway-api", "--enable-gateway-api=true"}
    on = flags.intersection(controller.arguments) or re.search(r'enableGatewayAPI"?:\s*true', file)
    if on or "ExperimentalGatewayAPISupport=true" in flag(controller, "feature-gates"):
        return ok(subject, "is on")
    return warn(
        subject,
        f"is off, as far as the arguments of Deployment {controller} and a ConfigMap of its name tell: no challenge of "
        "Let's Encrypt is answered behind a Gateway",
        "set config.enableGatewayAPI of cert-manager's chart to true, and restart its controller",
    )


def _is_controller(deployed: Deployed) -> bool:
    if deployed.repository == "cert-manager":  # one image with all of its programs
        return "controller" in deployed.arguments
    return deployed.repository == "cert-manager-controller"


def _running(cluster: Cluster, subject: str, deployed: Deployed, known: Known) -> Result:
    if not deployed.available:
        workload = f"-n {deployed.namespace} deployment/{deployed.name}"
        return fail(
            subject,
            f"Deployment {deployed} has no available pod",
            f"{cluster.kubectl(f'rollout status {workload}')}; with 0 replicas: "
            + cluster.kubectl(f"scale {workload} --replicas=1"),
        )
    return known.judge(subject, deployed.version, f"{deployed.version or deployed.image} in {deployed}")


def _absent(cluster: Cluster, settings: Settings, operator: Operator, subject: str, install: str) -> Result:
    if operator in settings.operators.installed:
        key = f"operators.{operator}Chart"
        return by_stack(subject, next(str(chart) for chart in settings.operators.charts if chart.key == key))
    return fail(subject, f"no Deployment runs an image named {subject}", cluster.helm(install))


def _best(operators: Sequence[Deployed], results: Callable[[Deployed], Iterable[Result]]) -> list[Result]:
    """Return the rows of the operator that suits best: several may share a cluster, each with its own namespaces."""
    found = [list(results(operator)) for operator in operators]
    return min(found, key=lambda rows: sorted((row.level for row in rows), reverse=True), default=[])
