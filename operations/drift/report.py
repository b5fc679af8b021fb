"""Say what has drifted: a table, JSON, or Markdown without values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from operations.drift.found import Drift
from operations.field_managers import Key
from operations.table import table

_LONGEST = 50
_NOBODY = "nobody owns it now"


def named(key: Key) -> str:
    """Return an object as people write it: ConfigMap infisical/site."""
    return f"{key.kind.partition('.')[0]} {'/'.join(filter(None, [key.namespace, key.name]))}"


def who(drift: Drift) -> str:
    """Return who owns a field now: kubectl-edit, or kubectl through scale."""
    if drift.gone:
        return ""
    if not drift.by:
        return _NOBODY
    return drift.by.manager + (f" through {drift.by.subresource}" if drift.by.subresource else "")


def rows(drifts: Sequence[Drift]) -> Iterator[str]:
    """Yield the lines of the table."""
    lines = [("OBJECT", "FIELD", "THE STACK HAS", "THE CLUSTER HAS", "OWNED BY", "SINCE")]
    for each in drifts:
        if each.gone:
            lines.append((named(each.key), "", "it", "nothing: it is gone", "", ""))
        else:
            values = (shown(each.expected), shown(each.found))
            lines.append((named(each.key), each.field, *values, who(each), each.by.since if each.by else ""))
    yield from table(lines)


def shown(value: Any) -> str:
    """Return a value on one line of a bounded length. JSON has all of it."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if len(text) <= _LONGEST and "\n" not in text:
        return text
    if isinstance(value, list):
        return f"{len(value)} elements"
    return f"{text.partition(chr(10))[0][: _LONGEST - 1]}…"


def document(stack: str, drifts: Sequence[Drift]) -> str:
    """Return the same as JSON."""
    found = [
        {
            "kind": each.owned.applied["kind"],
            "apiVersion": each.owned.applied["apiVersion"],
            "namespace": each.key.namespace,
            "name": each.key.name,
            "gone": each.gone,
            "field": each.field,
            "expected": None if each.gone else each.expected,
            "found": None if each.gone else each.found,
            "owner": each.by.manager if each.by else None,
            "subresource": each.by.subresource if each.by else None,
            "since": each.by.since if each.by else None,
        }
        for each in drifts
    ]
    return json.dumps({"stack": stack, "drift": found}, indent=2)
