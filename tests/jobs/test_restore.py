"""The restore: all or nothing, once per id, and refused before it would do harm."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from backup_bench import LABEL, STATUS, await_another_second, flip_a_byte, gpg
from job_cluster import Cluster
from job_engines import PASSWORD, USER, Postgres
from job_pki import Pair
from job_redis import ADDRESSES, GROUP, Redis, running
from restore_bench import DEPLOYMENT, Platform, backed_up
from restore_script import DROP


@pytest.fixture(scope="module")
def redis(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "restore-redis") as redis:
        yield redis


@pytest.fixture
def platform(cluster: Cluster, postgres: Postgres, ca: Pair, servers_folder: Path, redis: Redis) -> Iterator[Platform]:
    with backed_up(redis, cluster, postgres, ca, servers_folder) as platform:
        yield platform


def test_what_would_be_lost_is_said_and_nothing_is_done(platform: Platform) -> None:
    refused = platform.restore()
    assert refused.status == 1
    name = platform.manifest()["name"]
    said = "the database is not empty: 7 rows in 5 tables, the newest change of "
    assert said in refused.last_line
    assert f"would be replaced by {name}, of 20" in refused.last_line
    assert platform.untouched
    assert platform.status["restoreFailure"].startswith("one: the database is not empty")
    wrong = platform.restore(overwrite="0" * 12)
    assert f"restore.overwrite is {'0' * 12}, which confirms something else" in wrong.last_line
    assert platform.token("two") != platform.token("one"), "a confirmation is for one restore"
    assert platform.untouched


def test_the_old_data_comes_back_whole(platform: Platform) -> None:
    restored = platform.manifest()["name"]
    done = platform.confirmed()
    assert done.status == 0, done.output
    assert platform.secrets == "a b c"
    assert platform.sql("select to_regclass('newer')") == ""
    assert platform.sql("select count(*), twice(2) from names") == "3|4"
    assert platform.super("select extname from pg_extension where extname like 'pg_stat%'") == "pg_stat_statements"
    assert (platform.replicas, platform.kept) == (0, 0)
    assert platform.deployment["metadata"]["annotations"]["infisical-platform/replicas"] == "2"
    status = platform.status
    assert status["restored"] == restored
    assert "restoreFailure" not in status
    kept = platform.manifest()
    assert kept["tables"]["secrets"] == 4, "what was replaced"
    assert done.last_line.endswith(f"; what was replaced is in {kept['name']}")


def test_a_role_with_capital_letters(platform: Platform) -> None:
    """As an external database may have it. What is anybody else's stays."""
    platform.super('create role "Infisical_User" login; grant create on schema public to "Infisical_User"')
    platform.super("create table others (n int)")
    platform.sql("create table mine (n serial)", "Infisical_User")
    platform.sql("create function mine() returns int language sql as 'select 1'", "Infisical_User")
    platform.sql("create type mood as enum ('fine')", "Infisical_User")
    platform.sql(DROP, "Infisical_User")
    assert platform.super("select to_regclass('mine'), to_regproc('mine'), to_regtype('mood')") == "||"
    assert platform.super("select to_regclass('others')") == "others"
    assert platform.secrets == "a b c late"
    platform.super('drop owned by "Infisical_User"; drop role "Infisical_User"; drop table others')


def test_a_database_that_is_refused_to_a_new_pod_is_asked_again(platform: Platform) -> None:
    """As kube-router does, until it has heard of the pod."""
    token, first = platform.token(), '[ ! -e "$TMPDIR/refused" ] && touch "$TMPDIR/refused"'
    platform.instead_of("psql", f'{first} && echo "connection refused" >&2 && exit 2; exec {shutil.which("psql")} "$@"')
    done = platform.restore(overwrite=token)
    assert done.status == 0, done.output
    assert "connection refused" in done.output
    assert platform.secrets == "a b c"


def test_one_id_restores_once(platform: Platform) -> None:
    name = platform.manifest()["name"]
    assert platform.confirmed().status == 0
    platform.sql("insert into secrets values ('afterwards', 'x')")
    platform.keep("new", "job")
    again = platform.restore(overwrite="0" * 12)
    assert (again.status, again.last_line.endswith("so there is nothing to do")) == (0, True)
    assert (platform.secrets, platform.kept) == ("a afterwards b c", 1)
    assert platform.confirmed("two", source=name).status == 0
    assert platform.secrets == "a b c"


