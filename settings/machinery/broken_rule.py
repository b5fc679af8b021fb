"""A rule within a section that is broken, with the key to change. Rules over several sections yield Findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

BROKEN_RULE = "broken_rule"  # the error's type
Path = str | tuple[str | int, ...]  # of a key, below the section


def broken_rule(path: Path, reason: str) -> PydanticCustomError:
    """Return the error to raise in a validator of a whole section, which pydantic reports without a key."""
    below = (path,) if isinstance(path, str) else path
    return PydanticCustomError(BROKEN_RULE, "{reason}", {"reason": reason, "path": below})


def path_of(context: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the path below the section that a broken rule names, out of the context of its error."""
    return context["path"]
