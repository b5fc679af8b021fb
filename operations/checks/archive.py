"""Say how far the archive of `backup.target.pointInTime` is behind the database, and since when it reaches back.

Nothing else notices an archive that stands still, until a moment is needed that it doesn't have. Meanwhile PostgreSQL
keeps what it could not archive, and fills its disk with it. Nor does anything notice that a base backup has failed,
which a recovery begins from: Spilo's script goes on, and ends well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from components.base.names import DATABASE_CLUSTER
from operations.checks.result import Result, fail, ok, warn
from operations.checks.running import PRIMARY
from operations.cluster import Cluster, Unanswered
from settings import Commands, Settings
from settings.backup import BackupSettings, BucketTarget
from settings.machinery.cron import longest_pause

# What waits tells how far behind it is: in a database that nobody uses, the newest that was archived may be old.
QUESTION = """\
select json_build_object(
  'mode', current_setting('archive_mode'),
  'archived', extract(epoch from clock_timestamp() - last_archived_time),
  'failing', last_failed_time > coalesce(last_archived_time, '-infinity'),
  'waiting', waiting,
  'oldest', extract(epoch from clock_timestamp() - since))
from pg_stat_archiver, (
  select count(*) as waiting, min(modification) as since from pg_ls_archive_statusdir() where name like '%.ready') as w
"""
_LATE = timedelta(minutes=10)  # a fail-over or a short absence of the bucket is over by then
_BASE_LATE = timedelta(hours=2)  # how long after its time a base backup may end, before it counts as missed
_SUBJECT, _BASE = "archive", "base backup"
_ENVIRONMENT = ("envdir", "/run/etc/wal-e.d/env")  # Spilo's, of WAL-G
BASES = (*_ENVIRONMENT, "wal-g", "backup-list", "--json")
_MAKE = f"{' '.join(_ENVIRONMENT)} /scripts/postgres_backup.sh /home/postgres/pgdata/pgroot/data"
# The words of the server are in the newest .csv, and those of WAL-G in the newest .log.
_LOGS = (
    "cd /home/postgres/pgdata/pgroot/pg_log; for of in csv log; do ls -t -- *.$of | head -n 1; done | xargs tail -n 20"
)
_FOREIGN = "docs/runbooks/point-in-time.md#a-database-that-was-made-anew"


def archived(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what the primary could not archive yet, and what a recovery can begin from. Raises Unanswered."""
    backup = settings.backup
    if not backup or not isinstance(backup.target, BucketTarget) or not backup.target.point_in_time:
        return
    namespace = settings.cluster.names.database
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={PRIMARY}")
    if len(pods) != 1:
        pods_of = cluster.kubectl(f"get pods -n {namespace} -l cluster-name={DATABASE_CLUSTER} -L spilo-role")
        yield warn(_SUBJECT, f"{len(pods)} primaries, of one database whose changes are to be archived", pods_of)
        return
    pod = pods[0]["metadata"]["name"]
    yield _changes(commands, cluster, namespace, pod)
    yield _bases(cluster, namespace, pod, backup)


def _changes(commands: Commands, cluster: Cluster, namespace: str, pod: str) -> Result:
    inside = ("psql", "-U", "postgres", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-f", "-")
    told = json.loads(cluster.execute(namespace, pod, "postgres", *inside, stdin=QUESTION))
    if told["mode"] == "off":
        return fail(_SUBJECT, f"{pod} archives nothing: its archive_mode is off", f"`{commands.pulumi('up')}`")
    newest = f"the newest change went there {_ago(told['archived'])}" if told["archived"] else "nothing is there yet"
    if not told["waiting"]:
        return ok(_SUBJECT, f"{newest}, and none waits")
    seen = f"{newest}, and {told['waiting']} x 16 MiB wait, the oldest for {_time(told['oldest'])}"
    why = cluster.kubectl(f"exec -n {namespace} {pod} -c postgres -- sh -c '{_LOGS}'")
    fix = (
        f"PostgreSQL keeps them on its disk until the bucket takes them; its log says why: {why} (where it says "
        f"`contents differ`, a different database has written to this archive: {_FOREIGN})"
    )
    if timedelta(seconds=told["oldest"]) > _LATE:
        return fail(_SUBJECT, seen, fix)
    return warn(_SUBJECT, f"{seen}; the last attempt failed", fix) if told["failing"] else ok(_SUBJECT, seen)


def _bases(cluster: Cluster, namespace: str, pod: str, backup: BackupSettings) -> Result:
    """Judge the newest base backup. Raises Unanswered."""
    times = _ended(cluster.execute(namespace, pod, "postgres", *BASES))
    make = cluster.kubectl(f"exec -n {namespace} {pod} -c postgres -- su postgres -c '{_MAKE}'")
    fix = f"make one, and read what hinders it: {make}"
    if not times:
        return fail(_BASE, "none is in the archive, so nothing can be recovered from it", fix)
    age = datetime.now(UTC) - times[-1]
    seen = f"{age.total_seconds() / 3600:.0f} hours ago; every moment since {times[0]:%Y-%m-%dT%H:%M:%SZ} has one"
    if age > longest_pause(backup.schedule) + _BASE_LATE:
        return fail(_BASE, f"the newest is too old: {seen}", fix)
    return ok(_BASE, seen)


def _ended(printed: str) -> list[datetime]:
    """Return when base backups ended, the oldest first. WAL-G prints a sentence, or nothing, where there is none."""
    listed = next((line for line in printed.splitlines() if line.startswith("[{")), "[]")
    try:
        return sorted(datetime.fromisoformat(each["time"]) for each in json.loads(listed))
    except (ValueError, KeyError) as error:
        raise Unanswered(f"`{' '.join(BASES)}` printed what this release can't read: {error!r}") from error


def _ago(seconds: float) -> str:
    return f"{_time(seconds)} ago"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