def test_a_database_that_was_set_back_is_not_restored_again(platform: Platform) -> None:
    """A point in time, or a snapshot of the disks: the note of the restore is gone, and is still asked for."""
    token = platform.token()
    assert platform.restore(overwrite=token).status == 0
    assert platform.status["restoredIds"] == "one"
    platform.super("drop schema platform cascade")
    platform.sql("insert into secrets values ('afterwards', 'x')")
    refused = platform.restore(overwrite=token)
    assert refused.status == 1
    assert "id one was restored before, and the database does not know of it" in refused.last_line
    assert "restore.id" in refused.last_line
    assert platform.secrets == "a afterwards b c"
    platform.sql(DROP)
    assert platform.restore().status == 0, "an empty database has nothing to lose"


def test_a_note_that_was_not_told_is_told_by_the_next_run(platform: Platform) -> None:
    assert platform.confirmed().status == 0
    maps = f"/api/v1/namespaces/{platform.namespace}/configmaps/{STATUS}"
    platform.cluster.call("PATCH", maps, {"data": {"restoredIds": None}})
    assert platform.restore().status == 0
    assert platform.status["restoredIds"] == "one"


def test_a_confirmation_is_for_one_backup(platform: Platform) -> None:
    """`latest` is a different one once the night's backup was made."""
    token = platform.token()
    await_another_second()
    assert platform.back_up().status == 0
    refused = platform.restore(overwrite=token)
    assert f"restore.overwrite is {token}, which confirms something else" in refused.last_line
    assert platform.untouched


def test_an_empty_database_needs_no_confirmation(platform: Platform) -> None:
    """From nothing: a new cluster, in which Infisical has never run."""
    platform.sql(DROP)
    platform.sql(
        "create table infisical_migrations (id serial, name text); create table infisical_migrations_lock (n serial)"
    )
    platform.cluster.call("DELETE", f"{platform._deployments}/{DEPLOYMENT}")
    done = platform.restore()
    assert done.status == 0, done.output
    assert platform.secrets == "a b c"


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ("create table orders (n int); insert into orders values (1), (2)", "2 rows in 1 tables"),
        ("create view orders as select 1", "0 rows in 0 tables"),
        ("create function orders() returns int language sql as 'select 1'", "0 rows in 0 tables"),
    ],
)
def test_the_database_of_another_application_is_not_empty(platform: Platform, theirs: str, named: str) -> None:
    """As database.name leads to it, mistyped: none of Infisical's tables is there, and all of it would go."""
    platform.sql(DROP)
    platform.sql(theirs)
    refused = platform.restore()
    assert refused.status == 1, refused.output
    assert f"the database is not empty: {named}, and Infisical has made none of it: " in refused.last_line
    assert "orders" in refused.last_line
    assert platform.sql("select to_regclass('orders') is not null or to_regproc('orders') is not null") == "t"
    done = platform.confirmed()
    assert done.status == 0, done.output
    assert platform.secrets == "a b c"


def test_a_confirmation_is_for_one_database_of_the_server(platform: Platform) -> None:
    token, first = platform.token(), platform.database
    platform.postgres.sql(f"create database {first}_copy owner {USER} template {first}")
    try:
        database = {**platform.config()["database"], "name": f"{first}_copy"}
        refused = platform.restore(overwrite=token, database=database)
        assert f"restore.overwrite is {token}, which confirms something else" in refused.last_line
    finally:
        platform.postgres.sql(f"drop database {first}_copy with (force)")


def test_an_id_that_has_restored_a_different_backup_is_refused(platform: Platform) -> None:
    first = platform.manifest()["name"]
    assert platform.confirmed().status == 0
    assert platform.back_up(before="fedcba9876543210").status == 0
    refused = platform.restore(source="fedcba9876543210")
    assert refused.status == 1, refused.output
    assert f"id one has restored {first}, and restore.from is fedcba9876543210 now" in refused.last_line
    for same in (first, f"{first}.json", first.rpartition("-")[2], "latest"):
        assert "so there is nothing to do" in platform.restore(source=same).last_line
    assert platform.restore(source="fedcba9876543210", server="one.that.moved.in").status == 0


def test_another_keys_backup_is_refused_with_both_labels(platform: Platform) -> None:
    refused = platform.restore(label="2" * 32)
    assert refused.status == 1
    assert f"with label {LABEL}" in refused.last_line
    assert f"has label {'2' * 32}" in refused.last_line
    assert platform.untouched


