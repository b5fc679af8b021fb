"""Leave one owner to every object of the stack: the field manager that its state knows.

Pulumi applies each object under a field manager with a random name. If `up` dies after it made an object and before it
wrote that down, the next `up` applies the object again under a second name. Both then own every field, with equal
values, and nothing complains until a later change conflicts with the first (docs/decisions.md, D21).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from operations.cluster import Cluster, Object, Unanswered
from operations.pulumi import Stack

_PULUMI = "pulumi-kubernetes-"
_OWN = "infisical-platform-repair"
_CLUSTER_SCOPED = ""
_LISTS = 4  # kubectl processes at a time
_TRIES = 5  # to write what somebody else writes at the same moment
_NO_KIND = "doesn't have a resource type"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What tells an object from all others of the cluster."""

    namespace: str  # empty for a Namespace
    kind: str  # as kubectl takes it: Job.v1.batch, Secret.v1.
    name: str


def one_owner(stack: Stack, cluster: Cluster) -> str:
    """Remove all of Pulumi's field managers that the state does not know. Return how many objects had one."""
    owners = dict(_owners(stack.deployment))
    changed: set[Key] = set()

    def leave_one(live: Object) -> None:
        key = key_of(live)
        if (kept := _without_strangers(live, owners[key])) is not None and _may_write(key, kept):
            write_owners(cluster, key, live, kept)
            changed.add(key)

    for live in found(cluster, owners).values():
        while_it_changes(cluster, live, leave_one)
    return f"{len(changed)} had a second one, which is gone" if changed else "each has one"


def while_it_changes(cluster: Cluster, live: Object, write: Callable[[Object], None]) -> None:
    """Call `write` with the object, and again with what it is now where somebody has changed it in between.

    Operators write the status of their objects whenever they look at them. Raises Unanswered.
    """
    for _ in range(_TRIES - 1):
        try:
            return write(live)
        except Unanswered:
            now = found(cluster, [key_of(live)]).get(key_of(live))
            if now is None or _version(now) == _version(live):
                raise
            live = now
    return write(live)


def _version(live: Object) -> str:
    return live["metadata"]["resourceVersion"]


def _owners(deployment: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Yield the state's objects with their managers, and the objects that were being made, without one."""
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if operation["type"] == "creating" and _is_applied(resource, resource.get("inputs", {})):
            yield key_of(resource["inputs"]), ""
    for resource in deployment.get("resources") or []:
        outputs = resource.get("outputs", {})
        if _is_applied(resource, outputs) and not resource.get("external"):
            yield key_of(outputs), outputs.get("__fieldManager", "")


def _is_applied(resource: Mapping[str, Any], object_: Mapping[str, Any]) -> bool:
    """Return whether the resource is a named Kubernetes object, not a Helm release or one of a different provider."""
    return resource["type"].startswith("kubernetes:") and "name" in object_.get("metadata", {})


def key_of(object_: Mapping[str, Any]) -> Key:
    """Return what tells the object from all others."""
    group, _, version = object_["apiVersion"].rpartition("/")
    metadata = object_["metadata"]
    return Key(metadata.get("namespace", _CLUSTER_SCOPED), f"{object_['kind']}.{version}.{group}", metadata["name"])


def found(cluster: Cluster, keys: Collection[Key]) -> dict[Key, Object]:
    """Return those of the objects that are there, with their field managers. Raises Unanswered."""
    places = {key.namespace: sorted({each.kind for each in keys if each.namespace == key.namespace}) for key in keys}
    with ThreadPoolExecutor(_LISTS) as pool:
        listed = pool.map(lambda namespace: _listed(cluster, places[namespace], namespace), sorted(places))
        there = {key_of(live): live for part in listed for live in part}
    return {key: there[key] for key in keys if key in there}


def _listed(cluster: Cluster, kinds: list[str], namespace: str) -> list[Object]:
    try:
        return cluster.objects(kinds, namespace)
    except Unanswered as reason:
        if _NO_KIND not in str(reason):
            raise
        # Somebody has deleted a custom resource definition, and all its objects with it.
        return [] if len(kinds) == 1 else [live for kind in kinds for live in _listed(cluster, [kind], namespace)]


def _without_strangers(live: Object, own: str) -> list[Object] | None:
    """Return the entries of managedFields that stay, or None when all of them do."""
    entries = live["metadata"].get("managedFields", [])
    kept = [entry for entry in entries if not entry["manager"].startswith(_PULUMI) or entry["manager"] == own]
    return kept if len(kept) < len(entries) else None


def _may_write(key: Key, kept: list[Object]) -> bool:
    """Return whether the object needs no annotation or may have one: operators copy their resources' ones into pods."""
    return bool(kept) or "." not in key.kind.partition(".")[2].partition(".")[2]


def write_owners(cluster: Cluster, key: Key, live: Object, kept: list[Object]) -> None:
    """Leave an object the entries of managedFields in `kept`. Raises Unanswered."""
    metadata = live["metadata"]
    patch: list[Object] = [{"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}]
    if not kept:
        # Without an entry, the API server would give all fields to a manager "before-first-apply", which conflicts too.
        annotations = {**metadata.get("annotations", {}), f"{_OWN}/owner": "none"}
        patch.append({"op": "add", "path": "/metadata/annotations", "value": annotations})
        owned = {"f:metadata": {"f:annotations": {f"f:{_OWN}/owner": {}}}}
        kept = [
            {
                "manager": _OWN,
                "operation": "Update",
                "apiVersion": live["apiVersion"],
                "fieldsType": "FieldsV1",
                "fieldsV1": owned,
            }
        ]
    patch.append({"op": "replace", "path": "/metadata/managedFields", "value": kept})
    cluster.patch(key.kind, key.name, key.namespace, patch)
