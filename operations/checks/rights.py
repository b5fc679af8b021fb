"""What the caller may do, against what `up` will do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from components.base.names import DATABASE_NAMESPACE, INFISICAL_NAMESPACE, REDIS_NAMESPACE
from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster
from settings import Settings

# Server-side apply creates by a patch; awaiting, deletion too, is a list and a watch.
_MANAGE = ("get", "list", "watch", "create", "patch", "delete")
_CERTIFICATES = ("certificates.cert-manager.io", "issuers.cert-manager.io")
_ROLES = ("serviceaccounts", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io")
_JOBS = ("secrets", "configmaps", "jobs.batch")
_GATEWAY_API = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one kind of one namespace; of the whole cluster without."""

    namespace: str
    resource: str  # as kubectl has it: jobs.batch
    verb: str

    @property
    def attributes(self) -> dict[str, str]:
        """What a SelfSubjectAccessReview asks."""
        resource, _, subresource = self.resource.partition("/")
        resource, _, group = resource.partition(".")
        return {
            "namespace": self.namespace,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "verb": self.verb,
        }


def needed(settings: Settings) -> list[Right]:
    """Every right that `up`, and `destroy` after it, make use of. By namespace."""
    managed = {
        "": ["namespaces"],
        DATABASE_NAMESPACE: [*_JOBS, *_ROLES, *_CERTIFICATES, "postgresqls.acid.zalan.do"],
        REDIS_NAMESPACE: [
            *_JOBS,
            *_ROLES,
            "redisreplications.redis.redis.opstreelabs.in",
            "redissentinels.redis.redis.opstreelabs.in",
        ],
        INFISICAL_NAMESPACE: [*_JOBS, *_ROLES, *_CERTIFICATES, "cronjobs.batch", "deployments.apps", "services"],
    }
    if settings.ingress.route.kind == "gateway":
        managed[INFISICAL_NAMESPACE] += [f"httproutes.{_GATEWAY_API}", f"referencegrants.{_GATEWAY_API}"]
    else:
        managed[INFISICAL_NAMESPACE] += ["ingresses.networking.k8s.io"]
    used = {
        # Beside Jobs, what Pulumi follows is their pods. The rest is what the Roles hand out: nobody gives what he
        # has not got himself.
        DATABASE_NAMESPACE: [("pods", "list"), ("pods", "watch"), ("events", "list")],
        REDIS_NAMESPACE: [("pods", "list"), ("pods", "watch")],
        INFISICAL_NAMESPACE: [
            ("pods", "list"),
            ("pods", "watch"),
            ("pods/log", "get"),
            ("replicasets.apps", "list"),
            ("endpoints", "list"),  # with Services, what Pulumi follows beside an Ingress
            ("endpoints", "watch"),
            ("secrets", "update"),  # Helm's record of its release
        ],
    }
    return [
        Right(namespace, resource, verb)
        for namespace, resources in managed.items()
        for resource, verb in [*((r, v) for r in resources for v in _MANAGE), *used.get(namespace, [])]
    ]


def rights(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """One row a namespace."""
    wanted = needed(settings)
    allowed = cluster.allowed([right.attributes for right in wanted])
    for namespace, pairs in groupby(zip(wanted, allowed, strict=True), lambda pair: pair[0].namespace):
        subject = f"rights in {namespace}" if namespace else "rights in the cluster"
        missing = [right for right, may in pairs if not may]
        if missing:
            yield fail(
                subject,
                f"may not {_listed(missing)}",
                "have an administrator grant them to the user of this context, or take a context with more rights",
            )
        else:
            yield ok(subject, "all that `up` needs")


def _listed(missing: Sequence[Right]) -> str:
    """`create, patch jobs.batch, secrets; get pods/log`."""
    kinds: dict[str, list[str]] = {}
    for resource, rights in groupby(missing, lambda right: right.resource):
        kinds.setdefault(", ".join(right.verb for right in rights), []).append(resource)
    return "; ".join(f"{verbs} {', '.join(resources)}" for verbs, resources in kinds.items())
