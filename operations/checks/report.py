"""Write the results of checks as the lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from operations.checks.result import Level, Result
from operations.table import table

_LEVELS = {Level.OK: "ok", Level.WARN: "warn", Level.UNKNOWN: "?", Level.FAIL: "FAIL"}


def rows(results: Sequence[Result]) -> Iterator[str]:
    """Yield a line for each result, and one for its fix."""
    cells: list[tuple[str, str, str]] = []
    for result in results:
        cells.append((_LEVELS[result.level], result.subject, result.seen))
        if result.fix:
            cells.append(("", "", f"fix: {result.fix}"))
    yield from table(cells)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
