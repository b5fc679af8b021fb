"""Choose which backups may go."""

import calendar
import time
from collections.abc import Iterable
from dataclasses import dataclass

from backup_manifest import MANIFEST, SEALED, complete, incomplete
from backup_target import Target
from job import Report
from s3 import Denied


@dataclass(frozen=True)
class Retention:
    """Backups younger than `days` stay, and the newest `at_least` in any case."""

    days: int
    at_least: int


def expired(names: Iterable[str], retention: Retention, verified: str, now: float) -> list[str]:
    """Return the objects that may go: never those of `verified`, the newest backup that a rehearsal has restored.

    A manifest comes before its backup, so that a kill in between leaves nothing that looks complete.
    """
    names = list(names)
    old = now - 86400 * retention.days
    whole = complete(names)
    kept = {*whole[-retention.at_least :], verified}
    going = [name for name in whole if name not in kept and _made(name) < old]
    left_over = [name for name in incomplete(names) if _made(name) < old]
    return [name + end for name in going for end in (MANIFEST, SEALED)] + left_over


def apply(target: Target, retention: Retention, verified: str, report: Report) -> str:
    """Delete what may go. Return what was deleted, or why nothing could be."""
    going = expired(target.names(), retention, verified, time.time())
    try:
        for name in going:
            target.delete(name)
    except Denied as error:
        report.progress(str(error))
        return f"{len(going)} are past their time, and the credentials may not delete: the bucket's own rules have to"
    return f"{len(going)} objects deleted" if going else "nothing to delete"


def _made(name: str) -> float:
    return calendar.timegm(time.strptime(name.split("-")[1], "%Y%m%dT%H%M%SZ"))
