"""Take over what a stack has generated and no variable of Infisical's holds: from an escrow, or from the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.application_wish import file_of
from operations.translation import Imported
from settings.applications import Generated, Named

_SOME = Generated(generate=16)  # a name does not depend on the value
_SECTIONS = {"adminPassword": "organization", "backupPassphrase": "backup", "generatedValues": "applications"}


def take_kept(imported: Imported, escrow: Mapping[str, Any], existing: Mapping[str, Any]) -> None:
    """Add the stack's id and what was generated for the sections that the stack has."""
    if id_ := escrow.get("stackId"):
        imported.values["cluster.stackId"], imported.sources["cluster.stackId"] = id_, "stackId"
    for key, section in _SECTIONS.items():
        kept = escrow["settings"].get(key)
        if kept and section not in existing:
            imported.left_out[key] = f"the stack has no section {section}"
        elif isinstance(kept, dict):
            for name, value in kept.items():
                _take(imported, f"{key}.{name}", value)
        elif kept:
            _take(imported, key, kept)


def generated_in(existing: Mapping[str, Any]) -> set[str]:
    """Return the names that the stack has for values that it generates for applications, as its stack file says."""
    return {
        file_of(application, Named(environment=environment, path=path, key=key, value=_SOME))
        for application, wish in _items(existing.get("applications"))
        for environment, folders in _items(wish.get("secrets") if isinstance(wish, dict) else None)
        for path, values in _items(folders)
        for key, value in _items(values)
        if isinstance(value, dict) and "generate" in value
    }


def _items(value: Any) -> list[tuple[str, Any]]:
    return [*value.items()] if isinstance(value, dict) else []


def _take(imported: Imported, key: str, value: str) -> None:
    imported.values[key], imported.sources[key] = value, "generated"
