"""Where volumes come from."""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster, Object
from operations.pulumi import Stack
from operations.state import state_of
from safeguards.volumes import growing
from settings import Settings

# The second one counts too: StorageClasses from old clusters still have it.
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def storage_classes(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the StorageClass of the database and that of Redis, or the cluster's default one."""
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    names = sorted(entry["metadata"]["name"] for entry in classes)
    defaults = [entry["metadata"]["name"] for entry in classes if _is_default(entry)]
    there = f"there is {', '.join(names)}" if names else "there is none at all"
    all_grow = all(entry.get("allowVolumeExpansion") for entry in classes)
    larger = [] if all_grow else growing(settings, state_of(stack))
    parts = {"database": settings.database, "redis": settings.redis}
    wanted_by = {section: part.storage_class for section, part in parts.items() if part.kind == "operator"}
    for section, wanted in wanted_by.items():
        subject = f"StorageClass of {section}"
        fix = stack.commands.set(f"{section}.storageClass", names[0] if names else "NAME")
        if wanted and wanted not in names:
            yield fail(subject, f"no class {wanted}; {there}", fix)
        elif not wanted and not defaults:
            yield fail(subject, f"no class is the default one; {there}", fix)
        else:
            used = next(entry for entry in classes if entry["metadata"]["name"] == (wanted or defaults[0]))
            if section in larger and not used.get("allowVolumeExpansion"):
                yield _too_small(subject, used["metadata"]["name"], f"{section}.storage")
            else:
                yield ok(subject, wanted or f"{defaults[0]}, the default one")


def _is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations", {})
    return any(annotations.get(name) == "true" for name in _DEFAULT)


def _too_small(subject: str, name: str, key: str) -> Result:
    """Return what is wrong when the stack asks for larger volumes of a class whose volumes can't grow."""
    fix = f"set {key} back, or allowVolumeExpansion of class {name} to true where its volumes can grow"
    return fail(subject, f"{name}, whose volumes can't grow, and {key} asks for more than they have", fix)
