"""Where volumes come from."""

from __future__ import annotations

from collections.abc import Iterator

from components.base.names import DATABASE_CLUSTER, REDIS_REPLICATION
from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster, Object
from operations.drift.compare import quantity
from operations.pulumi import Stack
from settings import Settings
from settings.machinery.types import bytes_of

# The second one counts too: StorageClasses from old clusters still have it.
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def storage_classes(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the StorageClass of the database and that of Redis, or the cluster's default one."""
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    names = sorted(entry["metadata"]["name"] for entry in classes)
    defaults = [entry["metadata"]["name"] for entry in classes if _is_default(entry)]
    there = f"there is {', '.join(names)}" if names else "there is none at all"
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
            if not used.get("allowVolumeExpansion") and _has_smaller(cluster, settings, section):
                yield _too_small(subject, used["metadata"]["name"], f"{section}.storage")
            else:
                yield ok(subject, wanted or f"{defaults[0]}, the default one")


def _has_smaller(cluster: Cluster, settings: Settings, section: str) -> bool:
    """Return whether a volume is smaller than the settings ask for, be it that an `up` has asked for it already."""
    names, database, redis = settings.cluster.names, settings.database, settings.redis
    if section == "database" and database.kind == "operator":
        namespace, label, wanted = names.database, f"cluster-name={DATABASE_CLUSTER}", database.storage
    elif section == "redis" and redis.kind == "operator":
        namespace, label, wanted = names.redis, f"app={REDIS_REPLICATION}", redis.storage
    else:
        return False
    claims = cluster.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims?labelSelector={label}")
    sizes = [quantity(claim["spec"]["resources"]["requests"]["storage"]) for claim in claims]
    return any(size is not None and size < bytes_of(wanted) for size in sizes)


def _is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations", {})
    return any(annotations.get(name) == "true" for name in _DEFAULT)


def _too_small(subject: str, name: str, key: str) -> Result:
    """Return what is wrong when the stack asks for larger volumes of a class whose volumes can't grow."""
    fix = f"set {key} back, or allowVolumeExpansion of class {name} to true where its volumes can grow"
    return fail(subject, f"{name}, whose volumes can't grow, and {key} asks for more than they have", fix)
