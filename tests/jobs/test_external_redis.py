"""Logging in to a Redis that somebody else runs, with TLS and without, alone and under Sentinels."""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_engines import PASSWORD, RedisServer, TlsFiles, free_port
from job_pki import Pair
from redis_connection import Connection

HOST = "127.0.0.1"
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def outside(servers_folder: Path, ca: Pair) -> Iterator[tuple[RedisServer, int]]:
    """A Redis with both ports, and the one with TLS."""
    tls_port = free_port(HOST)
    server_folder = servers_folder / "redis-outside"
    plain_port = free_port(HOST)
    server = RedisServer(server_folder, HOST, plain_port, _secured())
    files = TlsFiles(server.account, server.folder)
    files.write(ca.issue(HOST))
    server.config += [f"tls-port {tls_port}", f"tls-cert-file {files.certificate}", f"tls-key-file {files.key}"]
    server.config += ["tls-auth-clients no", f"tls-ca-cert-file {files.certificate}"]
    server.stop()
    server.start()
    yield server, tls_port
    server.stop()


def _secured() -> list[str]:
    return [f"requirepass {PASSWORD}", "save ''", "maxmemory-policy noeviction"]


@pytest.fixture
def ask(outside: tuple[RedisServer, int], ca: Pair, start_job: Any, tmp_path: Path) -> Ask:
    server, tls_port = outside
    (tmp_path / "ca.crt").write_text(ca.pem)

    def start(*, tls: bool = False, password: str = PASSWORD, env: dict[str, str] | None = None, **where: Any) -> Any:
        there: dict[str, Any] = {"host": HOST, "port": tls_port if tls else server.port}
        if tls:
            there["trust"] = str(tmp_path / "ca.crt")
        config = {"redis": {k: v for k, v in (there | where).items() if v is not None}, "deadline_seconds": 0}
        return start_job("external_redis_ready.py", config, REDIS_PASSWORD=password, **(env or {})).outcome()

    return start


@contextlib.contextmanager
def set_to(server: RedisServer, name: str, value: str, back: str) -> Iterator[None]:
    with Connection(HOST, server.port, PASSWORD) as connection:
        connection.call("CONFIG", "SET", name, value)
        yield
        connection.call("CONFIG", "SET", name, back)


@pytest.mark.parametrize(("tls", "said"), [(False, "without TLS"), (True, "TLS verified")])
def test_a_redis_for_infisical_is_ready(ask: Ask, tls: bool, said: str) -> None:
    outcome = ask(tls=tls)
    assert outcome.status == 0
    assert outcome.last_line.endswith(f"maxmemory-policy noeviction, {said}")


@pytest.mark.parametrize("tls", [False, True])
def test_a_refused_password_is_named_at_once_and_never_shown(ask: Ask, tls: bool) -> None:
    outcome = ask(tls=tls, password="not-the-password")
    assert outcome.status == 1
    assert "WRONGPASS: it refuses the login: see redisPassword" in outcome.last_line
    assert "not-the-password" not in outcome.output


def test_a_user_of_an_access_list_logs_in(ask: Ask, outside: tuple[RedisServer, int]) -> None:
    with Connection(HOST, outside[0].port, PASSWORD) as connection:
        connection.call("ACL", "SETUSER", "app", "on", f">{PASSWORD}x", "~*", "+@all")
    assert ask(username="app", password=f"{PASSWORD}x").status == 0
    assert ask(username="app").status == 1


