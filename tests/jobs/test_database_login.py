"""Logging in as the application will, through a real PostgreSQL and a real PgBouncer."""

import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_engines import DATABASE, PASSWORD, USER, PgBouncer, Postgres
from job_pki import Pair, authority

PRIMARY, POOLER = "127.0.0.1", "127.0.0.2"
Login = Callable[..., Any]


@pytest.fixture(scope="module")
def pooler(servers_folder: Path, postgres: Postgres, ca: Pair) -> Iterator[PgBouncer]:
    postgres.present(ca.issue(PRIMARY))
    server = PgBouncer(servers_folder / "login-pooler", POOLER, postgres.port, postgres, ca.issue(POOLER))
    yield server
    server.stop()


@pytest.fixture
def login(postgres: Postgres, pooler: PgBouncer, ca: Pair, start_job: Any, tmp_path: Path) -> Login:
    """Starts the script against both, with what is given changed."""
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text(ca.pem)
    variables = {
        "HOSTS": f"{POOLER} {PRIMARY}",
        "PGPORT": str(postgres.port),
        "PGUSER": USER,
        "PGDATABASE": DATABASE,
        "PGPASSWORD": PASSWORD,
        "CA_FILES": f"{ca_file} {tmp_path}/absent.crt",
        "TMPDIR": str(tmp_path),
        "DEADLINE_SECONDS": "0",
        "MAJOR_VERSION": str(postgres.major_version),
        "UPGRADE_SECONDS": "60",
    }
    return lambda **changed: start_job("database_login.sh", **(variables | changed))


def test_both_hosts(login: Login) -> None:
    outcome = login().outcome()
    assert outcome.status == 0
    assert outcome.output == (
        f"database gate: ready: {USER} logs in to {DATABASE} through {POOLER} {PRIMARY}, "
        "certificate and host name verified, writable\n"
    )


def test_a_warning_of_the_server_is_no_answer(login: Login, postgres: Postgres) -> None:
    """As after an upgrade of Spilo's image, which brings another C library."""
    postgres.sql(f"update pg_database set datcollversion = 'old' where datname = '{DATABASE}'")
    outcome = login().outcome()
    postgres.sql(f"update pg_database set datcollversion = null where datname = '{DATABASE}'")
    assert outcome.status == 0
    assert outcome.last_line.startswith("database gate: ready: ")


def test_wrong_password(login: Login) -> None:
    outcome = login(PGPASSWORD="not-the-password").outcome()
    assert outcome.status == 1
    assert outcome.last_line.startswith("database gate: FAILED after ")
    assert f'{PRIMARY}: psql: error: connection to server at "{PRIMARY}"' in outcome.last_line
    assert f'password authentication failed for user "{USER}"' in outcome.last_line
    assert f"{POOLER}: " in outcome.last_line
    assert "not-the-password" not in outcome.output


