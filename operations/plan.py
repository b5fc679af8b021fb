"""Ask Pulumi what `up` would change, which changes nothing itself and takes no lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from operations.pulumi import Stack

# `refresh` and `read` look, `discard` forgets what was looked at, and `same` is what stays.
_NO_CHANGES = frozenset({"same", "refresh", "read", "read-replacement", "discard", "read-discard"})


@dataclass(frozen=True, order=True, slots=True)
class Change:
    """What happens to a resource: create, update, replace, delete."""

    resource: str  # as Kind/name
    operation: str


def previewed(stack: Stack, *options: str) -> Mapping[str, Any]:
    """Return what a preview says as JSON, with a step for each resource. Raises OperationError with its reason."""
    return json.loads(stack.run("preview", "--json", *options))


def planned(stack: Stack) -> list[Change]:
    """Return what the next `up` would do.

    Pulumi counts a replacement three times; it is one change here. Raises OperationError.
    """
    found: dict[str, str] = {}
    for step in previewed(stack).get("steps") or []:
        if step["op"] not in _NO_CHANGES:
            found.setdefault(_name(step["urn"]), step["op"])
            if "replace" in step["op"]:
                found[_name(step["urn"])] = "replace"
    return sorted(Change(name, operation) for name, operation in found.items())


def _name(urn: str) -> str:
    *_, kind, name = urn.split("::")
    return f"{kind.rpartition(':')[2].rpartition('/')[2]}/{name}"
