"""Compare what the caller may do with what `up` will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from components.operator_values import namespace_of
from operations.checks.result import Result, fail, ok, unknown
from operations.cluster import Cluster, Object, Rules, Unanswered
from settings import Settings

# Server-side apply creates by a patch; awaiting, deletion too, is a list and a watch.
_MANAGE = ("get", "list", "watch", "create", "patch", "delete")
_CERTIFICATES = ("certificates.cert-manager.io", "issuers.cert-manager.io")
_ROLES = ("serviceaccounts", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io")
_JOBS = ("secrets", "configmaps", "jobs.batch")
_BUDGETS = "poddisruptionbudgets.policy"
_BACKUPS = ("cronjobs.batch",)
_DATABASE = (*_CERTIFICATES, *_BACKUPS, "postgresqls.acid.zalan.do", _BUDGETS)
# What the gate of the site's certificate follows, and how it begins anew.
_CHAIN = (
    ("certificates.cert-manager.io/status", "patch"),
    ("certificaterequests.cert-manager.io", "list"),
    ("orders.acme.cert-manager.io", "list"),
    ("challenges.acme.cert-manager.io", "list"),
)
_REDIS = ("redisreplications.redis.redis.opstreelabs.in", "redissentinels.redis.redis.opstreelabs.in")
_GATEWAY_API = "gateway.networking.k8s.io"
_POLICIES = "networkpolicies.networking.k8s.io"
_CLUSTER_ROLES = ("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io")
_OPERATORS = (*_JOBS, *_ROLES, "deployments.apps", "services")
_WEBHOOKS = (
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
)


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a kind in a namespace, or in the whole cluster. With a name, it is for that object only."""

    namespace: str  # empty for the whole cluster
    resource: str  # as kubectl has it: jobs.batch, pods/log
    verb: str
    name: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """Return what a SelfSubjectAccessReview asks."""
        resource, _, subresource = self.resource.partition("/")
        resource, _, group = resource.partition(".")
        return {
            "namespace": self.namespace,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "verb": self.verb,
            "name": self.name,
        }

    def granted_by(self, rule: Object) -> bool:
        """Return whether a rule of a SelfSubjectRulesReview grants it."""
        asked = self.attributes
        below = asked["subresource"]
        resources = {"*", f"{asked['resource']}/{below}", f"*/{below}"} if below else {"*", asked["resource"]}
        names = rule.get("resourceNames", [])
        return (
            bool({"*", self.verb} & {*rule["verbs"]})
            and bool({"*", asked["group"]} & {*rule.get("apiGroups", [])})
            and bool(resources & {*rule.get("resources", [])})
            and (not names or self.name in names)
        )


_FOLLOWED = (("pods", "list"), ("pods", "watch"), ("events", "list"))
_OF_REDIS = (("statefulsets.apps", "get"), ("persistentvolumeclaims", "list"))
_OF_DATABASE = (*_OF_REDIS, ("deployments.apps", "get"), ("endpoints", "get"))


def needed(settings: Settings) -> list[Right]:
    """Return every right that `up`, and `destroy` after it, make use of."""
    names = settings.cluster.names
    has_database, has_redis = settings.database.kind == "operator", settings.redis.kind == "operator"
    managed = {
        "": ["namespaces"],
        names.database: [*_JOBS, *_ROLES, *(_DATABASE if has_database else _BACKUPS)],
        names.redis: [*_JOBS, *_ROLES, *(_REDIS if has_redis else ())],
        names.infisical: [*_JOBS, *_ROLES, *_CERTIFICATES, "deployments.apps", "services", _BUDGETS],
    }
    if settings.ingress.route.kind == "gateway":
        managed[names.infisical] += [f"httproutes.{_GATEWAY_API}", f"referencegrants.{_GATEWAY_API}"]
    else:
        managed[names.infisical] += ["ingresses.networking.k8s.io"]
    if settings.network_policies.enabled:
        for namespace in names.namespaces:
            managed[namespace] += [_POLICIES]
    used = {
        # Beside Jobs, what Pulumi follows is their pods. The rest is what the Roles hand out: nobody gives what he
        # has not got himself.
        names.database: [*_FOLLOWED, *(_OF_DATABASE if has_database else ())],
        names.redis: [*_FOLLOWED, *(_OF_REDIS if has_redis else ())],
        names.infisical: [
            ("pods", "list"),
            ("pods", "watch"),
            ("pods/log", "get"),
            ("events", "list"),
            ("replicasets.apps", "list"),
            ("endpoints", "list"),  # with Services, what Pulumi follows beside an Ingress
            ("endpoints", "watch"),
            ("secrets", "update"),  # Helm's record of its release
            *_CHAIN,
        ],
    }
    return [
        *_read(settings),
        *(
            Right(namespace, resource, verb)
            for namespace, resources in managed.items()
            for resource, verb in [*((r, v) for r in resources for v in _MANAGE), *used.get(namespace, [])]
        ),
        *dict.fromkeys(_installing(settings)),
    ]