def test_untrusted_authority(login: Login, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.crt"
    foreign.write_text(authority("another-ca").pem)
    outcome = login(CA_FILES=str(foreign)).outcome()
    assert outcome.status == 1
    assert outcome.last_line.count("certificate verify failed") == 2


@pytest.mark.parametrize("order", [1, -1])
def test_rotated_authority(login: Login, ca: Pair, tmp_path: Path, order: int) -> None:
    """The authority's Secret holds the new one, and the leaf's still the old one, of which the leaf is."""
    rotated, old = tmp_path / "rotated.crt", tmp_path / "old.crt"
    rotated.write_text(authority().pem.rstrip("\n"))  # of the same name; without it the two would run together
    old.write_text(ca.pem)
    assert login(CA_FILES=str(rotated)).outcome().status == 1
    assert login(CA_FILES=" ".join(map(str, [rotated, old][::order]))).outcome().status == 0


def test_authority_appears_late(login: Login, ca: Pair, tmp_path: Path) -> None:
    """The kubelet brings a mounted Secret up to date while the gate waits."""
    mounted = tmp_path / "mounted.crt"
    gate = login(CA_FILES=str(mounted), DEADLINE_SECONDS="60")
    gate.sees("root certificate file")
    mounted.write_text(ca.pem)
    assert gate.outcome().status == 0


def test_wrong_host_name(login: Login) -> None:
    outcome = login(HOSTS=f"{PRIMARY} localhost").outcome()
    assert outcome.status == 1
    assert "localhost: psql: error" in outcome.last_line
    assert 'does not match host name "localhost"' in outcome.last_line
    assert f"{PRIMARY}: psql" not in outcome.last_line  # it has answered, and is not the cause


def test_role_appears_late(login: Login, postgres: Postgres) -> None:
    gate = login(PGUSER="late_user", DEADLINE_SECONDS="60", HOSTS=PRIMARY)
    gate.sees('password authentication failed for user "late_user"')
    postgres.sql(f"create role late_user login password '{PASSWORD}'")
    outcome = gate.outcome()
    assert outcome.status == 0
    assert "ready: late_user logs in" in outcome.last_line


def test_read_only_database(login: Login, postgres: Postgres) -> None:
    postgres.sql(f"alter role {USER} set default_transaction_read_only = on")
    try:
        outcome = login(HOSTS=PRIMARY).outcome()
    finally:
        postgres.sql(f"alter role {USER} reset default_transaction_read_only")
    assert outcome.status == 1
    assert f"{PRIMARY}: read-only" in outcome.last_line
    assert "got 1|f|on" in outcome.last_line


def test_missing_database(login: Login) -> None:
    outcome = login(PGDATABASE="elsewhere", HOSTS=PRIMARY).outcome()
    assert outcome.status == 1
    assert 'database "elsewhere" does not exist' in outcome.last_line


def test_an_upgrade_that_has_not_taken_place(login: Login, postgres: Postgres) -> None:
    """The operator reports Running all the same."""
    wanted = postgres.major_version + 2
    outcome = login(MAJOR_VERSION=str(wanted), UPGRADE_SECONDS="2", DEADLINE_SECONDS="60").outcome()
    assert outcome.status == 1
    seen = f"runs PostgreSQL {postgres.major_version}, and {wanted} is asked for"
    assert f"{POOLER}: {seen}; {PRIMARY}: {seen}: the operator has not upgraded it. " in outcome.last_line
    assert "major_version_upgrade_mode may be off" in outcome.last_line
    assert re.match(r"database gate: \d+ s: ", outcome.output), "it waits first: the operator may be at it"


def test_a_higher_version_than_asked_for(login: Login, postgres: Postgres) -> None:
    outcome = login(MAJOR_VERSION="9", HOSTS=PRIMARY).outcome()
    assert outcome.status == 1
    assert f"no upgrade can be taken back: set database.version to {postgres.major_version}" in outcome.last_line


def test_server_without_tls(login: Login, postgres: Postgres, servers_folder: Path) -> None:
    pooler = PgBouncer(servers_folder / "plain", "127.0.0.3", postgres.port, postgres, None)
    try:
        outcome = login(HOSTS="127.0.0.3").outcome()
    finally:
        pooler.stop()
    assert outcome.status == 1
    assert "server does not support SSL, but SSL was required" in outcome.last_line


def test_silent_server_is_bounded(login: Login, postgres: Postgres) -> None:
    with socket.create_server(("127.0.0.4", postgres.port)):
        outcome = login(HOSTS="127.0.0.4").outcome()
    assert outcome.status == 1
    assert "127.0.0.4: " in outcome.last_line
    assert "timeout expired" in outcome.last_line


def test_pooler_without_a_server_is_bounded(login: Login, pooler: PgBouncer) -> None:
    pooler.process.send_signal(signal.SIGUSR1)  # PAUSE: queries wait
    try:
        outcome = login(HOSTS=POOLER).outcome()
    finally:
        pooler.process.send_signal(signal.SIGUSR2)  # RESUME
    assert outcome.status == 1
    assert outcome.last_line.endswith(f"{POOLER}: logged in, but no answer within 5 s")


def test_changes_are_printed_once(login: Login) -> None:
    outcome = login(PGPASSWORD="not-the-password", DEADLINE_SECONDS="8").outcome()
    assert len(outcome.output.splitlines()) == 2
    assert f"{PRIMARY}: psql" in outcome.last_line
    assert f"{POOLER}: psql" in outcome.last_line


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"CA_FILES": ""}, "the environment variable CA_FILES is not set"),
        ({"PGPASSWORD": ""}, "the environment variable PGPASSWORD is not set"),
        ({"DEADLINE_SECONDS": "soon"}, "DEADLINE_SECONDS must be a whole number of seconds"),
        ({"UPGRADE_SECONDS": "1.5"}, "UPGRADE_SECONDS must be a whole number of seconds"),
        ({"MAJOR_VERSION": ""}, "the environment variable MAJOR_VERSION is not set"),
        ({"PATH": "/nowhere"}, "the image has no psql"),
    ],
)
def test_misconfigured(login: Login, changed: dict[str, str], complaint: str) -> None:
    outcome = login(**changed, **({} if "DEADLINE_SECONDS" in changed else {"DEADLINE_SECONDS": "60"})).outcome()
    assert outcome.status == 2
    assert outcome.output == f"database gate: misconfigured: {complaint}\n"
