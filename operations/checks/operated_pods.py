"""Ask whether the cluster admits the pods that the operators make.

Their resources have no field for all that Pod Security's level `restricted` asks for. A cluster may have that level
wherever a namespace says nothing, and then the operator alone hears the refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from operations.checks.result import Result, fail, warn
from operations.cluster import Cluster, Object
from settings import Commands, Settings
from settings.database import DatabaseSettings
from settings.redis import RedisSettings
from settings.resources import resources_of

_LEVEL = "violates PodSecurity"
_LABEL = "pod-security.kubernetes.io/enforce"
_ANYWHERE = "default"  # the namespace that every cluster has
_UNASKED = ("cannot create resource", "does not support dry run")


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatedPod:
    """A pod as an operator makes it, as far as admission looks at it."""

    part: str
    namespace: str
    user: Object  # security context of the pod
    container: Object
    compared: bool = False  # its operator looks at the pod's image, and not at the StatefulSet's alone

    def manifest(self, namespace: str) -> Object:
        """Return a pod to ask for. Nothing is run."""
        spec = {"automountServiceAccountToken": False, "securityContext": self.user, "containers": [self.container]}
        metadata = {"generateName": "asked-for-", "namespace": namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def refused(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Yield a row for each part whose pods would be refused. Raises Unanswered.

    A namespace that `up` will make is asked for in the place of one that says nothing either.
    """
    for pod in _pods(settings):
        there = cluster.get(f"/api/v1/namespaces/{pod.namespace}")
        where = pod.namespace if there else _ANYWHERE
        if not there and _has_a_level(cluster):
            continue
        why = cluster.admitted(f"/api/v1/namespaces/{where}/pods", pod.manifest(where))
        if not isinstance(why, str):
            yield from _rewritten(pod, why, where, commands, settings)
            continue
        if any(text in why for text in _UNASKED):
            continue
        subject, seen = f"pods of {pod.part}", f"the operator's would be refused in namespace {where}: {why}"
        if _LEVEL not in why:
            if there:
                yield fail(subject, seen, f"let namespace {where} admit it (quota, LimitRange, policy), then `up`")
        elif not settings.pods.pod_security:
            set_it = commands.set("pods.podSecurity", "restricted")
            yield fail(
                subject, seen, f"{set_it}: Redis then gets a context, and the database's namespace level baseline"
            )


def _rewritten(
    pod: OperatedPod, admitted: Object, where: str, commands: Commands, settings: Settings
) -> Iterator[Result]:
    """Yield a row where a webhook changes the image of a pod that its operator compares (1.15, syncStatefulSet)."""
    asked = pod.container["image"]
    [got] = [each["image"] for each in admitted["spec"]["containers"] if each["name"] == pod.container["name"]]
    if not pod.compared or got == asked:
        return
    named = "docker_image in the operator's configuration says"
    if "postgres" in settings.operators.installed:
        named = f"{commands.set('operators.postgresImages.spilo', got)} says"
    yield (fail if where == pod.namespace else warn)(
        f"image of {pod.part}",
        f"a webhook makes {got} of {asked} in namespace {where}: the postgres-operator compares each pod's image with "
        "its StatefulSet's, and makes the pod anew at every look (zalando/postgres-operator#2436)",
        f"leave namespace {pod.namespace} out of that webhook, or have it nothing to rewrite: {named} what it would",
    )


def _has_a_level(cluster: Cluster) -> bool:
    labels = (cluster.get(f"/api/v1/namespaces/{_ANYWHERE}") or {}).get("metadata", {}).get("labels", {})
    return _LABEL in labels


def _pods(settings: Settings) -> Iterator[OperatedPod]:
    names, database, redis = settings.cluster.names, settings.database, settings.redis
    if isinstance(database, DatabaseSettings):
        spilo = {"allowPrivilegeEscalation": True, "privileged": False, "readOnlyRootFilesystem": False}
        yield OperatedPod(
            part="PostgreSQL",
            namespace=names.database,
            user={"fsGroup": 103},
            container={
                "name": "postgres",
                "image": settings.operators.postgres_images.spilo,
                "resources": resources_of(database),
                "securityContext": spilo,
            },
            compared=True,
        )
    if isinstance(redis, RedisSettings):
        yield OperatedPod(
            part="Redis",
            namespace=names.redis,
            user={"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
            container={"name": "redis", "image": "redis", "resources": resources_of(redis)},
        )
