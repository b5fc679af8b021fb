"""Name a field of an object, and find who wrote it: managedFields of Kubernetes, read by path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from operations.cluster import Object


@dataclass(frozen=True, slots=True)
class Item:
    """An element of a list: by the field that tells it from the others, or by its place."""

    key: str  # empty: `value` is its place
    value: str | int


Path = tuple[str | Item, ...]


def text(path: Path) -> str:
    """Return a path as people write it: spec.template.spec.containers[infisical].image."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, Item):
            parts.append(f"[{step.value}]")
        elif "." in step or "/" in step:
            parts.append(f"[{step}]")
        else:
            parts.append(f".{step}" if parts else step)
    return "".join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Writer:
    """Who wrote a field last, and when."""

    manager: str
    operation: str
    subresource: str
    since: str  # as the API server says it

    @property
    def at(self) -> datetime:
        """Return when that was."""
        return datetime.fromisoformat(self.since or "1970-01-01T00:00:00Z")


def writer(live: Object, path: Path) -> Writer | None:
    """Return who wrote the field last; None when nobody owns it, as after somebody has removed it."""
    return max(_writers(live, path), key=lambda each: each.at, default=None)


def _writers(live: Object, path: Path) -> Iterator[Writer]:
    for entry in live["metadata"].get("managedFields") or []:
        if _owns(entry.get("fieldsV1") or {}, path):
            yield Writer(
                manager=entry["manager"],
                operation=entry.get("operation", ""),
                subresource=entry.get("subresource", ""),
                since=entry.get("time", ""),
            )


def _owns(fields: Mapping[str, Any], path: Path) -> bool:
    """Return whether an entry owns a field, something below it, or all of a list or map that it is in."""
    if not path:
        return True
    for name, below in fields.items():
        if _named(name, path[0]):
            return not below or _owns(below, path[1:])
    return False


def _named(name: str, step: str | Item) -> bool:
    if isinstance(step, str):
        return name == f"f:{step}"
    return name.startswith("k:") and json.loads(name[2:]).get(step.key) == step.value