def test_an_authority_of_somebody_else_is_refused(ask: Ask, other_ca: Pair, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.crt"
    foreign.write_text(other_ca.pem)
    outcome = ask(tls=True, trust=str(foreign))
    assert outcome.status == 1
    assert "certificate verify failed" in outcome.last_line


def test_public_authorities_do_not_know_a_private_one(ask: Ask) -> None:
    assert "certificate verify failed" in ask(tls=True, trust="public").last_line


def test_a_name_that_is_not_the_certificates_is_refused(ask: Ask) -> None:
    outcome = ask(tls=True, host="localhost")
    assert outcome.status == 1
    assert "certificate verify failed: Hostname mismatch" in outcome.last_line


def test_a_server_without_tls_is_named(ask: Ask, outside: tuple[RedisServer, int]) -> None:
    outcome = ask(tls=True, port=outside[0].port)
    assert outcome.status == 1
    assert ": no TLS: " in outcome.last_line


def test_a_redis_that_evicts_is_refused(ask: Ask, outside: tuple[RedisServer, int]) -> None:
    with set_to(outside[0], "maxmemory-policy", "allkeys-lru", "noeviction"):
        outcome = ask()
    assert outcome.status == 1
    assert (
        "maxmemory-policy is allkeys-lru, and Infisical's queues lose jobs unless it is noeviction" in outcome.last_line
    )


class Enterprise(socketserver.StreamRequestHandler):
    """Answers as Redis Enterprise does: INFO has no maxmemory_policy. A real Redis always tells it."""

    config = b"-ERR command is not allowed\r\n"

    def handle(self) -> None:
        while header := self.rfile.readline():
            words = [self._word() for _ in range(int(header[1:]))]
            self.wfile.write(self._answer(words[0]))

    def _word(self) -> bytes:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2]

    def _answer(self, command: bytes) -> bytes:
        info = b"redis_version:7.4.0\r\nrole:master\r\ncluster_enabled:0\r\nmaxmemory:0\r\n"
        answers = {b"INFO": b"$%d\r\n%s\r\n" % (len(info), info), b"CONFIG": self.config}
        return answers.get(command, b"+OK\r\n")


@pytest.fixture
def enterprise() -> Iterator[int]:
    with socketserver.ThreadingTCPServer((HOST, 0), Enterprise) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_service_that_tells_no_policy_is_ready_and_the_policy_is_left_to_its_people(
    ask: Ask, enterprise: int
) -> None:
    outcome = ask(port=enterprise)
    assert outcome.status == 0
    assert "Redis 7.4.0, which tells no maxmemory-policy: it has to be noeviction" in outcome.last_line


def test_a_policy_that_only_its_configuration_tells_counts(
    ask: Ask, enterprise: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for policy, status in ((b"volatile-lru", 1), (b"noeviction", 0)):
        reply = b"*2\r\n$16\r\nmaxmemory-policy\r\n$%d\r\n%s\r\n" % (len(policy), policy)
        monkeypatch.setattr(Enterprise, "config", reply)
        outcome = ask(port=enterprise)
        assert outcome.status == status
        assert policy.decode() in outcome.last_line


def test_a_replica_takes_no_writes(ask: Ask, outside: tuple[RedisServer, int]) -> None:
    with Connection(HOST, outside[0].port, PASSWORD) as connection:
        connection.call("REPLICAOF", HOST, "1")
        outcome = ask()
        connection.call("REPLICAOF", "NO", "ONE")
    assert "it is a replica, which takes no writes" in outcome.last_line


def test_nobody_there_is_named(ask: Ask) -> None:
    assert "Connection refused" in ask(port=1).last_line


@pytest.fixture
def sentinel(servers_folder: Path, outside: tuple[RedisServer, int], tmp_path: Path) -> Iterator[RedisServer]:
    watching = [f"sentinel monitor main {HOST} {outside[0].port} 1", f"sentinel auth-pass main {PASSWORD}"]
    folder = servers_folder / f"sentinel-outside-{tmp_path.name}"
    server = RedisServer(folder, HOST, free_port(HOST), [*watching, "requirepass watched"], sentinel=True)
    yield server
    server.stop()


def test_sentinels_name_the_master(ask: Ask, sentinel: RedisServer, outside: tuple[RedisServer, int]) -> None:
    where = {"host": None, "sentinels": [f"{HOST}:{sentinel.port}"], "master_name": "main"}
    with_password = {"SENTINEL_PASSWORD": "watched"}
    assert ask(**where, env=with_password).status == 0
    refused = ask(**where)
    assert "NOAUTH: it refuses the login: see redisSentinelPassword" in refused.last_line
    unknown = ask(**(where | {"master_name": "mymaster"}), env=with_password)
    assert "knows no master named mymaster; see redis.masterName" in unknown.last_line
    other = ask(**(where | {"port": 6390}), env=with_password)
    assert f"set redis.port to {outside[0].port}" in other.last_line
    away = ask(**(where | {"sentinels": [f"{HOST}:{sentinel.port}", f"{HOST}:1"]}), env=with_password)
    assert "Connection refused" in away.last_line
