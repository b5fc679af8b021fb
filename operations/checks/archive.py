"""Say how far the archive of `backup.target.pointInTime` is behind the database.

Nothing else notices an archive that stands still, until a moment is needed that it doesn't have. Meanwhile PostgreSQL
keeps what it could not archive, and fills its disk with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from components.base.names import DATABASE_CLUSTER
from operations.checks.result import Result, fail, ok, warn
from operations.checks.running import PRIMARY
from operations.cluster import Cluster
from settings import Commands, Settings
from settings.backup import BucketTarget

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
_SUBJECT = "archive"


def archived(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what the primary could not archive yet. Raises Unanswered."""
    target = settings.backup.target if settings.backup else None
    if not isinstance(target, BucketTarget) or not target.point_in_time:
        return
    namespace = settings.cluster.names.database
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={PRIMARY}")
    if len(pods) != 1:
        pods_of = cluster.kubectl(f"get pods -n {namespace} -l cluster-name={DATABASE_CLUSTER} -L spilo-role")
        yield warn(_SUBJECT, f"{len(pods)} primaries, of one database whose changes are to be archived", pods_of)
        return
    pod = pods[0]["metadata"]["name"]
    inside = ("psql", "-U", "postgres", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-f", "-")
    told = json.loads(cluster.execute(namespace, pod, "postgres", *inside, stdin=QUESTION))
    logs = "ls -t /home/postgres/pgdata/pgroot/pg_log/*.csv | head -n 1 | xargs tail -n 50"
    why = cluster.kubectl(f"exec -n {namespace} {pod} -c postgres -- sh -c '{logs}'")
    if told["mode"] == "off":
        yield fail(_SUBJECT, f"{pod} archives nothing: its archive_mode is off", f"`{commands.pulumi('up')}`")
        return
    newest = f"the newest change went there {_ago(told['archived'])}" if told["archived"] else "nothing is there yet"
    if not told["waiting"]:
        yield ok(_SUBJECT, f"{newest}, and none waits")
        return
    seen = f"{newest}, and {told['waiting']} x 16 MiB wait, the oldest for {_time(told['oldest'])}"
    fix = f"PostgreSQL keeps them on its disk until the bucket takes them; its log says why: {why}"
    if timedelta(seconds=told["oldest"]) > _LATE:
        yield fail(_SUBJECT, seen, fix)
    elif told["failing"]:
        yield warn(_SUBJECT, f"{seen}; the last attempt failed", fix)
    else:
        yield ok(_SUBJECT, seen)


def _ago(seconds: float) -> str:
    return f"{_time(seconds)} ago"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
