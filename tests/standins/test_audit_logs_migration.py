"""The migration Job's script where the audit log has a database of its own."""

from __future__ import annotations

import pytest

from tests.standins.engines import Postgres
from tests.standins.infisical import Environment
from tests.standins.migration import AHEAD, BEHIND, NEWEST, Migrate, names


@pytest.fixture
def audit_logs(postgres: Postgres, environment: Environment) -> tuple[str, Environment]:
    """An empty database for the audit log, and the variables that lead to it."""
    name = postgres.new_database()
    uri, authority = postgres.uri(name), environment["DB_ROOT_CERT"]
    return name, {"AUDIT_LOGS_DB_CONNECTION_URI": uri, "AUDIT_LOGS_DB_ROOT_CERT": authority}


def test_the_audit_logs_database_is_migrated_too(
    migrate: Migrate, postgres: Postgres, migrated: str, audit_logs: tuple[str, Environment]
) -> None:
    """The servers look at their own database alone, find it current, and make no table here."""
    name, variables = audit_logs
    last = migrate(**variables).ends(0)
    assert last == "infisical:v1: the database has all of its 6 migrations. " + (
        "infisical:v1: the audit log's database has all of its 6 migrations"
    )
    assert names(postgres, name) == names(postgres, migrated)


def test_a_database_that_is_ahead_keeps_no_other_from_its_migration(
    migrate: Migrate, postgres: Postgres, migrated: str, audit_logs: tuple[str, Environment]
) -> None:
    name, variables = audit_logs
    postgres.sql(AHEAD, migrated)
    last = migrate(**variables).ends(0)
    assert last.startswith("the database has 1 migrations that infisical:v1 does not know (20990101000000_x). ")
    assert last.endswith("infisical:v1: the audit log's database has all of its 6 migrations")
    assert names(postgres, name)[-1] == f"{NEWEST}.mjs"

    postgres.sql("delete from infisical_migrations where name = '20990101000000_x.mjs'", migrated)
    postgres.sql(BEHIND, migrated)
    postgres.sql(AHEAD, name)
    last = migrate(**variables).ends(0)
    assert last.startswith("infisical:v1: the database has all of its 6 migrations. the audit log's database has 1 ")
    assert names(postgres, migrated)[-1] == f"{NEWEST}.mjs"
