"""The Infisical stand-in keeps Infisical's contract: right values work, each wrong value fails as upstream's does.

Sources: backend/src/lib/config/env.ts, backend/src/db/instance.ts, backend/src/db/knexfile.ts and
backend/src/auto-start-migrations.ts of Infisical/infisical.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.standins.authority import Authority
from tests.standins.conftest import Npm, Start
from tests.standins.engines import PASSWORD, Postgres, Redis, wait_for
from tests.standins.infisical import IMAGE, Environment

MIGRATIONS = [
    "20240101000000_initial.mjs",
    "20250101000000_secrets-updated-at-index.mjs",
    "20250601000000_kms-root-key.mjs",
    "20250610000000_kms-root-key-rotation.mjs",
    "20250901000000_organization.mjs",
    "20250902000000_projects.mjs",
]
ALL = len(MIGRATIONS)
UNSET = None
Change = dict[str, str | None]


def changed(environment: Environment, change: Change) -> Environment:
    merged = {**environment, **change}
    return {name: value for name, value in merged.items() if value is not UNSET}


# What ends the process before it connects to anything. A tidy message ends with 255, an uncaught exception with 1.
TIDY = 255
UNCAUGHT = 1
CRASHES: list[tuple[str, Change, int, str]] = [
    ("auth secret missing", {"AUTH_SECRET": UNSET}, TIDY, "AUTH_SECRET"),
    ("an empty auth secret has no fallback", {"AUTH_SECRET": "", "JWT_AUTH_SECRET": "x"}, TIDY, "AUTH_SECRET"),
    ("empty database address", {"DB_CONNECTION_URI": ""}, TIDY, "DB_CONNECTION_URI"),
    ("no Redis", {"REDIS_SENTINEL_HOSTS": UNSET}, TIDY, "Either REDIS_URL, REDIS_SENTINEL_HOSTS or"),
    ("an empty Redis is none", {"REDIS_SENTINEL_HOSTS": " "}, TIDY, "Either REDIS_URL, REDIS_SENTINEL_HOSTS or"),
    ("enum, empty", {"OTEL_EXPORT_TYPE": ""}, TIDY, "OTEL_EXPORT_TYPE"),
    ("enum, unknown", {"OTEL_EXPORT_TYPE": "grafana"}, TIDY, "Expected 'prometheus' | 'otlp'"),
    ("site address, empty", {"SITE_URL": ""}, TIDY, "SITE_URL"),
    ("strict boolean", {"STANDALONE_MODE": "yes"}, TIDY, "STANDALONE_MODE"),
    ("strict boolean, case", {"DISABLE_SECRET_SCANNING": "True"}, TIDY, "DISABLE_SECRET_SCANNING"),
    ("service-link variable", {"SMTP_PORT": "tcp://10.96.3.4:587"}, TIDY, "SMTP_PORT"),
    ("short cookie key", {"COOKIE_SECRET_SIGN_KEY": "short"}, TIDY, "at least 32 character"),
    ("origins as a comma list", {"CORS_ALLOWED_ORIGINS": "https://a.b,https://c.d"}, UNCAUGHT, "SyntaxError: CORS_"),
    ("a broken schema is told before broken JSON", {"CORS_ALLOWED_ORIGINS": "a,b", "SITE_URL": ""}, TIDY, "SITE_URL"),
    ("replicas not JSON", {"DB_READ_REPLICAS": f"[{PASSWORD}]"}, UNCAUGHT, "SyntaxError: DB_READ_REPLICAS"),
    ("replicas an object", {"DB_READ_REPLICAS": '{"DB_CONNECTION_URI": "x"}'}, UNCAUGHT, "ZodError"),
    ("replicas in the wrong case", {"DB_READ_REPLICAS": '[{"db_connection_uri": "x"}]'}, UNCAUGHT, "ZodError"),
    (
        "Sentinel without port",
        {"REDIS_SENTINEL_HOSTS": "sentinel-0,sentinel-1:26379"},
        UNCAUGHT,
        "TypeError: Cannot read",
    ),
    ("no database", {"DB_CONNECTION_URI": UNSET}, UNCAUGHT, "ERR_INVALID_URL"),
    ("password not encoded", {"DB_CONNECTION_URI": "postgresql://u:raw/value@h/db"}, UNCAUGHT, "ERR_INVALID_URL"),
]


@pytest.mark.parametrize(("change", "code", "message"), [c[1:] for c in CRASHES], ids=[c[0] for c in CRASHES])
def test_wrong_environment_ends_the_process(start: Start, change: Change, code: int, message: str) -> None:
    right = {
        "AUTH_SECRET": "auth-secret-value",
        "ENCRYPTION_KEY": "f13dbc92aaaf86fa7cb0ed8ac3265f47",
        "DB_CONNECTION_URI": "postgresql://u:p@localhost:1/db",
        "DB_ROOT_CERT": "bm90IHJlYWQgaGVyZQ==",
        "REDIS_SENTINEL_HOSTS": "localhost:26379",
    }
    server = start(changed(right, change))
    assert server.exit_code() == code
    assert message in server.output()
    assert ("Invalid environment variables" in server.output()) == (code == TIDY)
    for value in (PASSWORD, "auth-secret-value", "raw/value"):
        assert value not in server.output()


@pytest.mark.parametrize("key", ["a" * 31, "a" * 44, "a" * 64], ids=len)
def test_encryption_key_which_is_not_32_bytes_ends_the_first_boot_in_a_migration(
    start: Start, postgres: Postgres, environment: Environment, database: str, key: str
) -> None:
    server = start(environment | {"ENCRYPTION_KEY": key})
    assert server.exit_code() == 1
    assert "RangeError" in server.output()
    assert "Invalid key length" in server.output()
    assert "Boot up migration failed" in server.output()
    assert key not in server.output()
    # The lock is free again, and a right key goes on from where it failed.
    assert postgres.sql("select count(*) from infisical_migrations", database) == "2"
    assert start(environment).detail()["migrations"] == {"applied": ALL, "latest": MIGRATIONS[-1]}


def test_no_encryption_key_at_all_ends_the_first_boot(start: Start, environment: Environment) -> None:
    server = start(changed(environment, {"ENCRYPTION_KEY": UNSET}))
    assert server.exit_code() == 1
    assert "Missing both encryption keys" in server.output()


def test_root_encryption_key_is_32_bytes_of_base64(start: Start, environment: Environment) -> None:
    root_key = {"ENCRYPTION_KEY": UNSET, "ROOT_ENCRYPTION_KEY": "2zIuYeU0gL5PnTT9LYqZ0m0kp5XrlRuyS2sP5nKTlq0="}
    assert start(changed(environment, root_key)).detail()["database"]["verified"]


def test_empty_values_count_as_unset(start: Start, shared_environment: Environment) -> None:
    lenient = {
        "AUTH_SECRET": UNSET,
        "JWT_AUTH_SECRET": "old",
        "CORS_ALLOWED_ORIGINS": "",
        "DB_READ_REPLICAS": " ",
        "REDIS_URL": "",
        "ROOT_ENCRYPTION_KEY": "",
        "SMTP_HOST": "",
        "REDIS_SENTINEL_ENABLE_TLS": "true",
    }
    server = start(changed(shared_environment, lenient))
    assert server.detail()["redis"]["mode"] == "sentinel"
    answer = server.status()
    assert answer
    assert answer.body["message"] == "Ok"
    assert answer.body["emailConfigured"] is False


VERIFIED = {"encrypted": True, "verified": True}
UNVERIFIED = {"encrypted": True, "verified": False}
UNTRUSTED = "unable to verify the first certificate"
NO_TLS = "no encryption"

# sslmode in the address, authority in DB_ROOT_CERT, outcome.
SERVER_TLS: list[tuple[str | None, str | None, dict[str, bool] | str]] = [
    (None, "right", VERIFIED),
    ("require", "right", UNVERIFIED),
    ("verify-ca", "right", VERIFIED),
    ("verify-full", "right", VERIFIED),
    ("no-verify", "right", UNVERIFIED),
    ("disable", "right", NO_TLS),
    (None, "other", UNTRUSTED),
    ("require", "other", UNVERIFIED),
    (None, None, NO_TLS),
    ("require", None, UNTRUSTED),
    ("no-verify", None, UNVERIFIED),
]
COMMAND_TLS: list[tuple[str | None, str | None, str | None]] = [
    (None, "right", None),
    ("require", "right", UNTRUSTED),
    ("verify-full", "right", UNTRUSTED),
    ("no-verify", "right", None),
    ("disable", "right", NO_TLS),
    (None, "other", UNTRUSTED),
]


@pytest.fixture
def tls_environment(
    postgres: Postgres,
    authority: Authority,
    shared_database: str,
    shared_environment: Environment,
    sslmode: str | None,
    trust: str | None,
) -> Environment:
    root_cert = {None: UNSET, "right": authority.root_cert, "other": Authority("other-ca").root_cert}[trust]
    uri = postgres.uri(shared_database, sslmode)
    return changed(shared_environment, {"DB_CONNECTION_URI": uri, "DB_ROOT_CERT": root_cert})


@pytest.mark.parametrize(("sslmode", "trust", "expected"), SERVER_TLS)
def test_server_verifies_postgresql_exactly_where_upstream_does(
    start: Start, tls_environment: Environment, expected: dict[str, bool] | str
) -> None:
    server = start(tls_environment)
    if isinstance(expected, str):
        assert server.exit_code() == 1
        assert expected in server.output()
    else:
        assert expected.items() <= server.detail()["database"].items()
    assert PASSWORD not in server.output()


@pytest.mark.parametrize(("sslmode", "trust", "refusal"), COMMAND_TLS)
def test_migration_command_lets_sslmode_replace_the_root_certificate(
    npm: Npm, tls_environment: Environment, refusal: str | None
) -> None:
    run = npm("migration:latest", tls_environment)
    if refusal:
        assert run.returncode == 1
        assert refusal in run.stderr
    else:
        assert (run.returncode, run.stderr) == (0, "")
        assert "Already up to date" in run.stdout
    assert PASSWORD not in run.stdout + run.stderr


@pytest.fixture
def certificate_for_another_host(postgres: Postgres, authority: Authority) -> Iterator[None]:
    with postgres.presenting("platform-db-cluster", authority):
        yield


@pytest.mark.usefixtures("certificate_for_another_host")
@pytest.mark.parametrize("sslmode", ["", "?sslmode=verify-ca", "?sslmode=verify-full"])
def test_certificate_for_another_host_is_refused(start: Start, shared_environment: Environment, sslmode: str) -> None:
    uri = shared_environment["DB_CONNECTION_URI"] + sslmode
    server = start(shared_environment | {"DB_CONNECTION_URI": uri})
    assert server.exit_code() == 1
    assert "ERR_TLS_CERT_ALTNAME_INVALID" in server.output()


def test_root_certificate_which_is_not_base64_is_ignored_silently(
    start: Start, shared_environment: Environment, authority: Authority
) -> None:
    server = start(shared_environment | {"DB_ROOT_CERT": authority.pem.decode()})
    assert server.exit_code() == 1
    assert UNTRUSTED in server.output()


def test_wrong_database_password_is_refused_and_not_shown(start: Start, shared_environment: Environment) -> None:
    uri = shared_environment["DB_CONNECTION_URI"].replace("infisical_user:", "infisical_user:wrong")
    server = start(shared_environment | {"DB_CONNECTION_URI": uri})
    assert server.exit_code() == 1
    assert "password authentication failed" in server.output()
    assert "wrong" not in server.output()


def test_status_shows_the_live_connections(
    start: Start, postgres: Postgres, redis: Redis, shared_environment: Environment, authority: Authority
) -> None:
    replica = {"DB_CONNECTION_URI": shared_environment["DB_CONNECTION_URI"]}
    bare = {**replica, "DB_CONNECTION_URI": replica["DB_CONNECTION_URI"] + "?sslmode=no-verify"}
    detail = start(shared_environment | {"DB_READ_REPLICAS": json.dumps([replica, bare])}).detail()
    shown = detail["database"]
    assert shown["host"] == "localhost"
    assert shown["backend"] == f"127.0.0.1:{postgres.port}"
    assert shown["user"] == "infisical_user"
    assert shown["readOnly"] is False
    assert [each["verified"] for each in shown["replicas"]] == [True, False]
    # The certificate and the back end are the ones PostgreSQL itself knows of.
    assert postgres.sql(f"select ssl from pg_stat_ssl where pid = {shown['pid']}") == "t"
    assert re.fullmatch(r"[0-9A-F]+", shown["certificate"]["serial"])
    assert detail["redis"] == {
        "mode": "sentinel",
        "master": f"127.0.0.1:{redis.port}",
        "role": "master",
        "evictionPolicy": "noeviction",
    }
    assert detail["version"]


def test_migrations_of_the_command_are_found_by_the_server(start: Start, npm: Npm, environment: Environment) -> None:
    assert f"Batch 1 run: {ALL} migrations" in npm("migration:latest", environment).stdout
    assert "Already up to date" in npm("migration:latest", environment).stdout
    server = start(environment)
    assert server.detail()["migrations"] == {"applied": ALL, "latest": MIGRATIONS[-1]}
    assert "No migrations pending" in server.output()


def test_lock_of_a_killed_migrator_has_to_be_freed(
    npm: Npm, postgres: Postgres, environment: Environment, database: str
) -> None:
    npm("migration:latest", environment)
    postgres.sql("update infisical_migrations_lock set is_locked = 1; delete from infisical_migrations where id = 3;"
                 "drop table kms_root_config", database)  # fmt: skip
    locked = npm("migration:latest", environment)
    assert locked.returncode == 1
    assert "Migration table is already locked" in locked.stderr
    assert npm("migration:unlock", environment).returncode == 0
    assert "Batch 2 run: 1 migrations" in npm("migration:latest", environment).stdout


def test_migration_outside_a_transaction_builds_its_index(
    start: Start, postgres: Postgres, environment: Environment, database: str
) -> None:
    start(environment).detail()
    valid = "select indisvalid from pg_index where indexrelid = 'secrets_updated_at_index'::regclass"
    assert postgres.sql(valid, database) == "t"


def test_database_ahead_of_the_code_only_warns(
    start: Start, npm: Npm, postgres: Postgres, environment: Environment, database: str
) -> None:
    npm("migration:latest", environment)
    newer = "insert into infisical_migrations (name, batch, migration_time) values ('20990101000000_x.mjs', 2, now())"
    postgres.sql(newer, database)
    ahead = start(environment)
    assert ahead.detail()["migrations"] == {"applied": ALL + 1, "latest": "20990101000000_x.mjs"}
    assert "Database has migrations newer than this image" in ahead.output()

    postgres.sql(f"delete from infisical_migrations where name = '{MIGRATIONS[0]}'", database)
    mixed = start(environment)
    assert mixed.exit_code() == 1
    assert "Invalid migration history detected" in mixed.output()


def test_two_servers_at_once_migrate_once(
    start: Start, postgres: Postgres, environment: Environment, database: str
) -> None:
    waiting = f"select count(*) from pg_stat_activity where wait_event = 'advisory' and datname = '{database}'"
    with postgres.holding("select pg_advisory_xact_lock(2023)", database):
        servers = [start(environment), start(environment)]
        wait_for("both servers at the first lock", lambda: postgres.sql(waiting) == "2")
    assert [server.detail()["migrations"]["applied"] for server in servers] == [ALL, ALL]
    names = postgres.sql("select name from infisical_migrations order by id", database).splitlines()
    assert names == MIGRATIONS
    for line in ("Finished application migrations", "Applied by previous instance"):
        assert sum(line in server.output() for server in servers) == 1
    assert postgres.sql("select is_locked from infisical_migrations_startup_lock", database) == "0"


def _hold_startup_lock(postgres: Postgres, database: str, age: int) -> None:
    """A pending migration, and a startup lock whose holder last said something `age` seconds ago."""
    postgres.sql(
        "drop index secrets_updated_at_index; drop table kms_root_config;"
        "delete from infisical_migrations where id in (2, 3);"
        "update infisical_migrations_startup_lock set is_locked = 1, node = 'other', session_id = 'other',"
        f" heartbeat_updated_at = now() - interval '{age} s'",
        database,
    )


def test_startup_lock_is_waited_for_while_its_holder_lives(
    start: Start, postgres: Postgres, environment: Environment, database: str
) -> None:
    first = start(environment)
    first.detail()
    first.close()
    _hold_startup_lock(postgres, database, age=0)
    waiting = start(environment)
    waits = "select count(*) from pg_stat_activity where application_name = 'infisical-core' and datname = "
    wait_for("a connection", lambda: postgres.sql(f"{waits} '{database}'") != "0")
    with pytest.raises(TimeoutError):
        wait_for("listening", waiting.status, limit=1.5)
    waiting.terminate()
    assert waiting.exit_code() == 0

    released = start(environment)
    postgres.sql("update infisical_migrations_startup_lock set is_locked = 0", database)
    assert released.detail()["migrations"]["applied"] == ALL


def test_startup_lock_is_kept_alive_while_a_migration_is_slow(
    start: Start, postgres: Postgres, environment: Environment, database: str
) -> None:
    first = start(environment)
    first.detail()
    first.close()
    _hold_startup_lock(postgres, database, age=16)
    beat = "select is_locked, heartbeat_updated_at from infisical_migrations_startup_lock where node <> 'other'"
    with postgres.holding("lock table secrets in share row exclusive mode", database):
        slow = start(environment)
        taken = wait_for("the lock", lambda: postgres.sql(beat, database))
        wait_for("a heartbeat", lambda: postgres.sql(beat, database) != taken)
    assert slow.detail()["migrations"]["applied"] == ALL


def test_startup_lock_of_a_dead_holder_is_taken_over(
    start: Start, postgres: Postgres, environment: Environment, database: str
) -> None:
    first = start(environment)
    first.detail()
    first.close()
    _hold_startup_lock(postgres, database, age=16)
    assert start(environment).detail()["migrations"]["applied"] == ALL


def test_secret_is_written_sealed_read_by_another_server_and_deleted(
    start: Start, postgres: Postgres, redis: Redis, environment: Environment, database: str
) -> None:
    writer, reader = start(environment), start(environment)
    writer.detail()
    reader.detail()
    path, token = "/api/v3/secrets/raw/DATABASE_PASSWORD", writer.token()
    assert writer.request("GET", path, token=token).status == 404
    assert writer.request("PUT", path, {"value": "s3cret-väl"}, token).status == 200
    for _ in ("from PostgreSQL", "from the cache"):
        answer = reader.request("GET", path, token=token)
        assert answer.body == {"name": "DATABASE_PASSWORD", "value": "s3cret-väl"}
    assert redis.cli("exists", "secret:DATABASE_PASSWORD") == "1"
    assert "s3cret" not in redis.cli("get", "secret:DATABASE_PASSWORD")
    assert "s3cret" not in postgres.sql("select encode(sealed, 'escape') from secrets", database)

    assert writer.request("PUT", path, {"value": "changed"}, token).status == 200
    assert reader.request("GET", path, token=token).body["value"] == "changed"
    assert reader.request("DELETE", path, token=token).status == 200
    assert writer.request("GET", path, token=token).status == 404
    assert "s3cret" not in writer.output() + reader.output()


@pytest.mark.parametrize("token", [None, "wrong", "0" * 64])
def test_secrets_need_the_token(start: Start, shared_environment: Environment, token: str | None) -> None:
    server = start(shared_environment)
    server.detail()
    assert server.request("GET", "/api/v3/secrets/raw/X", token=token).status == 401
    assert server.request("PUT", "/api/v3/secrets/raw/X", {"value": "v"}, token).status == 401


def test_bodies_which_are_not_understood_are_refused(start: Start, shared_environment: Environment) -> None:
    server = start(shared_environment)
    server.detail()
    assert server.request("PUT", "/api/v3/secrets/raw/X", {"valeu": "v"}, server.token()).status == 422
    assert server.request("PUT", "/api/v3/secrets/raw/X", None, server.token()).status == 400
    assert server.request("POST", "/api/v1/admin/bootstrap", {"email": "a@b.c"}).status == 422
    assert server.request("GET", "/api/unknown").status == 404


def test_bootstrap_works_once(start: Start, environment: Environment) -> None:
    server = start(environment)
    server.detail()
    admin = {"email": "admin@example.org", "password": "admin-password", "organization": "Dog"}
    assert server.request("GET", "/api/v1/admin/config").body["config"]["initialized"] is False
    first = server.request("POST", "/api/v1/admin/bootstrap", admin)
    assert first.status == 200
    token = first.body["identity"]["credentials"]["token"]
    details = server.request("GET", "/api/v1/identities/details", token=token).body["identityDetails"]
    assert details["organization"]["id"] == first.body["organization"]["id"]
    assert re.fullmatch(r"dog-[0-9a-f]{4}", first.body["organization"]["slug"])
    again = server.request("POST", "/api/v1/admin/bootstrap", admin)
    assert (again.status, again.body["message"]) == (400, "Instance has already been set up")
    assert server.request("GET", "/api/v1/admin/config").body["config"]["initialized"] is True
    assert "admin-password" not in server.output()


def test_sigterm_ends_the_server_cleanly(start: Start, shared_environment: Environment) -> None:
    server = start(shared_environment)
    server.detail()
    asked = time.monotonic()
    server.terminate()
    assert server.exit_code() == 0
    assert time.monotonic() - asked < 3
    assert "Stopped" in server.output()


def test_image_settings_are_upstreams() -> None:
    upstream = {
        "PORT": "8080",
        "HOST": "0.0.0.0",
        "HTTPS_ENABLED": "false",
        "STANDALONE_MODE": "true",
        "TELEMETRY_ENABLED": "true",
    }
    assert upstream.items() <= IMAGE["env"].items()
    assert IMAGE["ports"] == ["8080/tcp"]
    assert (IMAGE["user"], IMAGE["workdir"]) == ("1001:1001", "/backend")