def test_a_newer_release_is_not_restored_into_an_older_one(platform: Platform) -> None:
    refused = platform.restore(image="infisical/infisical:v0.164.99")
    assert "is of infisical/infisical:v0.165.8, and this stack's release is the older" in refused.last_line
    assert platform.untouched
    mirrored = platform.restore(image="my-mirror.example.org:5000/infisical:v0.164.99-postgres@sha256:" + 64 * "0")
    assert "this stack's release is the older my-mirror" in mirrored.last_line
    for image in ("infisical/infisical:v0.165.8", "infisical/infisical:v1.0.0", "mine:nightly"):
        assert "the database is not empty" in platform.restore(image=image).last_line


def test_a_damaged_backup_touches_nothing(platform: Platform) -> None:
    flip_a_byte(platform.volume / platform.objects[0])
    refused = platform.restore()
    assert "is damaged" in refused.last_line
    assert platform.untouched


def test_rows_that_are_missing_roll_everything_back(platform: Platform) -> None:
    """The last check is within the transaction. Infisical, stopped for it, runs again."""
    token = platform.token()
    manifest = platform.volume / platform.objects[1]
    described = json.loads(manifest.read_text())
    described["tables"]["secrets"] = 4
    platform.account.file(manifest, json.dumps(described))
    done = platform.restore(overwrite=token)
    assert done.status == 1
    assert "nothing has changed: " in done.last_line
    assert "secrets was dumped with 4 rows, and has 3" in done.last_line
    assert platform.untouched


def test_a_dump_that_ends_early_rolls_everything_back(platform: Platform) -> None:
    """psql would take the end of its input for the end of the work, and commit."""
    token = platform.token()
    real = f"/usr/lib/postgresql/{platform.postgres.major_version}/bin"
    for each in ("psql", "pg_restore"):
        platform.instead_of(each, f'exec {real}/{each} "$@"')
    half = f'case "$*" in *--use-list*) {real}/pg_restore "$@" | head -n 60; exit 1;; esac; exec {real}/pg_restore "$@"'
    platform.instead_of("pg_restore", half)
    config = platform.restoring(overwrite=token)
    done = platform.run("restore.py", config, REDIS_PASSWORD=PASSWORD, POSTGRES_PROGRAMS="/nonexistent")
    assert done.status == 1, done.output
    assert "nothing has changed" in done.last_line
    assert platform.untouched


def test_redis_that_is_away_is_noticed_before_anything_is_touched(platform: Platform) -> None:
    token = platform.token()
    queues = {"sentinel_host": ADDRESSES[0], "sentinel_port": 1, "master_name": GROUP}
    done = platform.restore(overwrite=token, queues=queues, queues_seconds=1)
    assert done.status == 1
    assert "Redis: " in done.last_line
    assert platform.untouched


def test_a_private_key_opens_what_this_stack_never_wrote(platform: Platform) -> None:
    """The state is lost, and the passphrase with it."""
    platform.file("store/passphrase", "the new stack's own")
    token_less = platform.restore()
    assert "this stack's passphrase does not open it" in token_less.last_line
    private = gpg(platform.owner, "--armor", "--export-secret-keys")
    identity = str(platform.file("private.asc", private))
    done = platform.confirmed(identity=identity)
    assert done.status == 0, done.output
    assert platform.secrets == "a b c"
    assert private.splitlines()[5] not in done.output


def test_an_identifier_chooses_the_backup(platform: Platform) -> None:
    first = platform.manifest()["name"].rpartition("-")[2]
    assert platform.back_up(before="fedcba9876543210").status == 0
    done = platform.confirmed(source=first)
    assert done.status == 0, done.output
    assert platform.secrets == "a b c"
    absent = platform.restore("two", source="0123456789abcdef")
    assert "there is no complete backup 0123456789abcdef; the newest are infisical-" in absent.last_line


def test_a_backup_of_an_earlier_move_is_not_restored(platform: Platform) -> None:
    """The Job that took it is not run again, and the server that moves in may have been used since."""
    refused = platform.restore(moved_in_within_seconds=0)
    assert refused.status == 1
    assert f"{platform.manifest()['name']} was taken at 20" in refused.last_line
    assert "choose a different restore.id" in refused.last_line
    assert platform.untouched
    done = platform.confirmed(moved_in_within_seconds=3600)
    assert done.status == 0, done.output
    assert platform.restore(moved_in_within_seconds=0).status == 0, "it was done in time"
