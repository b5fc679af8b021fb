"""Let Pulumi's Helm release take the objects of the chart that is there, whoever applied them.

Helm installs over objects that carry its own labels, and refuses a name whose record is there. So the chart's objects
get the labels, and the records step aside.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.infisical_pods import labels, workload_name
from operations.cluster import MANAGER, Cluster, Object
from operations.field_managers import key_of
from settings import Settings

_KINDS = (
    "Deployment.v1.apps",
    "Service.v1.",
    "ServiceAccount.v1.",
    "Role.v1.rbac.authorization.k8s.io",
    "RoleBinding.v1.rbac.authorization.k8s.io",
    "HorizontalPodAutoscaler.v2.autoscaling",
)
_RELEASE = "meta.helm.sh/release-name"
_ASIDE = "before-adoption."
_OWNER = "owner"


def chart_objects(cluster: Cluster, settings: Settings) -> list[Object]:
    """Return the objects that the chart makes, as far as they are there. Raises Unanswered."""
    flavour = settings.infisical.chart.flavour
    name, app = workload_name(flavour), labels(flavour)["app"]
    return [
        live
        for kind in _KINDS
        for live in cluster.objects([kind], settings.cluster.names.infisical)
        if live["metadata"]["name"] == name or _label(live, "app") == app
    ]


def mark(cluster: Cluster, live: Object, release: str) -> bool:
    """Give an object Helm's labels for `release`. Return whether it had none. Raises Unanswered."""
    metadata = live["metadata"]
    wanted = {_RELEASE: release, "meta.helm.sh/release-namespace": metadata["namespace"]}
    annotations = {**(metadata.get("annotations") or {}), **wanted}
    named = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    if annotations == metadata.get("annotations") and named == metadata.get("labels"):
        return False
    key = key_of(live)
    patch: list[Object] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        {"op": "add", "path": "/metadata/labels", "value": named},
    ]
    cluster.patch(key.kind, key.name, key.namespace, patch)
    return True


def records(cluster: Cluster, release: str, chart: Sequence[Object], namespace: str) -> list[Object]:
    """Return Helm's records of the release that the stack would install, and of the one that has the chart's objects.

    Raises Unanswered.
    """
    releases = {release, *((live["metadata"].get("annotations") or {}).get(_RELEASE, "") for live in chart)}
    secrets = cluster.objects(["Secret.v1."], namespace)
    return [s for s in secrets if _label(s, _OWNER) == "helm" and _label(s, "name") in releases]


def step_aside(cluster: Cluster, found: Sequence[Object]) -> None:
    """Keep each record under a name that Helm doesn't look for. Raises Unanswered."""
    for record in found:
        _rename(cluster, record, f"{_ASIDE}{record['metadata']['name']}", "before-adoption")


def come_back(cluster: Cluster, namespace: str) -> int:
    """Put the records back in the place of Pulumi's. Return how many there were. Raises Unanswered.

    After a kill in between, what is back already stays: only this program writes records by apply.
    """
    secrets = cluster.objects(["Secret.v1."], namespace)
    kept = [s for s in secrets if _label(s, _OWNER) == "before-adoption"]
    releases = {_label(record, "name") for record in kept}
    for record in secrets:
        if _label(record, _OWNER) == "helm" and _label(record, "name") in releases and not _is_back(record):
            cluster.delete("secrets", record["metadata"]["name"], "-n", namespace)
    for record in kept:
        _rename(cluster, record, record["metadata"]["name"].removeprefix(_ASIDE), "helm")
    return len(kept)


def _rename(cluster: Cluster, record: Object, name: str, owner: str) -> None:
    metadata = record["metadata"]
    copy = {part: record[part] for part in ("apiVersion", "kind", "type", "data")}
    own = {"name": name, "namespace": metadata["namespace"], "labels": {**metadata["labels"], _OWNER: owner}}
    cluster.create({**copy, "metadata": own})
    cluster.delete("secrets", metadata["name"], "-n", metadata["namespace"])


def _is_back(record: Object) -> bool:
    return any(entry["manager"] == MANAGER for entry in record["metadata"].get("managedFields") or [])


def _label(live: Object, name: str) -> str:
    return (live["metadata"].get("labels") or {}).get(name, "")
