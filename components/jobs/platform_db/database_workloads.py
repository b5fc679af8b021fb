"""Whether PostgreSQL and its pooler are the ones that the stack asks for, and not those of before.

The operator's "Running" ignores the pooler, and it can stand beside pods that are Pending. Its StatefulSet rolls on its
own account (OnDelete), so revisions tell nothing: the pods themselves are compared.
"""

import json
from dataclasses import dataclass

from job import Pending
from kube import Api, Object, path
from pods import PULLING, problems
from workloads import amount, causes, container, deletion, pods_of, unfinished

# On pods that the operator has yet to replace (1.15, resources.go).
ROLLING = "zalando-postgres-operator-rolling-update-required"
CONTAINER = "postgres"
_VOLUME = "pgdata"  # the operator's template of claims


@dataclass(frozen=True)
class Size:
    """What the stack asks for."""

    instances: int
    cpu_limit: str
    memory_limit: str
    storage: str  # of each server
    pooler_instances: int


def check(api: Api, namespace: str, cluster: str, size: Size) -> None:
    """Raise Pending until the pods of both are as asked for and ready."""
    _check_cluster(api, namespace, cluster, size)
    pooler = f"{cluster}-pooler"
    name = f"pooler {namespace}/{pooler}"
    found = api.find(path("deployments", namespace, pooler))
    if found is None:
        raise Pending(f"{name}: the operator has not made it yet")
    if (there := found["spec"].get("replicas", 1)) != size.pooler_instances:
        raise Pending(f"{name} has {there} replicas, wanted {size.pooler_instances}")
    if progress := unfinished(found):
        raise Pending(f"{name}: {progress}{causes(api, found, pods_of(api, namespace, found))}")


def small_volume(api: Api, namespace: str, cluster: str, size: Size) -> str:
    """Return what is wrong with a volume that is smaller than asked for; empty where none is.

    The operator compares whole GiB. It drops what the API server says against a larger claim and reports Running, and
    from then on each of its Syncs ends there, before the servers, the roles, the databases and the pooler (1.15).
    """
    own = {f"{_VOLUME}-{cluster}-{number}" for number in range(size.instances)}
    claims = path("persistentvolumeclaims", namespace)
    for claim in api.items(claims, labelSelector=f"cluster-name={cluster}"):
        claimed, there = claim["metadata"]["name"], claim["spec"]["resources"]["requests"]["storage"]
        if claimed in own and _whole_gib(there) < _whole_gib(size.storage):
            change = json.dumps({"spec": {"resources": {"requests": {"storage": size.storage}}}})
            return (
                f"PersistentVolumeClaim {namespace}/{claimed} has {there}, wanted {size.storage}: its StorageClass "
                "lacks allowVolumeExpansion, or a quota is in the way, and until that is mended the postgres-operator "
                "brings nothing of the cluster up to date. Set database.storage back, or mend the cause and grow it: "
                f"kubectl patch pvc -n {namespace} {claimed} --type merge -p '{change}'"
            )
    return ""


def _whole_gib(quantity: str) -> int:
    return int(amount(quantity) // 2**30)


def _check_cluster(api: Api, namespace: str, cluster: str, size: Size) -> None:
    name = f"StatefulSet {namespace}/{cluster}"
    found = api.find(path("statefulsets", namespace, cluster))
    if found is None:
        raise Pending(f"{name}: the operator has not made it yet")
    there = found["spec"].get("replicas", 1)
    if there != size.instances:
        raise Pending(
            f"{name} has {there} replicas, wanted {size.instances}: are they outside of the operator's min_instances "
            "and max_instances?"
        )
    limits = _limits(found["spec"]["template"]["spec"])
    for what, asked in (("cpu", size.cpu_limit), ("memory", size.memory_limit)):
        # More is what the operator makes of less than its minimum.
        if not amount(limits.get(what)) >= amount(asked):
            raise Pending(f"{name} has {what} limit {limits.get(what)}, wanted {asked}")
    pods = pods_of(api, namespace, found)
    ready = found.get("status", {}).get("readyReplicas", 0)
    if old := [pod for pod in pods if _is_old(pod, limits)]:
        why = f"{causes(api, found, pods)}{_never_recreated(old)}"
        raise Pending(f"{name}: pod {old[0]['metadata']['name']} is still the one of before{why}")
    if not len(pods) == ready == there:
        why = f"{causes(api, found, pods)}{_without_credentials(pods)}"
        raise Pending(f"{name}: {there} wanted, {len(pods)} there, {ready} ready{why}")


def _never_recreated(old: list[Object]) -> str:
    """Return the way out of a pod of before that has not started, as the tail of a sentence.

    The operator asks Patroni in every pod before it recreates one, and without an answer puts that off to its next
    Sync (1.15, sync.go).
    """
    remedies = [deletion(pod) for pod in old if _is_pending(pod)]
    return f"; the operator recreates nothing while one of its pods does not answer: {remedies[0]}" if remedies else ""


def _without_credentials(pods: list[Object]) -> str:
    """Return the way out of a pod that was made before its ServiceAccount had the credentials of the registry."""
    remedies = [
        deletion(pod)
        for pod in pods
        if _is_pending(pod)
        and "imagePullSecrets" not in pod["spec"]
        and any(problem.reason in PULLING for problem in problems(pod))
    ]
    why = "; a pod keeps the pull Secrets that it was made with. If registryCredentials came later: "
    return f"{why}{remedies[0]}" if remedies else ""


def _is_pending(pod: Object) -> bool:
    """Whether no container of PostgreSQL runs in it yet."""
    return pod.get("status", {}).get("phase") == "Pending" and "deletionTimestamp" not in pod["metadata"]


def _is_old(pod: Object, limits: Object) -> bool:
    own = _limits(pod["spec"])
    same = all(amount(own.get(what)) == amount(limits[what]) for what in limits)
    return not same or pod["metadata"].get("annotations", {}).get(ROLLING) == "true"


def _limits(spec: Object) -> Object:
    return container(spec, CONTAINER).get("resources", {}).get("limits", {})