def _installing(settings: Settings) -> Iterator[Right]:
    """Yield the rights to install operators. Their charts hand out more than stacks use, hence `escalate`."""
    installed = settings.operators.installed
    if not installed:
        return
    whole = ["customresourcedefinitions.apiextensions.k8s.io", *_CLUSTER_ROLES]
    whole += _WEBHOOKS if "certManager" in installed else ()
    yield from (Right("", resource, verb) for resource in whole for verb in _MANAGE)
    yield from (Right("", _CLUSTER_ROLES[0], verb) for verb in ("escalate", "bind"))
    for operator in installed:
        namespace, resources = namespace_of(settings, operator), list(_OPERATORS)
        resources += [_POLICIES] if settings.network_policies.enabled else []
        resources += ["issuers.cert-manager.io"] if operator == "certManager" else []  # the webhook is asked about one
        resources += ["operatorconfigurations.acid.zalan.do"] if operator == "postgres" else []
        yield from (Right(namespace, resource, verb) for resource in resources for verb in _MANAGE)
        yield from (Right(namespace, *used) for used in (*_FOLLOWED, ("secrets", "update")))


def _read(settings: Settings) -> Iterator[Right]:
    """Yield the rights to read what others made: the program looks whether it is there."""
    for name in settings.storage_classes:
        yield Right("", "storageclasses.storage.k8s.io", "get", name)
    issuer, route = settings.ingress.issuer, settings.ingress.route
    if issuer.kind == "existing" and "certManager" not in settings.operators.installed:
        yield Right("", "clusterissuers.cert-manager.io", "get", issuer.name)
    if route.kind == "gateway":
        yield Right(route.namespace, f"gateways.{_GATEWAY_API}", "get", route.name)
    elif route.has_object:
        yield Right("", "ingressclasses.networking.k8s.io", "get", route.class_name)


def rights(cluster: Cluster, settings: Settings) -> Iterable[Result]:
    """Judge what the caller may do, one row a namespace. All of them are asked at once."""
    wanted: dict[str, list[Right]] = {}
    for right in needed(settings):
        wanted.setdefault(right.namespace, []).append(right)
    with ThreadPoolExecutor(len(wanted)) as pool:
        return [*pool.map(lambda namespace: _row(cluster, namespace, wanted[namespace]), wanted)]


def _row(cluster: Cluster, namespace: str, wanted: Sequence[Right]) -> Result:
    subject = f"rights in {namespace}" if namespace else "rights in the cluster"
    try:
        missing = _missing(cluster, namespace, wanted)
    except Unanswered as reason:
        return unknown(subject, reason)
    if missing:
        return fail(
            subject,
            f"may not {_listed(missing)}",
            "have an administrator grant them to the user of this context, or take a context with more rights",
        )
    return ok(subject, "all that `up` needs")


def _missing(cluster: Cluster, namespace: str, wanted: Sequence[Right]) -> list[Right]:
    """Return what the caller may not do. The rules of a namespace tell most of it in one request.

    They are not trusted where they are incomplete, as with an authorizer that is a webhook. What they do not grant is
    asked right by right, since an authorizer without rules may grant it.
    """
    granted = Rules(rules=[], complete=False)
    if namespace:
        with suppress(Unanswered):
            granted = cluster.rules(namespace)
    rules = granted.rules if granted.complete else []
    doubtful = [right for right in wanted if not any(right.granted_by(rule) for rule in rules)]
    answers = cluster.allowed([right.attributes for right in doubtful])
    return [right for right, may in zip(doubtful, answers, strict=True) if not may]


def _listed(missing: Sequence[Right]) -> str:
    """Return rights as `create, patch jobs.batch, secrets; get pods/log`."""
    kinds: dict[str, list[str]] = {}
    for resource, rights in groupby(missing, lambda right: right.resource):
        kinds.setdefault(", ".join(right.verb for right in rights), []).append(resource)
    return "; ".join(f"{verbs} {', '.join(resources)}" for verbs, resources in kinds.items())
