"""A restore whose end is not seen: a kill, a fail-over at its COMMIT, or a database that does not answer."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backup_bench import Done
from bounded_program import Deadline
from database_session import Session, settled
from job import Failed
from job_cluster import Cluster
from job_engines import PASSWORD, USER, Postgres, eventually
from job_pki import Pair
from job_redis import Redis, running
from restore import _TABLE
from restore_bench import DEPLOYMENT, Platform, backed_up


@pytest.fixture(scope="module")
def redis(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "cut-off-redis") as redis:
        yield redis


@pytest.fixture
def platform(cluster: Cluster, postgres: Postgres, ca: Pair, servers_folder: Path, redis: Redis) -> Iterator[Platform]:
    with backed_up(redis, cluster, postgres, ca, servers_folder) as platform:
        yield platform


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_in_the_middle_leaves_the_old_data_and_the_next_run_restores(platform: Platform, how: int) -> None:
    token = platform.token()
    real = f"/usr/lib/postgresql/{platform.postgres.major_version}/bin/pg_restore"
    slow = f'case "$*" in *--use-list*) {real} "$@"; touch "$TMPDIR/half"; sleep 60;; esac; exec {real} "$@"'
    platform.instead_of("pg_restore", slow)
    process = platform.start(
        "restore.py", platform.restoring(overwrite=token), REDIS_PASSWORD=PASSWORD, POSTGRES_PROGRAMS="/nonexistent"
    )
    eventually((platform.folder / "tmp/half").exists, "all of it is sent, and not committed")
    process.send_signal(how)
    process.communicate(timeout=30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a pod ends with all of its processes
    eventually(lambda: platform.secrets == "a b c late", "the transaction was rolled back")
    if how == signal.SIGTERM:
        assert platform.untouched, "Infisical was started again"
    done = platform.restore(overwrite=token)
    assert done.status == 0, done.output
    assert (platform.secrets, platform.kept) == ("a b c", 0)
    assert platform.deployment["metadata"]["annotations"]["infisical-platform/replicas"] == "2"


def test_a_kill_between_commit_and_redis_is_made_good(platform: Platform) -> None:
    """The data is restored; what is left is to empty Redis, and never to restore again."""
    assert platform.confirmed().status == 0
    platform.super("update platform.restored set finished = false")
    platform.sql("insert into secrets values ('afterwards', 'x')")
    platform.keep("stale", "job")
    deployment = f"{platform._deployments}/{DEPLOYMENT}"
    platform.cluster.call("PATCH", deployment, {"spec": {"replicas": 2}})
    eventually(lambda: platform.deployment["status"].get("replicas") == 2, "somebody has started Infisical")
    assert platform.restore().status == 0
    assert (platform.secrets, platform.kept, platform.replicas) == ("a afterwards b c", 0, 0)


def without_an_answer(platform: Platform, then: str = "exit 2") -> None:
    """Have psql lose the server's answer to COMMIT, as in a fail-over."""
    real = shutil.which("psql")
    fake = f'case "$*" in *-Xqw*) {real} "$@"; echo "server closed the connection unexpectedly" >&2; {then};; esac'
    platform.instead_of("psql", f'{fake}; [ ! -e "$TMPDIR/away" ] || exit 2; exec {real} "$@"')
    platform.instead_of("pg_restore", f'exec {shutil.which("pg_restore")} "$@"')


def restored_by_path(platform: Platform, **changed: Any) -> Done:
    config = platform.restoring(**changed)
    return platform.run("restore.py", config, REDIS_PASSWORD=PASSWORD, POSTGRES_PROGRAMS="/nonexistent")


def test_a_commit_whose_answer_is_lost_is_asked_for(platform: Platform) -> None:
    token = platform.token()
    without_an_answer(platform)
    done = restored_by_path(platform, overwrite=token)
    assert done.status == 0, done.output
    assert "the database has committed it all the same: PostgreSQL refused it: " in done.output
    assert (platform.secrets, platform.replicas, platform.kept) == ("a b c", 0, 0)


def test_a_commit_that_nobody_can_be_asked_about_leaves_infisical_stopped(platform: Platform) -> None:
    """Its Redis may be of another past than its data."""
    token = platform.token()
    without_an_answer(platform, 'touch "$TMPDIR/away"; exit 2')
    done = restored_by_path(platform, overwrite=token, deadline_seconds=40)
    assert done.status == 1, done.output
    assert "nobody knows yet whether the database was restored" in done.last_line
    assert "nothing has changed" not in done.last_line
    assert (platform.secrets, platform.replicas, platform.kept > 0) == ("a b c", 0, True)
    (platform.folder / "tmp/away").unlink()
    done = platform.restore(overwrite=token)
    assert done.status == 0, done.output
    assert (platform.secrets, platform.replicas, platform.kept) == ("a b c", 0, 0)


@pytest.mark.parametrize("how", [signal.SIGTERM, None], ids=["SIGTERM", "deadline"])
def test_a_commit_that_is_still_waited_for_is_known_before_anything_is_said(
    platform: Platform, how: int | None
) -> None:
    """As for a synchronous replica: nobody sees the transaction yet, and it is committed all the same."""
    token = platform.token()
    real = shutil.which("psql")
    slow = f'case "$*" in *-Xqw*) {real} "$@"; touch "$TMPDIR/sent"; sleep 60;; esac; exec {real} "$@"'
    without_an_answer(platform)  # and pg_restore where it is looked for
    platform.instead_of("psql", slow)
    config = platform.restoring(overwrite=token, deadline_seconds=120 if how else 15)
    process = platform.start("restore.py", config, REDIS_PASSWORD=PASSWORD, POSTGRES_PROGRAMS="/nonexistent")
    eventually((platform.folder / "tmp/sent").exists, "it is committed, and not told")
    if how:
        process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert (platform.secrets, platform.replicas, platform.kept) == ("a b c", 0, 0)


def test_a_transaction_that_may_yet_commit_is_waited_for(platform: Platform) -> None:
    platform.sql(_TABLE)
    command = ["psql", "-XAtq", "-h", str(platform.postgres.folder), "-p", str(platform.postgres.port), "-U", USER]
    writer = subprocess.Popen([*command, "-d", platform.database], stdin=subprocess.PIPE, text=True)
    assert writer.stdin
    writer.stdin.write("begin; insert into platform.restored (id, name, sha256) values ('one', 'infisical-x', '');\n")
    writer.stdin.flush()
    held = "select count(*) from pg_locks where relation = 'platform.restored'::regclass and mode = 'RowExclusiveLock'"
    eventually(lambda: platform.super(held) == "1", "it has written")
    variables = {"PGHOST": str(platform.postgres.folder), "PGPORT": str(platform.postgres.port), "PGUSER": USER}
    environment = {**variables, "PGDATABASE": platform.database}
    with Session(environment, Deadline(30)) as session, pytest.raises(Failed, match="lock timeout"):
        settled(session, "one", 1)
    writer.communicate("commit;\n")
    with Session(environment, Deadline(30)) as session:
        assert settled(session, "one", 20) == "infisical-x|f"
