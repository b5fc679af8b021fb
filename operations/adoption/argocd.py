"""Refuse to adopt while ArgoCD would put back what it had, or delete it together with its Application.

By default ArgoCD marks what it deploys with an annotation, before release 3 with a label, and either may be called
otherwise. What it says itself, in an Application's status, is the same in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from operations.adoption.owners import TRACKING
from operations.cluster import Cluster, Object

_GROUP = "/apis/argoproj.io/v1alpha1"
_CASCADE = "resources-finalizer.argocd.argoproj.io"
_HERE = ("https://kubernetes.default.svc", "in-cluster")  # address and name of the cluster that ArgoCD runs in
_LABEL_LENGTH = 63

Identity = tuple[str, str, str, str]  # group, kind, namespace, name


def judge(cluster: Cluster, live: Sequence[Object]) -> tuple[list[str], list[str]]:
    """Return why the objects can't be adopted yet, with the commands, and what is to be looked after elsewhere.

    Raises Unanswered.
    """
    # Who may not list a kind is told so even where there is no such kind, so the group is asked for first.
    applications = cluster.items(f"{_GROUP}/applications") if cluster.get(_GROUP) else []
    ours = [each for each in applications if _has(each, live)]
    refusals = [sentence for each in ours for sentence in _still_acting(cluster, each, applications)]
    unknown = {_tracking(each) for each in live} - {""} - {name for each in ours for name in _names(each)}
    return refusals, [
        f"ArgoCD's Application {name} tracks objects here, and this cluster doesn't have it. If an ArgoCD elsewhere "
        "does, switch off its automatic sync and its cascade there first: docs/runbooks/argocd.md"
        for name in sorted(unknown)
    ]


def _still_acting(cluster: Cluster, application: Object, others: Sequence[Object]) -> Iterator[str]:
    metadata, patch = application["metadata"], _quiet(application)
    if not patch:
        return
    where = f"-n {metadata['namespace']} applications.argoproj.io {metadata['name']}"
    command = cluster.kubectl(f"patch {where} --type=merge --patch '{json.dumps(patch)}'")
    does = ["syncs by itself"] * ("spec" in patch) + ["deletes its objects when it goes"] * ("metadata" in patch)
    yield f"ArgoCD's Application {metadata['name']} {' and '.join(does)}: `{command}`"
    for maker in _makers(application, others):
        yield (
            f"ArgoCD's Application {metadata['name']} belongs to {maker}, which would undo that: change it there first"
        )


def _quiet(application: Object) -> dict[str, Any]:
    """Return the patch after which an Application neither syncs by itself nor deletes what it has."""
    metadata, spec = application["metadata"], application["spec"]
    patch: dict[str, Any] = {}
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if automated is not None and automated.get("enabled") is not False:
        patch["spec"] = {"syncPolicy": {"automated": None}}
    if any(str(each).startswith(_CASCADE) for each in metadata.get("finalizers") or []):
        patch["metadata"] = {"finalizers": None}
    return patch


def _makers(application: Object, others: Sequence[Object]) -> Iterator[str]:
    """Yield who makes an Application: an ApplicationSet, or an Application of Applications."""
    metadata = application["metadata"]
    for owner in metadata.get("ownerReferences") or []:
        yield f"{owner['kind']} {owner['name']}"
    own = ("argoproj.io", "Application", metadata["namespace"], metadata["name"])
    for other in others:
        if own in _resources(other):
            yield f"Application {other['metadata']['name']}"


def _has(application: Object, live: Sequence[Object]) -> bool:
    names, resources = _names(application), _resources(application)
    destination = (application["spec"].get("destination") or {}).values()
    here = any(place in _HERE for place in destination)
    for each in live:
        if _tracking(each) in names:
            return True
        if _identity(each) in resources and (here or _is_labelled(each, names)):
            return True
    return False


def _names(application: Object) -> set[str]:
    """Return what marks name an Application by: outside of ArgoCD's own namespace they have its namespace, too."""
    metadata = application["metadata"]
    return {metadata["name"], f"{metadata['namespace']}_{metadata['name']}"}


def _resources(application: Object) -> set[Identity]:
    found = (application.get("status") or {}).get("resources") or []
    return {(e.get("group", ""), e.get("kind", ""), e.get("namespace", ""), e.get("name", "")) for e in found}


def _identity(live: Object) -> Identity:
    metadata, group = live["metadata"], str(live["apiVersion"]).rpartition("/")[0]
    return group, live["kind"], metadata.get("namespace", ""), metadata["name"]


def _is_labelled(live: Object, names: set[str]) -> bool:
    """Return whether a label names the Application. Its key is a setting of ArgoCD's, and a value has an end."""
    values = (live["metadata"].get("labels") or {}).values()
    return not {name[:_LABEL_LENGTH] for name in names}.isdisjoint(values)


def _tracking(live: Object) -> str:
    return (live["metadata"].get("annotations") or {}).get(TRACKING, "").partition(":")[0]
