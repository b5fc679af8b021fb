"""Put a stack in order after a killed `up`, without deleting data. The next `up` goes on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.base.names import JOB_LABEL
from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from operations.field_managers import one_owner
from operations.lock import ask_before_release
from operations.own_cluster import own_cluster
from operations.pulumi import Stack
from operations.state import leave_kubeconfig_out
from operations.state_file import mend

_RELEASE = "kubernetes:helm.sh/v3:Release"
_FIRST_RELEASE = "infisical"  # of Infisical; it may be stuck although the state has lost it
_HALF_WAY = "status in (pending-install,pending-upgrade,pending-rollback)"
_JOB = "kubernetes:batch/v1:Job"
_AT_WORK = frozenset({"infisical-migration", "restore"})  # Jobs that are not ended while they change the database


@dataclass(frozen=True, slots=True)
class Step:
    """What is put in order, and the function that does so and returns what it has done."""

    subject: str
    act: Callable[[Stack, Cluster], str]


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Ask whether the run that holds the lock is dead, take every step, and print what each has done. Return 0.

    Raises OperationError.
    """
    ask_before_release(stack, yes=arguments.yes)
    # Before the steps: without the file, Pulumi tells not even the settings.
    print(f"the state's file: {mend(stack)}", flush=True)
    settings = stack.settings().cluster
    cluster = Cluster(settings.context, settings.kubeconfig)
    for step in STEPS:
        try:
            print(f"{step.subject}: {step.act(stack, cluster)}", flush=True)
        except Unanswered as reason:
            raise OperationError(
                f"{step.subject}: the cluster does not answer: {reason}; once it does, run this again: every step may "
                "be repeated"
            ) from None
    print("\nrepaired: run `up` again, which goes on from here")
    return 0


def _release_lock(stack: Stack, _: Cluster) -> str:
    try:
        stack.run("cancel", "--yes")
    except OperationError as error:  # some backends report an error when nobody holds the lock
        return f"nothing to release ({str(error).partition(' failed: ')[2]})"
    return "released"


def _clear_helm(stack: Stack, cluster: Cluster) -> str:
    """Delete the mark that Helm sets before it changes a release, because Helm refuses to touch a marked one."""
    cleared: list[str] = []
    own = stack.settings().cluster.names.infisical
    for namespace, name in sorted({(own, _FIRST_RELEASE), *_releases(stack.deployment, own)}):
        cleared += cluster.delete("secrets", "-n", namespace, "-l", f"owner=helm,name={name},{_HALF_WAY}")
    return f"cleared {', '.join(cleared)}" if cleared else "none is stuck half-way"


def _releases(deployment: Mapping[str, Any], own: str) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of the stack's releases, also of those that were being made when `up` was killed.

    An operator's release is in the namespace of the operator.
    """
    pending = (operation["resource"] for operation in deployment.get("pending_operations") or [])
    for resource in [*(deployment.get("resources") or []), *pending]:
        inputs = resource.get("inputs", {})
        if resource["type"] == _RELEASE and isinstance(name := inputs.get("name"), str):
            yield str(inputs.get("namespace") or own), name


def _clear_jobs(stack: Stack, cluster: Cluster) -> str:
    """Delete Jobs of the stack that its state lacks: no Job can be changed, and `up` may ask for a different one."""
    known, namespaces = _jobs(stack.deployment)
    done: list[str] = []
    for namespace in sorted(namespaces):
        for job in cluster.items(f"/apis/batch/v1/namespaces/{namespace}/jobs"):
            name = job["metadata"]["name"]
            if (namespace, name) in known or not _is_ours(job):
                continue
            if name in _AT_WORK and job.get("status", {}).get("active"):
                done.append(f"{name} is at work, and stays: if you change settings, run this again once it has ended")
            else:
                cluster.delete("jobs", name, "-n", namespace)
                done.append(f"deleted {name}, which the state doesn't have")
    return "; ".join(done) or "the state has all of them"


def _jobs(deployment: Mapping[str, Any]) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the state's Jobs, each by namespace and name, and the namespaces in which the stack may have some.

    One that is pending replacement is deleted. If there is a Job of its name, `up` was killed while it made that.
    """
    jobs: set[tuple[str, str]] = set()
    namespaces: set[str] = set()
    for resource in deployment.get("resources") or []:
        metadata = resource.get("inputs", {}).get("metadata", {})
        if resource["type"] == "kubernetes:core/v1:Namespace" and not resource.get("external"):
            namespaces.add(str(metadata["name"]))
        elif resource["type"] == _JOB:
            namespaces.add(str(metadata["namespace"]))
            if not resource.get("pendingReplacement"):
                jobs.add((str(metadata["namespace"]), str(metadata["name"])))
    return jobs, namespaces


def _is_ours(job: Object) -> bool:
    """Return whether this program made the Job, and neither a CronJob nor a person out of one."""
    labels = job["spec"]["template"]["metadata"].get("labels") or {}
    return JOB_LABEL in labels and "ownerReferences" not in job["metadata"]


def _its_own(stack: Stack, _: Cluster) -> str:
    """Stop before anything is read or changed in a cluster that is not the stack's."""
    own_cluster(stack)
    return "its own"


def _refresh(stack: Stack, _: Cluster) -> str:
    """Have Pulumi look at what is there. The next `up` adopts what was being created, because creating is applying."""
    stack.show("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    return "read again from the cluster, without what was being created"


STEPS = (
    Step("the stack's lock", _release_lock),
    Step("the cluster", _its_own),
    Step("owners of fields", one_owner),
    Step("Helm releases", _clear_helm),
    Step("Jobs", _clear_jobs),
    # A context is written once it is proven, and after those who ask what is pending: an import forgets that.
    Step("the kubeconfig", leave_kubeconfig_out),
    Step("the state", _refresh),
)
