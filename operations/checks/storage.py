"""Where volumes come from."""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster, Object
from operations.pulumi import Stack
from operations.state import state_of
from safeguards.volumes import growing
from settings import Settings

_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def storage_classes(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the StorageClass of the database and that of Redis, or the cluster's default one."""
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    names = sorted(entry["metadata"]["name"] for entry in classes)
    defaults = [entry["metadata"]["name"] for entry in classes
                if entry["metadata"].get("annotations", {}).get(_DEFAULT) == "true"]  # fmt: skip
    there = f"there is {', '.join(names)}" if names else "there is none at all"
    for section, wanted in (("database", settings.database.storage_class), ("redis", settings.redis.storage_class)):
        subject = f"StorageClass of {section}"
        fix = stack.commands.set(f"{section}.storageClass", names[0] if names else "NAME")
        if wanted and wanted not in names:
            yield fail(subject, f"no class {wanted}; {there}", fix)
        elif not wanted and not defaults:
            yield fail(subject, f"no class is the default one; {there}", fix)
        else:
            used = next(entry for entry in classes if entry["metadata"]["name"] == (wanted or defaults[0]))
            yield _growth(stack, settings, section, used, ok(subject, wanted or f"{defaults[0]}, the default one"))


def _growth(stack: Stack, settings: Settings, section: str, used: Object, sound: Result) -> Result:
    """Return `sound`, unless the stack asks for larger volumes of a class that gives none."""
    if used.get("allowVolumeExpansion") or section not in growing(settings, state_of(stack)):
        return sound
    name, key = used["metadata"]["name"], f"{section}.storage"
    fix = f"set {key} back, or allowVolumeExpansion of class {name} to true where its volumes can grow"
    return fail(sound.subject, f"{name}, whose volumes can't grow, and {key} asks for more than they have", fix)
