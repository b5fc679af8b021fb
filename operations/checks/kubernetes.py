"""Kubernetes itself, and the kinds it serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from operations.checks.installed import BY_STACK, GROUPS, comes
from operations.checks.result import Result, fail, ok
from operations.checks.versions import Known, Version
from operations.cluster import Cluster
from settings import Commands, Settings

# 1.27 has `unhealthyPodEvictionPolicy`, which the budgets set; 1.36 is what the end-to-end test runs on.
_KUBERNETES = Known(good=[(Version(1, 27, 0), Version(1, 37, 0))], advice="Kubernetes 1.27 to 1.36")


_SLEEPS = Version(1, 30, 0)  # a hook that sleeps before a container ends


def answers(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the version of Kubernetes. Raises Unanswered when nobody is there."""
    seen = (cluster.get("/version") or {}).get("gitVersion", "")
    version = Version.find(seen)
    yield _KUBERNETES.judge("Kubernetes", version, seen)
    if settings.infisical.drain_seconds and version and version < _SLEEPS:
        yield fail(
            "infisical.drainSeconds",
            f"{settings.infisical.drain_seconds}, and Kubernetes {version} knows no pause before a container ends",
            "set it to 0, and a roll may fail a few requests, or take Kubernetes 1.30 or newer",
        )


def distribution(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what `up` could not mend later: OpenShift, and a cluster whose Services get IPv6 addresses."""
    if cluster.get("/apis/security.openshift.io/v1"):
        yield fail(
            "OpenShift",
            "its SCCs refuse the user ids that PostgreSQL, Redis and this program's Jobs run with",
            "take a cluster that is not OpenShift; docs/clusters/openshift.md says why",
        )
    service = cluster.get("/api/v1/namespaces/default/services/kubernetes") or {}
    if service.get("spec", {}).get("ipFamilies", ["IPv4"]) != ["IPv6"]:
        return  # where IPv4 comes first, every Service gets an IPv4 address
    if settings.infisical.ipv6:
        yield ok("IPv6", "Services get IPv6 addresses, and Infisical listens on them")
    else:
        yield fail(
            "IPv6",
            "Services get IPv6 addresses, and Infisical's image listens on IPv4 alone",
            commands.set("infisical.ipv6", "true"),
        )


@dataclass(frozen=True, slots=True)
class _Kinds:
    group: str
    version: str
    resources: frozenset[str]
    fix: str


_KINDS = (
    _Kinds(
        "acid.zalan.do",
        "v1",
        frozenset({"postgresqls"}),
        "install the Zalando postgres-operator with its CRDs: https://github.com/zalando/postgres-operator",
    ),
    _Kinds(
        "redis.redis.opstreelabs.in",
        "v1beta2",
        frozenset({"redisreplications", "redissentinels"}),
        "apply the CRDs of the redis-operator's own version, which Helm never upgrades: "
        "`kubectl apply --server-side -f` charts/redis-operator/crds of "
        "https://github.com/OT-CONTAINER-KIT/redis-operator",
    ),
    _Kinds(
        "cert-manager.io",
        "v1",
        frozenset({"certificates", "issuers", "clusterissuers"}),
        "install cert-manager with its CRDs (Helm: crds.enabled=true): https://cert-manager.io/docs/installation",
    ),
)
_GATEWAY_FIX = "install the Gateway API's standard CRDs: https://gateway-api.sigs.k8s.io/guides"
_GATEWAY = (
    _Kinds("gateway.networking.k8s.io", "v1", frozenset({"httproutes", "gateways"}), _GATEWAY_FIX),
    _Kinds("gateway.networking.k8s.io", "v1beta1", frozenset({"referencegrants"}), _GATEWAY_FIX),
)


def kinds(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge whether the custom resources that `up` makes are served, in the versions in which it makes them."""
    external = {
        "acid.zalan.do": settings.database.kind == "external",
        "redis.redis.opstreelabs.in": settings.redis.kind == "external",
    }
    asked = [wanted for wanted in _KINDS if not external.get(wanted.group)]
    for wanted in (*asked, *(_GATEWAY if settings.ingress.route.kind == "gateway" else ())):
        subject = f"CRDs of {wanted.group}/{wanted.version}"
        served = cluster.get(f"/apis/{wanted.group}/{wanted.version}")
        operator = GROUPS.get(wanted.group)
        if not served and operator and comes(cluster, settings, operator):
            yield ok(subject, BY_STACK)
            continue
        if not served:
            group = cluster.get(f"/apis/{wanted.group}") or {}
            versions = ", ".join(version["version"] for version in group.get("versions", []))
            yield fail(subject, f"not served, but {versions}" if versions else "not installed", wanted.fix)
            continue
        missing = wanted.resources - {resource["name"] for resource in served["resources"]}
        if missing:
            yield fail(subject, f"served without {', '.join(sorted(missing))}", wanted.fix)
        else:
            yield ok(subject, ", ".join(sorted(wanted.resources)))
