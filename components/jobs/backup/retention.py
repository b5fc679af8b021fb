"""Choose which backups may go."""

import calendar
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from backup_manifest import MANIFEST, SEALED, complete, incomplete
from backup_target import Target
from job import Report
from own_backups import Own
from s3 import Denied


@dataclass(frozen=True)
class Retention:
    """Backups younger than `days` stay, and the newest `at_least` in any case."""

    days: int
    at_least: int


@dataclass(frozen=True)
class Expired:
    """The objects that may go, and how many backups are past their time and not ours to delete."""

    objects: list[str]
    others: int


def expired(
    names: Iterable[str], retention: Retention, verified: str, now: float, ours: Callable[[str], bool | None]
) -> Expired:
    """Return the objects that may go: never those of `verified`, the newest backup that a rehearsal has restored.

    A manifest comes before its backup, so that a kill in between leaves nothing that looks complete.
    """
    names = list(names)
    old = now - 86400 * retention.days
    whole = complete(names)
    past = [name for name in whole if name != verified and _made(name) < old]
    # Whose a backup is stands in its manifest, so no more of them are asked than have to be.
    kept = set(islice((name for name in reversed(whole) if past and ours(name)), retention.at_least))
    going = [name for name in past if name not in kept and ours(name)]
    left_over = [name for name in incomplete(names) if _made(name) < old]
    return Expired(
        [name + end for name in going for end in (MANIFEST, SEALED)] + left_over,
        sum(not ours(name) for name in past),
    )


def apply(target: Target, retention: Retention, verified: str, report: Report, own: Own) -> str:
    """Delete what may go. Return what was deleted, or why nothing could be."""
    found = expired(target.names(), retention, verified, time.time(), own.has)
    others = f"; {found.others} past their time are of another cluster, and stay" if found.others else ""
    try:
        for name in found.objects:
            target.delete(name)
    except Denied as error:
        report.progress(str(error))
        number = len(found.objects)
        return (
            f"{number} are past their time, and the credentials may not delete: the bucket's own rules have to{others}"
        )
    return (f"{len(found.objects)} objects deleted" if found.objects else "nothing to delete") + others


def _made(name: str) -> float:
    return calendar.timegm(time.strptime(name.split("-")[1], "%Y%m%dT%H%M%SZ"))
