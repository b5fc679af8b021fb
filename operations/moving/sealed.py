"""Delete the SealedSecrets whose Secrets have moved, and put them back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from operations.cluster import Cluster, Object
from operations.errors import OperationError
from operations.moving.plan import Found

_PATH = "/apis/bitnami.com/v1alpha1/namespaces/{}/sealedsecrets/{}"
_KIND = "sealedsecrets.bitnami.com"


def retire(cluster: Cluster, file: Path, namespace: str, secrets: Sequence[Found]) -> list[str]:
    """Keep the SealedSecrets of `secrets` in `file`, then delete them. Return their names. Raises Unanswered.

    Kubernetes deletes the Secret with its SealedSecret, and the controller makes it again when that is put back.
    """
    kept: dict[str, Object] = json.loads(file.read_text()) if file.exists() else {}
    names = [secret.sealed for secret in secrets if secret.sealed]
    for name in names:
        if found := cluster.get(_PATH.format(namespace, name)):
            kept[name] = _manifest(found)
    written = file.with_name(f"{file.name}.part")
    written.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    written.replace(file)  # whole: it is all that is left of those that an earlier run has deleted
    for name in names:
        cluster.delete(_KIND, name, "-n", namespace)
    return names


def restore(cluster: Cluster, file: Path) -> list[str]:
    """Put back the SealedSecrets that were deleted. Return their names. Raises Unanswered."""
    if not file.exists():
        raise OperationError(f"{file} is not here: it has the SealedSecrets that were deleted")
    kept: dict[str, Object] = json.loads(file.read_text())
    for manifest in kept.values():
        cluster.create(manifest)
    return list(kept)


def _manifest(found: Object) -> Object:
    metadata = {
        key: found["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if key in found["metadata"]
    }
    return {**{key: found[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata}
