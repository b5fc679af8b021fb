"""Check that there are backups, that the newest is young enough, and that one of them was restored and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from components.base.names import BACKUP_STATUS
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster
from settings import Commands, Settings
from settings.machinery.cron import longest_pause
from settings.names import Names

_ENDING = timedelta(days=30)  # as long before a key expires its owner is asked to prolong it
_LATE = timedelta(hours=2)  # how long after its time a Job may take, before it counts as missed


def status_of(names: Names) -> str:
    """Return the path of the object in which the Jobs tell what they did."""
    return f"/api/v1/namespaces/{names.database}/configmaps/{BACKUP_STATUS}"


def backups(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what the Jobs have told about themselves. Raises Unanswered."""
    backup = settings.backup
    if not backup and not settings.cluster.protect:
        yield ok("backup", "none, as cluster.protect says that the data may go")
        return
    if not backup:
        fix = f"{commands.set('backup.target.kind', 'volume')}; docs/backup.md says what else it takes"
        yield warn("backup", "there is no backup: what is deleted or damaged is gone", fix)
        return
    status = cluster.get(status_of(settings.cluster.names))
    if status is None:
        yield warn("backup", "there is none yet", f"run `{commands.pulumi('up')}`, which makes the first one")
        return
    told: Mapping[str, str] = status.get("data") or {}
    where = settings.cluster.names.database
    yield _row("backup", told, "last", longest_pause(backup.schedule), cluster, where)
    yield _row("rehearsal", told, "rehearsal", longest_pause(backup.rehearsal_schedule), cluster, where)
    if told.get("recipients"):
        yield _recipients(told)


def _recipients(told: Mapping[str, str]) -> Result:
    """Judge whether everybody who should can open the next backup too."""
    subject, able, expired = "recipients", told["recipients"].split(), told.get("recipientsExpired", "")
    prolong = "its owner runs `gpg --quick-set-expire FINGERPRINT 2y`; export it for backup.recipients again, and `up`"
    if expired:
        return fail(subject, f"backups are no longer encrypted to {', '.join(expired.split())}, which expired", prolong)
    end, _, first = told.get("recipientsEnd", "").partition(" ")
    if not end:
        return ok(subject, f"{len(able)}, whose keys never expire")
    left = datetime.fromisoformat(end) - datetime.now(UTC)
    seen = f"the first of {len(able)} keys to expire is {first}, on {end[:10]}"
    return warn(subject, seen, prolong) if left < _ENDING else ok(subject, seen)


def _row(subject: str, told: Mapping[str, str], kind: str, pause: timedelta, cluster: Cluster, where: str) -> Result:
    job = {"backup": "backup", "rehearsal": "backup-rehearsal"}[subject]
    again = cluster.kubectl(f"create job --namespace {where} {job}-now-$(date +%s) --from cronjob/{job}")
    fix = f"mend the cause, then {again}"
    name, at = (
        (told.get("lastName"), told.get("lastSuccess"))
        if subject == "backup"
        else (told.get("rehearsedName"), told.get("rehearsedAt"))
    )
    if failure := told.get(f"{kind}Failure"):
        return fail(subject, f"the last one failed: {failure}", fix)
    if not at:
        return fail(subject, "none has ever succeeded", fix)
    age = datetime.now(UTC) - datetime.fromisoformat(at)
    seen = f"{name}, {age.total_seconds() / 3600:.0f} hours ago"
    return fail(subject, f"the last good one is too old: {seen}", fix) if age > pause + _LATE else ok(subject, seen)
