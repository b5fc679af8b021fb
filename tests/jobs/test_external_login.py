"""Logging in to a PostgreSQL that somebody else runs, as a managed one may be set up wrongly."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_engines import PASSWORD, USER, Postgres, program
from job_pki import Pair, authority

Login = Callable[..., Any]


OWN = "outside"  # in UTF8, as managed ones are


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[str]:
    postgres.sql(f"create database {OWN} owner {USER} encoding 'UTF8' template template0")
    yield OWN
    postgres.sql(f"drop database {OWN} with (force)")


@pytest.fixture
def login(postgres: Postgres, database: str, ca: Pair, start_job: Any, tmp_path: Path) -> Login:
    postgres.present(ca.issue("127.0.0.1"))
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text(ca.pem)
    variables = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": USER,
        "PGDATABASE": database,
        "PGPASSWORD": PASSWORD,
        "PGSSLROOTCERT": str(ca_file),
        "DEADLINE_SECONDS": "0",
    }
    return lambda **changed: start_job("external_login.sh", **(variables | changed))


@pytest.fixture
def other_role(postgres: Postgres) -> Iterator[str]:
    """A role that may connect, and no more than that."""
    postgres.sql(f"create role guest login password '{PASSWORD}'")
    yield "guest"
    postgres.sql("drop role guest")


def test_a_database_of_its_own_is_ready(login: Login, postgres: Postgres) -> None:
    outcome = login().outcome()
    assert (outcome.status, outcome.last_line) == (
        0,
        f"database gate: ready: {USER} logs in to {OWN} on 127.0.0.1, PostgreSQL {postgres.major_version}, "
        "certificate and host name verified, writable",
    )


def test_a_warning_of_the_server_is_no_answer(login: Login, postgres: Postgres) -> None:
    """PostgreSQL warns at each log-in once its host has a newer C library than the one that sorted its indexes."""
    postgres.sql(f"update pg_database set datcollversion = 'old' where datname = '{OWN}'")
    outcome = login().outcome()
    postgres.sql(f"update pg_database set datcollversion = null where datname = '{OWN}'")
    assert outcome.status == 0
    assert f"PostgreSQL {postgres.major_version}, certificate" in outcome.last_line


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"PGPASSWORD": "not-the-password"}, f'password authentication failed for user "{USER}"'),
        ({"PGDATABASE": "postgres2"}, 'database "postgres2" does not exist'),
        ({"PGPORT": "1"}, "Connection refused"),
    ],
)
def test_a_wrong_login_is_named_and_never_shown(login: Login, changed: dict[str, str], cause: str) -> None:
    outcome = login(**changed).outcome()
    assert outcome.status == 1
    assert cause in outcome.last_line
    assert "not-the-password" not in outcome.output


def test_an_authority_of_somebody_else_is_refused(login: Login, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.crt"
    foreign.write_text(authority("another-ca").pem)
    outcome = login(PGSSLROOTCERT=str(foreign)).outcome()
    assert outcome.status == 1
    assert "certificate verify failed" in outcome.last_line


def test_a_name_that_is_not_the_certificates_is_refused(login: Login, postgres: Postgres, ca: Pair) -> None:
    postgres.present(ca.issue("db.example.org"))
    outcome = login().outcome()
    assert outcome.status == 1
    assert 'does not match host name "127.0.0.1"' in outcome.last_line


def test_a_role_that_may_not_migrate_is_told_what_to_grant(login: Login, postgres: Postgres, other_role: str) -> None:
    outcome = login(PGUSER=other_role).outcome()
    assert outcome.status == 1
    assert outcome.last_line.endswith(
        f'guest may not make tables: grant usage, create on schema public to "guest" in database {OWN}'
    )
    _in_database(postgres, "grant usage, create on schema public to guest")
    outcome = login(PGUSER=other_role).outcome()
    assert outcome.last_line.endswith(f'guest may not make schemas: grant create on database "{OWN}" to "guest"')
    postgres.sql(f"grant create on database {OWN} to guest")
    assert login(PGUSER=other_role).outcome().status == 0
    _in_database(postgres, "revoke all on schema public from guest")
    postgres.sql(f"revoke all on database {OWN} from guest")


def test_a_server_that_takes_no_writes_is_named(login: Login, postgres: Postgres) -> None:
    postgres.sql(f"alter role {USER} set default_transaction_read_only = on")
    try:
        outcome = login().outcome()
    finally:
        postgres.sql(f"alter role {USER} reset default_transaction_read_only")
    assert outcome.status == 1
    assert "read-only: 127.0.0.1 is a replica" in outcome.last_line


def test_a_database_in_another_encoding_is_refused(login: Login, postgres: Postgres) -> None:
    postgres.sql(f"create database latin owner {USER} encoding 'LATIN1' template template0")
    try:
        outcome = login(PGDATABASE="latin").outcome()
    finally:
        postgres.sql("drop database latin")
    assert outcome.last_line.endswith("database latin is in LATIN1, and must be in UTF8")


def test_data_that_was_moved_is_there(login: Login, postgres: Postgres) -> None:
    moved = "old.example.org:5432/infisical"
    outcome = login(MOVED_FROM=moved).outcome()
    assert outcome.status == 1
    assert f"database {OWN} has none of Infisical's tables" in outcome.last_line
    assert moved in outcome.last_line
    assert login().outcome().status == 0, "a database that begins may be empty"
    _in_database(postgres, f"create table infisical_migrations (); alter table infisical_migrations owner to {USER}")
    assert login(MOVED_FROM=moved).outcome().status == 0
    _in_database(postgres, "drop table infisical_migrations")


@pytest.mark.parametrize("name", ["PGPASSWORD", "PGSSLROOTCERT", "DEADLINE_SECONDS"])
def test_what_is_missing_is_named(login: Login, name: str) -> None:
    outcome = login(**{name: ""}).outcome()
    assert (outcome.status, outcome.last_line) == (
        2,
        f"database gate: misconfigured: the environment variable {name} is not set",
    )


def _in_database(postgres: Postgres, statement: str) -> None:
    command = [program("psql"), "-XAtq", "-h", str(postgres.folder), "-p", str(postgres.port), "-U", "postgres"]
    subprocess.run([*command, "-d", OWN, "-c", statement], check=True, capture_output=True)
