"""Refuse to adopt while ArgoCD would put back what it had, or delete it together with its Application."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from operations.cluster import Cluster

_PATH = "/apis/argoproj.io/v1alpha1/applications"
_CASCADE = "resources-finalizer.argocd.argoproj.io"


def still_acting(cluster: Cluster, names: Collection[str]) -> Iterator[str]:
    """Yield a sentence with the command that mends it for each Application that would still act. Raises Unanswered."""
    for application in cluster.items(_PATH):
        metadata, spec = application["metadata"], application["spec"]
        if metadata["name"] not in names:
            continue
        patch = {}
        automated = (spec.get("syncPolicy") or {}).get("automated")
        if automated is not None and automated.get("enabled") is not False:
            patch["spec"] = {"syncPolicy": {"automated": None}}
        if any(str(each).startswith(_CASCADE) for each in metadata.get("finalizers") or []):
            patch["metadata"] = {"finalizers": None}
        if patch:
            where = f"-n {metadata['namespace']} applications.argoproj.io {metadata['name']}"
            command = cluster.kubectl(f"patch {where} --type=merge --patch '{json.dumps(patch)}'")
            does = " and ".join(
                filter(
                    None,
                    ["syncs by itself" * ("spec" in patch), "deletes its objects when it goes" * ("metadata" in patch)],
                )
            )
            yield f"ArgoCD's Application {metadata['name']} {does}: `{command}`"
        if metadata.get("ownerReferences"):
            owner = metadata["ownerReferences"][0]
            yield (
                f"ArgoCD's Application {metadata['name']} belongs to {owner['kind']} {owner['name']}, which would undo "
                "that: change it there first"
            )
