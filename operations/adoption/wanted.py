"""Ask a preview for the objects that the stack would make, as far as they are known before they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operations.cluster import Object
from operations.field_managers import Key, key_of
from operations.plan import previewed
from operations.pulumi import Stack

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # Pulumi writes this for what only the deployment will tell
_RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the stack would make and its state doesn't have."""

    objects: Mapping[Key, Object]
    releases: tuple[str, ...]  # names of Helm releases


def wanted(stack: Stack) -> Wanted:
    """Return what a preview would create. Raises OperationError when the preview fails, with its reason."""
    creates = [step["newState"] for step in previewed(stack).get("steps", ()) if step["op"] == "create"]
    releases = [state["inputs"]["name"] for state in creates if state["type"] == _RELEASE]
    return Wanted(objects=dict(_objects(creates)), releases=tuple(map(str, releases)))


def _objects(states: list[dict[str, Any]]) -> Iterator[tuple[Key, Object]]:
    for state in states:
        inputs = _known(state.get("inputs", {}))
        if state["type"].startswith("kubernetes:") and "name" in inputs.get("metadata", {}):
            if state["type"].endswith("Patch"):
                continue  # it changes an object of somebody else's, and makes none
            yield key_of(inputs), inputs


def _known(value: Any) -> Any:
    """Return the value without what is unknown, or known to the stack alone."""
    if isinstance(value, dict):
        return {key: _known(below) for key, below in value.items() if _is_known(below)}
    return [_known(below) for below in value if _is_known(below)] if isinstance(value, list) else value


def _is_known(value: Any) -> bool:
    return not (isinstance(value, str) and (_UNKNOWN in value or value == "[secret]"))
