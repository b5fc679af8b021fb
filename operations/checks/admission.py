"""Ask whether the cluster admits the pods of this program's Jobs.

A Job whose pod is refused (by Pod Security, a quota, a LimitRange, a policy engine) only waits. `up` shows the refusal
in the Job's row and ends at its deadline, minutes later, because the script that could give up never runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from operations.checks.result import Result, fail, ok, unknown
from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from operations.plan import previewed
from operations.pulumi import Stack
from settings import Settings

_ASKED_AT_A_TIME = 4  # each is a kubectl
_SUBJECT = "pods of Jobs"


@dataclass(frozen=True, slots=True)
class PlannedPod:
    """The pod of a Job or CronJob, as the next `up` would make it."""

    job: str
    namespace: str
    template: Object

    @property
    def manifest(self) -> Object:
        """Return a pod to ask for. Its account may be as new as the Job, so it is left out: nothing is run."""
        metadata = {**self.template.get("metadata", {}), "generateName": f"{self.job}-", "namespace": self.namespace}
        spec = {**self.template["spec"], "automountServiceAccountToken": False}
        spec.pop("serviceAccountName", None)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pods_of_jobs(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Ask for each planned pod in a dry run, where its namespace exists already. Raises Unanswered."""
    there = {name for name in settings.cluster.names.namespaces if cluster.get(f"/api/v1/namespaces/{name}")}
    planned = planned_pods(stack) if there else []
    asked = [pod for pod in planned if pod.namespace in there]
    if not asked:
        none_runs = bool(there) and not planned
        why = "none would run" if none_runs else "their namespaces are made by the first `up`"
        yield ok(_SUBJECT, f"not asked: {why}")
        return
    with ThreadPoolExecutor(_ASKED_AT_A_TIME) as pool:
        refusals = [*pool.map(lambda pod: _refusal(cluster, pod), asked)]
    # One cause refuses many, with the figures of each: a namespace tells its first.
    refused: dict[str, tuple[str, str]] = {}
    for pod, why in zip(asked, refusals, strict=True):
        if why:
            refused.setdefault(pod.namespace, (pod.job, why))
    for namespace, (job, why) in refused.items():
        if "cannot create resource" in why or "does not support dry run" in why:
            yield unknown(f"{_SUBJECT} in {namespace}", Unanswered(why))
        else:
            fix = f"let namespace {namespace} admit it (Pod Security level, quota, LimitRange, policy), then `up`"
            yield fail(f"{_SUBJECT} in {namespace}", f"that of {job} would be refused: {why}", fix)
    if not refused:
        yield ok(_SUBJECT, f"all {len(asked)} would be admitted")


def planned_pods(stack: Stack) -> list[PlannedPod]:
    """Return the pods of all Jobs and CronJobs that a preview plans. Raises Unanswered."""
    try:
        steps = previewed(stack)["steps"]
    except OperationError as error:
        raise Unanswered(f"a preview fails: {error}") from None
    pods: list[PlannedPod] = []
    for state in (step["newState"] for step in steps if "newState" in step):
        match state["type"]:
            case "kubernetes:batch/v1:Job":
                template = state["inputs"]["spec"]["template"]
            case "kubernetes:batch/v1:CronJob":
                template = state["inputs"]["spec"]["jobTemplate"]["spec"]["template"]
            case _:
                continue
        metadata = state["inputs"]["metadata"]
        pods.append(PlannedPod(metadata["name"], metadata["namespace"], template))
    return pods


def _refusal(cluster: Cluster, pod: PlannedPod) -> str:
    return cluster.refusal(f"/api/v1/namespaces/{pod.namespace}/pods", pod.manifest)
