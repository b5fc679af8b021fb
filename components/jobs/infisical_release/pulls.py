"""How often an image could not be pulled. A pod's status tells the last failure, also during the pull that follows."""

from kube import Api, path
from pods import Trouble

PULLING = frozenset({"ErrImagePull", "ImagePullBackOff"})
FAILURES = 2  # a registry may be busy once


def may_still_come(api: Api, namespace: str, trouble: Trouble) -> bool:
    """Return whether an image that can't be pulled has failed too few times to give it up."""
    return trouble.reason in PULLING and _failed_pulls(api, namespace, trouble) < FAILURES


def _failed_pulls(api: Api, namespace: str, trouble: Trouble) -> int:
    events = api.items(path("events", namespace), fieldSelector=f"involvedObject.name={trouble.pod},reason=Failed")
    place = f"spec.containers{{{trouble.container}}}"
    return sum(
        event.get("count") or 1
        for event in events
        if event.get("involvedObject", {}).get("fieldPath") == place
        and event.get("message", "").startswith("Failed to pull image")
    )
