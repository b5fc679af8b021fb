"""The latest warning that the cluster has about an object."""

from kube import Api, Object, path


def latest_warning(api: Api, about: Object) -> Object | None:
    """Return the event that was seen last, if there is one."""
    of = about["metadata"]
    warnings = api.items(path("events", of["namespace"]), fieldSelector=f"involvedObject.uid={of['uid']},type=Warning")
    return max(warnings, key=last_seen, default=None)


def last_seen(event: Object) -> str:
    """Return when an event was seen last, as the API server writes times.

    Older recorders move `lastTimestamp`. Newer ones leave it empty: `eventTime` is of the first, and `series` moves.
    https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
    """
    series: Object = event.get("series") or {}
    return series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
