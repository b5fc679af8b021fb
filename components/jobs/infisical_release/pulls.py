"""How often an image could not be pulled. A pod's status tells the last failure, also during the pull that follows."""

from kube import Api, path
from pods import PULLING, PodProblem

FAILURES = 2  # a registry may be busy once


def may_still_come(api: Api, namespace: str, problem: PodProblem) -> bool:
    """Return whether an image that can't be pulled has failed too few times to give it up."""
    return problem.reason in PULLING and _failed_pulls(api, namespace, problem) < FAILURES


def _failed_pulls(api: Api, namespace: str, problem: PodProblem) -> int:
    events = api.items(path("events", namespace), fieldSelector=f"involvedObject.name={problem.pod},reason=Failed")
    place = f"spec.containers{{{problem.container}}}"
    return sum(
        event.get("count") or 1
        for event in events
        if event.get("involvedObject", {}).get("fieldPath") == place
        and event.get("message", "").startswith("Failed to pull image")
    )
