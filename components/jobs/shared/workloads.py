"""How far a StatefulSet or a Deployment is with what its specification says, and what holds it up."""

import re

from events import latest_warning
from job import Pending
from kube import Api, Object, path
from pods import problems

_FACTORS = {
    "": 1.0,
    "m": 1e-3,
    **{unit: 1e3**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)},
}


def amount(quantity: object) -> float:
    """Return a Kubernetes quantity as a number: "1.5Gi" is 1610612736. Two spellings of one amount are equal."""
    match = re.fullmatch(r"(?P<number>[\d.]+(e\d+)?)(?P<unit>[a-zA-Z]*)", str(quantity))
    return float(match["number"]) * _FACTORS[match["unit"]] if match else float("nan")


def unfinished(workload: Object) -> str:
    """Return how far the roll is, or nothing when every replica is new and ready."""
    spec, status, kind = workload["spec"], workload.get("status", {}), workload["kind"]
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return f"the {kind} controller has not looked at it yet"
    wanted = spec.get("replicas", 1)
    there, updated, ready = (status.get(f"{which}eplicas", 0) for which in ("r", "updatedR", "readyR"))
    if wanted == there == updated == ready:
        return ""
    return f"{wanted} wanted, {there} there, {updated} of the newest revision, {ready} ready"


def causes(api: Api, workload: Object, pods: list[Object]) -> str:
    """Return what holds it up, as the tail of a sentence: the pods that are not ready, and its latest warning.

    A pod that admission refuses is not there. What tells is an event of the StatefulSet (FailedCreate), or a condition
    of the Deployment.
    """
    found = [str(problem) for pod in pods for problem in problems(pod)]
    found += [
        f"a StatefulSet replaces no pod of before that is not ready: {deletion(pod)}"
        for pod in pods
        if _is_left(workload, pod)
    ]
    if latest := latest_warning(api, workload):
        found.append(f"{latest.get('reason', 'warning')}: {latest.get('message', '')}")
    for condition in workload.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            found.append(f"{condition.get('reason')}: {condition.get('message')}")
    return "".join(f"; {cause}" for cause in found)


def deletion(pod: Object) -> str:
    """Return the command that has its controller make a pod anew."""
    return f"kubectl delete pod -n {pod['metadata']['namespace']} {pod['metadata']['name']}"


def _is_left(workload: Object, pod: Object) -> bool:
    """Whether nobody will replace a pod of an earlier revision, because it does not run and its turn never comes.

    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    spec, newest = workload["spec"], workload.get("status", {}).get("updateRevision")
    rolls = spec.get("updateStrategy", {}).get("type") == "RollingUpdate"  # OnDelete: somebody else replaces pods
    if not (newest and rolls and spec.get("podManagementPolicy") == "OrderedReady"):
        return False
    metadata, status = pod["metadata"], pod.get("status", {})
    new = metadata.get("labels", {}).get("controller-revision-hash") == newest
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    runs = any("running" in each.get("state", {}) for each in containers)
    return bool(problems(pod)) and not (new or runs or "deletionTimestamp" in metadata)


def pods_of(api: Api, namespace: str, workload: Object) -> list[Object]:
    """Return the pods that its selector matches."""
    labels = workload["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return api.items(path("pods", namespace), labelSelector=selector)


def deployed(api: Api, namespace: str, name: str) -> None:
    """Return once a Deployment is rolled out. Raise Pending with what holds it up."""
    deployment = api.find(path("deployments", namespace, name))
    if deployment is None:
        raise Pending(
            f"deployment {namespace}/{name} does not exist: the release has not made it, or names it otherwise"
        )
    deployment = {"kind": "Deployment", **deployment}
    if held_up := unfinished(deployment):
        why = causes(api, deployment, pods_of(api, namespace, deployment))
        raise Pending(f"deployment {namespace}/{name}: {held_up}{why}")


def container(spec: Object, name: str) -> Object:
    """Return a container of a pod's specification by name, the first where there is no such one."""
    containers = spec["containers"]
    return next((entry for entry in containers if entry["name"] == name), containers[0])
