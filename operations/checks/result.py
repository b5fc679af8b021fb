"""Hold what a check has found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from operations.cluster import Cluster, Unanswered
from settings import Settings


class Level(IntEnum):
    """How bad it is; the worst one decides about the exit status."""

    OK = 0
    WARN = 1
    UNKNOWN = 2
    FAIL = 3


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the table."""

    level: Level
    subject: str
    seen: str
    fix: str = ""  # what to do, for all that is not OK


Check = Callable[[Cluster, Settings], Iterable[Result]]


def ok(subject: str, seen: str) -> Result:
    """Return a row for what is as it should be."""
    return Result(Level.OK, subject, seen)


def warn(subject: str, seen: str, fix: str) -> Result:
    """Return a row for what `up` will pass, but somebody should know."""
    return Result(Level.WARN, subject, seen, fix)


def fail(subject: str, seen: str, fix: str) -> Result:
    """Return a row for what `up` would fail on, or harm."""
    return Result(Level.FAIL, subject, seen, fix)


def unknown(subject: str, reason: Unanswered) -> Result:
    """Return a row for what the cluster does not tell."""
    fix = "ask again as a user who may see it, or have it checked by an administrator"
    return Result(Level.UNKNOWN, subject, f"unknown: {reason}", fix)
