"""Ask Pulumi what `up` would change, which changes nothing itself and takes no lock."""

from __future__ import annotations

import json
from dataclasses import dataclass

from operations.pulumi import Stack

# `refresh` and `read` look, `discard` forgets what was looked at, and `same` is what stays.
_NO_CHANGES = frozenset({"same", "refresh", "read", "read-replacement", "discard", "read-discard"})


@dataclass(frozen=True, order=True, slots=True)
class Change:
    """What happens to a resource: create, update, replace, delete."""

    resource: str  # as Kind/name
    operation: str


def planned(stack: Stack, *, compared_with_the_cluster: bool = False) -> list[Change]:
    """Return what the next `up` would do, with what others have changed in the cluster or without.

    Pulumi counts a replacement three times; it is one change here. Raises OperationError.
    """
    options = ["--refresh"] if compared_with_the_cluster else []
    steps = json.loads(stack.run("preview", "--json", *options)).get("steps") or []
    found: dict[str, str] = {}
    for step in steps:
        if step["op"] not in _NO_CHANGES:
            found.setdefault(_name(step["urn"]), step["op"])
            if "replace" in step["op"]:
                found[_name(step["urn"])] = "replace"
    return sorted(Change(name, operation) for name, operation in found.items())


def _name(urn: str) -> str:
    *_, kind, name = urn.split("::")
    return f"{kind.rpartition(':')[2].rpartition('/')[2]}/{name}"
