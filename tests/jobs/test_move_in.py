"""The database of another Infisical: backed up while nobody uses it, and left alone once it was moved in."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from backup_bench import CREDENTIALS, LABEL, Bench, Done, tables
from job_cluster import Cluster
from job_engines import PASSWORD, USER, Postgres, eventually
from job_pki import Pair

BACKUP = "0123456789ab"


class Move:
    """An empty platform, and the other server with its database."""

    def __init__(self, platform: Bench, other: Bench) -> None:
        self.platform, self.other = platform, other

    def config(self, **changed: Any) -> dict[str, Any]:
        server = self.other.config()["database"]
        del server["cluster"]
        server |= changed
        platform = self.platform.config()
        del platform["image"]
        shared = {"id": "one", "backup": BACKUP, "quiet_seconds": 2, "patience_seconds": 1}
        return {**platform, **shared, "server": server}

    def run(self, **changed: Any) -> Done:
        return self.platform.run("move_in.py", self.config(**changed))

    def start(self, **limits: float) -> "subprocess.Popen[str]":
        return self.platform.start("move_in.py", {**self.config(), **limits})


@pytest.fixture
def move(cluster: Cluster, postgres: Postgres, ca: Pair, servers_folder: Path) -> Iterator[Move]:
    postgres.present(ca.issue("127.0.0.1"))
    platform, other = (Bench(cluster, postgres, ca, servers_folder) for _ in range(2))
    other.sql(tables("a", "b"))
    yield Move(platform, other)
    platform.drop()
    other.drop()


def test_it_becomes_a_backup_that_the_stacks_key_opens(move: Move) -> None:
    done = move.run()
    assert done.status == 0, done.output
    manifest = move.platform.manifest()
    assert manifest["name"].endswith(f"-{BACKUP}"), "by which the restore finds it"
    assert manifest["cluster"] == f"{move.other.postgres.host}:{move.other.postgres.port}/{move.other.database}"
    assert (manifest["tables"]["secrets"], manifest["key_label"]) == (2, LABEL)
    assert manifest["image"] is None, "the release that has made the data is the old one's, which nobody knows"
    assert move.other.status["clusters"] == manifest["cluster"]
    move.platform.tell(clusters=manifest["cluster"])  # a stack has one namespace for both
    rehearsed = move.platform.rehearse(source=BACKUP, restore="one")
    assert rehearsed.status == 0, rehearsed.output
    assert move.platform.sql("select to_regclass('public.secrets')") == "", "nothing is in the platform's own yet"


@contextmanager
def in_use(other: Bench) -> Iterator[None]:
    """Somebody is connected as the role of Infisical's tables."""
    command = ["psql", "-XAtq", "-h", str(other.postgres.folder), "-U", USER, "-p", str(other.postgres.port)]
    named = {**os.environ, "PGAPPNAME": "somebody"}
    user = subprocess.Popen([*command, "-d", other.database], stdin=subprocess.PIPE, env=named)
    there = f"select count(*) from pg_stat_activity where datname = '{other.database}'"
    there += " and application_name = 'somebody'"
    try:
        eventually(lambda: other.super(there) == "1", "somebody uses it")
        yield
    finally:
        user.communicate()
        eventually(lambda: other.super(there) == "0", "nobody uses it any more")


def says(process: "subprocess.Popen[str]", text: str) -> None:
    """Wait until it has printed `text`."""
    assert process.stdout
    assert any(text in line for line in process.stdout)


def test_one_that_is_still_used_is_refused(move: Move) -> None:
    """What it would write after the dump would be lost."""
    with in_use(move.other):
        done = move.run()
    assert done.status == 1
    assert "is still used as its role, from a socket" in done.last_line
    assert move.platform.objects == []
    assert move.platform.status["restoreFailure"].startswith("one: ")


def test_one_that_is_used_now_and_then_is_refused(move: Move) -> None:
    """An Infisical that nobody asks closes its connections after 30 s, and opens one again within a minute."""
    with move.start(quiet_seconds=8, patience_seconds=0) as process:
        says(process, "nobody is connected to")
        with in_use(move.other):
            says(process, "is still used as its role")
        assert process.stdout
        assert "is still used as its role" in process.stdout.read().splitlines()[-1]
    assert process.returncode == 1
    assert move.platform.objects == []


def test_one_whose_last_user_leaves_moves_in(move: Move) -> None:
    with in_use(move.other):
        process = move.start(patience_seconds=60)
        says(process, "is still used as its role")
    with process:
        assert process.stdout
        output = process.stdout.read()
    assert process.returncode == 0, output


@pytest.mark.parametrize("finished", ["true", "false"])
def test_it_is_left_alone_once_its_data_was_restored(move: Move, finished: str) -> None:
    """The old server may be gone when a later `up` runs the Job again."""
    move.platform.sql(
        "create schema platform; create table platform.restored (id text primary key, name text, sha256 text,"
        f" finished boolean); insert into platform.restored values ('one', 'infisical-x', '', {finished})"
    )
    done = move.run(host="gone.example.invalid")
    assert done.status == 0, done.output
    assert "restore one was done before" in done.last_line
    assert move.platform.objects == []


def test_a_server_without_tls_is_asked_as_the_stack_says_it(move: Move) -> None:
    """As the one that Infisical's chart brings along. This one takes nobody without TLS."""
    server = {key: value for key, value in move.config(sslmode="disable")["server"].items() if key != "ca_files"}
    done = move.platform.run("move_in.py", {**move.config(), "server": server, "deadline_seconds": 10})
    assert done.status == 1
    assert "no encryption" in done.last_line


def test_a_database_without_infisicals_tables_is_refused(move: Move) -> None:
    move.other.sql("drop table infisical_migrations")
    done = move.run()
    assert done.status == 1
    assert f"{move.other.database} has none of Infisical's tables; see restore.server.name" in done.last_line


def test_a_password_that_is_wrong_is_said_and_never_printed(move: Move) -> None:
    secret = f"/api/v1/namespaces/{move.other.namespace}/secrets/{CREDENTIALS}"
    move.other.cluster.call("PATCH", secret, {"stringData": {"password": "wr0ng-w0rd"}})
    done = move.run()
    assert done.status == 1
    assert f'password authentication failed for user "{USER}"' in done.last_line
    assert "wr0ng-w0rd" not in done.output
    assert PASSWORD not in done.output
