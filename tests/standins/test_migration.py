"""The migration Job's script where it runs: in Infisical's image, before a real PostgreSQL."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.standins.engines import PASSWORD, Postgres, wait_for
from tests.standins.infisical import Environment
from tests.standins.migration import AHEAD, BEHIND, NEWEST, Migrate, names
from tests.standins.relay import relay

LOCKED = "update infisical_migrations_lock set is_locked = 1"


@pytest.fixture
def old_image(application: Path, tmp_path: Path) -> Path:
    """An image whose server does not compare before it migrates, as before 2026."""
    copy = tmp_path / "backend"
    shutil.copytree(application, copy, symlinks=True, ignore=shutil.ignore_patterns("bin"))
    (copy / "dist/auto-start-migrations-fns.mjs").unlink()
    return copy


def is_locked(postgres: Postgres, database: str) -> bool:
    return postgres.sql("select is_locked from infisical_migrations_lock", database) == "1"


def test_an_empty_database_is_migrated_and_a_second_run_finds_nothing(
    migrate: Migrate, postgres: Postgres, database: str
) -> None:
    first = migrate()
    assert first.ends(0) == "infisical:v1: the database has all of its 6 migrations"
    assert "Batch 1 run: 6 migrations" in first.output
    assert names(postgres, database)[-1] == f"{NEWEST}.mjs"
    assert "Already up to date" in (again := migrate(), again.ends(0))[0].output


# --- a database that is ahead ----------------------------------------------------------------------------------------


def test_a_database_that_is_ahead_needs_no_migration(migrate: Migrate, postgres: Postgres, migrated: str) -> None:
    postgres.sql(AHEAD, migrated)
    last = migrate().ends(0)
    assert last == (
        "the database has 1 migrations that infisical:v1 does not know (20990101000000_x). "
        "Its server starts on a newer database, so there is nothing to migrate"
    )


def test_a_server_that_refuses_a_newer_database_is_named_with_the_way_out(
    migrate: Migrate, old_image: Path, postgres: Postgres, migrated: str
) -> None:
    """Today npm prints that the directory is corrupt, and thousands of characters of names."""
    postgres.sql(AHEAD, migrated)
    refused = migrate(old_image)
    assert refused.ends(1).endswith(
        "the database has 1 migrations that infisical:v1 does not know (20990101000000_x), and its server does not "
        "start on a newer database. Set infisical.image to the release that ran last, or a later one, or restore the "
        "dump from before the upgrade"
    )
    assert "corrupt" not in refused.output


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (f"{AHEAD}; {BEHIND}", f" and lacks 1 of its own ({NEWEST})"),
        (AHEAD.replace("2099", "2024"), ""),  # of another line of releases: older than what this image has
    ],
)
def test_a_history_that_is_no_line_is_refused(
    migrate: Migrate, postgres: Postgres, migrated: str, change: str, lacks: str
) -> None:
    postgres.sql(change, migrated)
    last = migrate().ends(1)
    assert f"does not know (20{'99' if lacks else '24'}0101000000_x){lacks}: neither can follow the other" in last


def test_names_are_the_same_whatever_language_the_image_was_built_from(
    migrate: Migrate, postgres: Postgres, migrated: str
) -> None:
    """Images until 2025 recorded NAME.ts."""
    postgres.sql("update infisical_migrations set name = replace(name, '.mjs', '.ts')", migrated)
    assert migrate().ends(0).endswith("has all of its 6 migrations")


# --- the lock of a killed migration ----------------------------------------------------------------------------------


def test_the_lock_of_a_killed_migration_is_freed(migrate: Migrate, postgres: Postgres, migrated: str) -> None:
    postgres.sql(f"{BEHIND}; {LOCKED}", migrated)
    healed = migrate()
    assert healed.ends(0).endswith("has all of its 6 migrations")
    assert "nobody is seen at it: watching 2 s" in healed.output
    assert "freed the lock of a migration that was killed: for 2 s nobody was migrating" in healed.output
    assert not is_locked(postgres, migrated)


SIGNS = {
    "a command by hand": "set application_name = 'infisical-core-migrator'",
    "a server at its first boot, until November 2025": "select pg_advisory_xact_lock(2023)",
    "somebody who changes tables": "lock table secrets in access exclusive mode",
}


@pytest.mark.parametrize("statement", SIGNS.values(), ids=SIGNS)
def test_the_lock_stays_while_somebody_may_be_migrating(
    migrate: Migrate, postgres: Postgres, migrated: str, statement: str
) -> None:
    postgres.sql(LOCKED, migrated)
    with postgres.holding(f"set role infisical_user; {statement}", migrated):
        waiting = migrate(quiet=0.5)
        waiting.sees("somebody may be at it: ")
        with pytest.raises(TimeoutError):
            wait_for("the end", waiting.process.poll, limit=2.5)
        assert is_locked(postgres, migrated)
    waiting.ends(0)
    assert not is_locked(postgres, migrated)


def test_the_lock_stays_while_a_server_migrates_at_its_boot(
    migrate: Migrate, postgres: Postgres, migrated: str
) -> None:
    postgres.sql(
        f"{LOCKED}; create table infisical_migrations_startup_lock (is_locked int, node text, "
        "heartbeat_updated_at timestamptz);"
        "insert into infisical_migrations_startup_lock values (1, 'pod-1', now() + interval '1 hour');"
        "grant select on infisical_migrations_startup_lock to infisical_user",
        migrated,
    )
    waiting = migrate(quiet=0.5)
    waiting.sees("server pod-1 migrates at its boot")
    assert is_locked(postgres, migrated)
    postgres.sql(
        "update infisical_migrations_startup_lock set heartbeat_updated_at = now() - interval '16 s'", migrated
    )
    waiting.ends(0)


def test_a_second_run_waits_for_the_first(migrate: Migrate, postgres: Postgres, migrated: str) -> None:
    with postgres.holding("select pg_advisory_lock(hashtext('infisical-migration'))", migrated):
        second = migrate()
        second.sees("another migration Job is at work")
    second.ends(0)


def test_a_lock_that_nobody_gives_back_ends_with_who_has_it(
    migrate: Migrate, postgres: Postgres, migrated: str
) -> None:
    postgres.sql(LOCKED, migrated)
    with postgres.holding("set application_name = 'infisical-core-migrator'", migrated):
        last = migrate(deadline=3).ends(1)
    assert "the database is locked for a migration, and somebody may be at it: session " in last
    assert is_locked(postgres, migrated)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_last_line_names_the_cause_of_a_failure_and_no_secret(
    migrate: Migrate, postgres: Postgres, database: str
) -> None:
    failed = migrate(ENCRYPTION_KEY="31characters-31characters-31cha")
    assert "Invalid key length" in failed.ends(1)
    for secret in ("31characters", PASSWORD):
        assert secret not in failed.output


def test_a_wrong_password_is_refused_and_not_shown(migrate: Migrate, environment: Environment) -> None:
    uri = environment["DB_CONNECTION_URI"].replace("infisical_user:", "infisical_user:wrong-value")
    failed = migrate(DB_CONNECTION_URI=uri)
    assert "password authentication failed" in failed.ends(1)
    assert "wrong-value" not in failed.output


def test_a_database_that_is_refused_to_a_new_pod_is_asked_again(
    migrate: Migrate, postgres: Postgres, migrated: str, environment: Environment
) -> None:
    """As kube-router does, until it has heard of the pod."""
    ours = urlsplit(environment["DB_CONNECTION_URI"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    early = migrate(DB_CONNECTION_URI=ours._replace(netloc=f"{ours.netloc.rpartition(':')[0]}:{port}").geturl())
    early.sees("the database is not reached: connect ECONNREFUSED")
    with relay(port, (ours.hostname or "", ours.port or 0)):
        assert early.ends(0).endswith("has all of its 6 migrations")


def test_an_image_of_something_else_is_named(migrate: Migrate, tmp_path: Path) -> None:
    """In a sentence, not with the trace of a stack."""
    assert "infisical:v1 has no dist/db/migrations and no src/db/migrations in " in migrate(tmp_path).ends(1)
    (tmp_path / "src/db/migrations").mkdir(parents=True)
    assert "infisical:v1 has no PostgreSQL driver in " in migrate(tmp_path).ends(1)


def test_it_ends_at_its_deadline_and_the_next_run_goes_on(migrate: Migrate, postgres: Postgres, migrated: str) -> None:
    """The lock is left where a pending migration does without a transaction; otherwise it is rolled back too."""
    index = "delete from infisical_migrations where name like '20250101%'; drop index secrets_updated_at_index"
    postgres.sql(f"{BEHIND}; {index}", migrated)
    with postgres.holding("lock table secrets in share row exclusive mode", migrated):
        late = migrate(deadline=20)
        wait_for("the lock", lambda: is_locked(postgres, migrated))
        assert "not done within infisical.migration.deadlineMinutes" in late.ends(1)
    assert is_locked(postgres, migrated)
    assert migrate().ends(0).endswith("has all of its 6 migrations")


def test_it_ends_with_its_pod(migrate: Migrate, postgres: Postgres, migrated: str) -> None:
    postgres.sql(LOCKED, migrated)
    with postgres.holding("set application_name = 'infisical-core-migrator'", migrated):
        waiting = migrate()
        waiting.sees("somebody may be at it")
        waiting.process.terminate()
        assert "stopped by SIGTERM" in waiting.ends(1)
