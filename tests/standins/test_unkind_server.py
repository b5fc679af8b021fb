"""The stand-in is as unkind as the real server: what it does when Redis, PostgreSQL or the relay of mail fail it."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.standins.conftest import Start
from tests.standins.engines import LIMIT, PASSWORD, Postgres, Redis, free_port, wait_for
from tests.standins.infisical import Environment
from tests.standins.test_infisical_server import UNSET, Change, changed

AT_ONCE, LATE = "Redis could not be used", "Plugin did not start in time"
REDIS_REFUSALS: list[tuple[str, Change, str, str]] = [
    ("wrong master name", {"REDIS_SENTINEL_MASTER_NAME": "mymaster"}, "All sentinels are unreachable", LATE),
    ("master name left out", {"REDIS_SENTINEL_MASTER_NAME": UNSET}, "All sentinels are unreachable", LATE),
    ("wrong Redis password", {"REDIS_PASSWORD": "wrong-value"}, "WRONGPASS", AT_ONCE),
    ("no Redis password", {"REDIS_PASSWORD": UNSET}, "NOAUTH", AT_ONCE),
    ("wrong Sentinel password", {"REDIS_SENTINEL_PASSWORD": "wrong-value"}, "WRONGPASS", LATE),
    ("REDIS_URL beats Sentinel", {"REDIS_URL": "redis://:wrong-value@127.0.0.1:1"}, "ECONNREFUSED", LATE),
    ("cluster beats Sentinel", {"REDIS_CLUSTER_HOSTS": "127.0.0.1:1"}, "slots cache", LATE),
]


@pytest.mark.parametrize(
    ("change", "cause", "end"), [r[1:] for r in REDIS_REFUSALS], ids=[r[0] for r in REDIS_REFUSALS]
)
def test_wrong_redis_ends_the_server_before_it_listens(
    start: Start, shared_environment: Environment, change: Change, cause: str, end: str
) -> None:
    within = "2000" if end == LATE else "60000"
    server = start(changed(shared_environment, {**change, "STAND_IN_START_WITHIN_MS": within}))
    assert server.exit_code() == 1
    assert cause in server.output()
    assert AT_ONCE in server.output()
    assert (LATE in server.output()) == (end == LATE)
    assert PASSWORD not in server.output()


def test_a_wrong_redis_password_stands_in_the_log(start: Start, shared_environment: Environment) -> None:
    """As upstream; whoever prints the log has to hide it."""
    server = start(shared_environment | {"REDIS_PASSWORD": "wrong-value"})
    assert server.exit_code() == 1
    assert '"command":{"name":"auth","args":["wrong-value"]}' in server.output()


def test_redis_which_stops_answering_holds_up_every_request(
    start: Start, redis: Redis, shared_environment: Environment
) -> None:
    server = start(shared_environment)
    server.detail()
    redis.server.send_signal(signal.SIGSTOP)
    try:
        for path in ("/api/status", "/api/v1/admin/config"):
            with pytest.raises(TimeoutError):
                server.request("GET", path, limit=2)
    finally:
        redis.server.send_signal(signal.SIGCONT)
    assert server.detail()["redis"]["role"] == "master"


def test_status_says_nothing_of_the_database_and_a_login_does(
    start: Start, postgres: Postgres, environment: Environment, database: str
) -> None:
    server = start(environment)
    server.detail()
    nobody = {"clientId": "nobody", "clientSecret": "nonsense"}
    login = "/api/v1/auth/universal-auth/login"
    assert server.request("POST", login, nobody).status == 401
    assert server.request("POST", login, {}).status == 422
    postgres.sql(f"alter database {database} allow_connections false")
    postgres.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'")
    assert server.request("GET", "/api/status").status == 200
    assert server.request("POST", login, nobody).status == 500
    postgres.sql(f"alter database {database} allow_connections true")
    assert server.detail()["database"]["verified"]
    assert server.request("POST", login, nobody).status == 401


def test_a_relay_of_mail_is_waited_for_before_the_server_listens(start: Start, shared_environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as relay:
        relay.settimeout(LIMIT)
        host, port = relay.getsockname()
        server = start(shared_environment | {"SMTP_HOST": host, "SMTP_PORT": str(port)})
        connection, _ = relay.accept()
        with pytest.raises(TimeoutError):
            wait_for("listening", server.status, limit=1)
        connection.sendall(b"220 ready\r\n")
        server.detail()
        connection.close()
    assert "SMTP is verified" in server.output()


def test_a_relay_that_refuses_is_logged_and_no_more(start: Start, shared_environment: Environment) -> None:
    server = start(shared_environment | {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(free_port())})
    server.detail()
    assert "SMTP could not be verified" in server.output()


def test_sigterm_ends_a_server_whose_redis_is_wrong(start: Start, shared_environment: Environment) -> None:
    server = start(shared_environment | {"REDIS_SENTINEL_HOSTS": f"127.0.0.1:{free_port()}"})
    wait_for("an attempt", lambda: "Redis connection failed" in server.output())
    server.terminate()
    assert server.exit_code() == 0
