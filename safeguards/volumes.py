"""Refuse changes that no volume can make. It can't become smaller, nor move to a different StorageClass.

Both operators accept such a change and leave the volumes as they are, and `up` succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from safeguards import made
from safeguards.refusal import Refusal
from safeguards.state import LastState, Outputs
from settings import Commands, Settings
from settings.machinery.types import bytes_of

_IGNORED = {
    "database": "the postgres-operator would ignore it",
    # It tries to shrink the claims before it looks at anything else of the StatefulSet (0.23, HandlePVCResizing).
    "redis": "the redis-operator would fail at it, and with it at every later change of Redis",
}
_MOVE = "For volumes of a different kind, deploy a new stack with them and move the data"


@dataclass(frozen=True, slots=True)
class _Volume:
    size: str | None  # None: no gate has seen what was asked for
    storage_class: str | None  # None: the cluster's default class


def refuse_volume_change(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when a volume of either database can't follow the settings. The message says the way back."""
    changes = _changes(settings, state)
    found = [finding for section, change in changes.items() for finding in _findings(section, *change, commands)]
    if found:
        raise Refusal("\n".join([*found, f"{_MOVE}."]))


def _changes(settings: Settings, state: LastState) -> dict[str, tuple[_Volume, _Volume]]:
    """Return the volumes that each section had and that it wants. A section without volumes yet is left out."""
    found = {"database": (_of_postgresql(state), settings.database), "redis": (_of_redis(state), settings.redis)}
    return {
        section: (before, _Volume(after.storage, after.storage_class))
        for section, (before, after) in found.items()
        if before is not None and after.kind == "operator"
    }


def _of_postgresql(state: LastState) -> _Volume | None:
    outputs = state.outputs(*made.DATABASE)
    volume: Outputs | None = outputs.get("spec", {}).get("volume")
    if not volume:
        return None
    compared, succeeded = _gate(state, made.DATABASE_COMPARED)
    known = succeeded or "storage" not in compared.get("size", {})
    return _Volume(volume["size"] if known else None, volume.get("storageClass"))


def _of_redis(state: LastState) -> _Volume | None:
    storage: Outputs | None = state.outputs(*made.REDIS).get("spec", {}).get("storage")
    if not storage:
        return None
    claim = storage["volumeClaimTemplate"]["spec"]
    compared, succeeded = _gate(state, made.REDIS_COMPARED)
    known = succeeded or not compared
    return _Volume(claim["resources"]["requests"]["storage"] if known else None, claim.get("storageClassName"))


def _gate(state: LastState, job: made.Made) -> tuple[Outputs, bool]:
    """Return what a gate compares with the volumes, among other things, and whether all was as asked for.

    After a failed gate the way back is open: it is the cure where a StorageClass or a quota keeps volumes from growing.
    A size that no gate has compared counts, as that of a stack from before there were such gates.
    """
    gate = state.outputs(*job)
    containers = gate.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    variables = [variable for container in containers for variable in container.get("env", [])]
    config = next((variable["value"] for variable in variables if variable["name"] == "CONFIG"), "{}")
    return json.loads(config), bool(gate.get("status", {}).get("succeeded"))


def _findings(section: str, before: _Volume, after: _Volume, commands: Commands) -> Iterator[str]:
    if before.size and after.size:
        yield from _size(section, before.size, after.size, commands)
    if after.storage_class != before.storage_class:
        class_key = f"{section}.storageClass"
        made_in = f"class {before.storage_class}" if before.storage_class else "the cluster's default class"
        back = commands.set(class_key, before.storage_class) if before.storage_class else commands.remove(class_key)
        yield f"{class_key}: the volumes are of {made_in}, and no volume changes its class. Set it back: {back}"


def _size(section: str, before: str, after: str, commands: Commands) -> Iterator[str]:
    key = f"{section}.storage"
    grown = bytes_of(after) - bytes_of(before)
    if grown < 0:
        yield (
            f"{key}: {after} is less than the {before} of the volumes, and no volume shrinks, so {_IGNORED[section]}. "
            f"Set it back: {commands.set(key, before)}"
        )
    elif section == "database" and grown and _whole_gib(after) == _whole_gib(before):
        # quantityToGigabyte of the operator (1.15): it grows a claim when the whole GiB differ.
        yield (
            f"{key}: the postgres-operator compares whole GiB, so {after} leaves the volumes at {before}. "
            f"Set more: {commands.set(key, f'{_whole_gib(before) + 1}Gi')}"
        )


def _whole_gib(size: str) -> int:
    return int(bytes_of(size) // 2**30)
