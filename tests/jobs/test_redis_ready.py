"""The Redis gate against real servers: a master, two replicas and three Sentinels on three loopback addresses."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job import Pending
from job_cluster import Cluster
from job_engines import RedisServer, eventually, free_port
from job_redis import ADDRESSES, GROUP, PASSWORD, Redis, running
from redis_connection import Address, Connection, ReplyError
from redis_ready import Config, agreed_master, resolve_sentinels
from redis_workloads import Workloads

SENTINELS = "sentinels.test"
Gate = Callable[..., Any]
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def redis(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "redis") as redis:
        yield redis


@pytest.fixture(scope="module")
def made(cluster: Cluster) -> Workloads:
    """What the operator has made, as asked for."""
    return Workloads(cluster)


@pytest.fixture
def start(made: Workloads, start_job: Any) -> Start:
    """Starts the gate on them."""
    return lambda config, **given: start_job("redis_ready.py", made.config | config, **made.environment, **given)


@pytest.fixture
def gate(redis: Redis, start: Start) -> Gate:
    """Runs the gate with what is given changed."""

    def run(
        *,
        hosts: dict[str, list[str]] | None = None,
        password: str = PASSWORD,
        sentinel_password: str = "",
        **changed: Any,
    ) -> Any:
        config = {
            "sentinels_host": SENTINELS,
            "sentinel_port": redis.sentinel_port,
            "sentinels": 3,
            "master_name": GROUP,
            "replicas": 2,
            "operator_patience_seconds": 1,
            "deadline_seconds": 0,
        }
        secrets = {"REDIS_PASSWORD": password, "SENTINEL_PASSWORD": sentinel_password}
        named = {SENTINELS: ADDRESSES} if hosts is None else hosts
        outcome = start(config | changed, hosts=named, **secrets).outcome()
        assert PASSWORD not in outcome.output
        assert password not in outcome.output
        return outcome

    return run


def test_ready(gate: Gate, redis: Redis) -> None:
    outcome = gate()
    assert outcome.status == 0
    assert outcome.output == (
        f"redis gate: ready: 3 Sentinels agree on {GROUP} = 127.0.0.1:{redis.port}, "
        "2 replicas attached, maxmemory-policy noeviction\n"
    )


def test_superfluous_sentinel_password(gate: Gate) -> None:
    assert gate(sentinel_password="superfluous").status == 0


def test_wrong_password_fails_at_once(gate: Gate) -> None:
    outcome = gate(password="wrong-horse", deadline_seconds=60)
    assert outcome.status == 1
    assert outcome.last_line.endswith("WRONGPASS: the password in REDIS_PASSWORD is refused")


def test_wrong_policy_fails_at_once(gate: Gate, redis: Redis) -> None:
    redis.set("maxmemory-policy", "allkeys-lru")
    try:
        outcome = gate(deadline_seconds=60)
    finally:
        redis.set("maxmemory-policy", "noeviction")
    assert outcome.status == 1
    assert "maxmemory-policy is allkeys-lru" in outcome.last_line


def test_server_without_password(gate: Gate, redis: Redis) -> None:
    redis.set("requirepass", "")
    try:
        outcome = gate()
    finally:
        with Connection(ADDRESSES[0], redis.port) as connection:
            connection.call("CONFIG", "SET", "requirepass", PASSWORD)
    assert outcome.status == 1
    assert "asks for no password" in outcome.last_line


def test_dead_replica_which_sentinels_still_count(gate: Gate, redis: Redis) -> None:
    with redis.servers[2].away():
        eventually(lambda: redis.attached == 1, "the replica is gone")
        assert redis.complete(redis.sentinels[0])
        outcome = gate()
    eventually(lambda: redis.attached == 2, "the replica is back")
    assert outcome.status == 1
    assert outcome.last_line.endswith(f"redis 127.0.0.1:{redis.port}: 1 replicas attached, wanted 2")


def test_replica_with_another_password(gate: Gate, redis: Redis) -> None:
    """Its link to the master holds: only a client finds out, after a failover."""
    replica = redis.servers[2]

    def require(password: str, login: str) -> None:
        with Connection(replica.host, replica.port, login) as connection:
            connection.call("CONFIG", "SET", "requirepass", password)

    require("earlier-horse", PASSWORD)
    try:
        outcome = gate(deadline_seconds=60)
    finally:
        require(PASSWORD, "earlier-horse")
    assert outcome.status == 1
    assert f"replica {replica.host}:{replica.port}: WRONGPASS" in outcome.last_line


def test_replica_appears_late(redis: Redis, start: Start) -> None:
    config = {
        "sentinels_host": SENTINELS,
        "sentinel_port": redis.sentinel_port,
        "sentinels": 3,
        "master_name": GROUP,
        "replicas": 2,
        "operator_patience_seconds": 1,
        "deadline_seconds": 60,
    }
    with redis.servers[2].away():
        eventually(lambda: redis.attached == 1, "the replica is gone")
        job = start(config, hosts={SENTINELS: ADDRESSES}, REDIS_PASSWORD=PASSWORD)
        job.sees("1 replicas attached")
    assert job.outcome().status == 0


def test_unknown_master_name(gate: Gate) -> None:
    outcome = gate(master_name="mymaster")
    assert outcome.status == 1
    assert outcome.last_line.endswith("knows no master named mymaster")


def test_more_replicas_wanted_than_sentinels_know(gate: Gate) -> None:
    assert "knows 2 replicas, wanted 3" in gate(replicas=3).last_line


def test_missing_sentinel_in_dns(gate: Gate) -> None:
    outcome = gate(hosts={SENTINELS: ADDRESSES[:2]})
    assert outcome.status == 1
    assert f"{SENTINELS} names 2 Sentinels, wanted 3" in outcome.last_line


def test_no_quorum(gate: Gate, redis: Redis) -> None:
    """Two of three Sentinels are gone: the third, which is asked alone, says so itself."""
    survivor = redis.sentinels[0]

    def notices(milliseconds: int, *, seen: bool) -> None:
        with Connection(survivor.host, survivor.port) as connection:
            connection.call("SENTINEL", "SET", GROUP, "down-after-milliseconds", str(milliseconds))
        eventually(lambda: has_quorum(survivor) is seen, f"quorum {seen}")

    with contextlib.ExitStack() as stack:
        for sentinel in redis.sentinels[1:]:
            stack.enter_context(sentinel.away())
        notices(1000, seen=False)
        outcome = gate(sentinels=1, hosts={SENTINELS: ADDRESSES[:1]})
    notices(60000, seen=True)
    eventually(lambda: all(map(redis.complete, redis.sentinels)), "Sentinels know each other again")
    assert outcome.status == 1
    assert f"sentinel {survivor.host}:{survivor.port}: NOQUORUM 1 usable Sentinels" in outcome.last_line


def has_quorum(sentinel: RedisServer) -> bool:
    with Connection(sentinel.host, sentinel.port) as connection:
        try:
            connection.call("SENTINEL", "CKQUORUM", GROUP)
        except ReplyError:
            return False
    return True


def test_sentinel_before_its_configuration(gate: Gate, redis: Redis, servers_folder: Path) -> None:
    port = free_port()
    sentinel = RedisServer(
        servers_folder / "unconfigured", "127.0.0.1", port, redis.watching(master="0.0.0.0"), sentinel=True
    )
    try:
        outcome = gate(sentinels=1, sentinel_port=port, hosts={SENTINELS: ADDRESSES[:1]})
    finally:
        sentinel.stop()
    assert outcome.status == 1
    assert f"sentinel 127.0.0.1:{port}: not configured yet, its master is 0.0.0.0" in outcome.last_line


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("", "NOAUTH: asks for a password, and SENTINEL_PASSWORD is not set"),
        ("wrong-horse", "WRONGPASS: the password in SENTINEL_PASSWORD is refused"),
    ],
)
def test_protected_sentinel(gate: Gate, redis: Redis, servers_folder: Path, given: str, complaint: str) -> None:
    port = free_port()
    config = [f"requirepass {PASSWORD}", *redis.watching()]
    sentinel = RedisServer(servers_folder / f"protected-{port}", "127.0.0.1", port, config, sentinel=True)
    try:
        outcome = gate(
            sentinels=1,
            sentinel_port=port,
            hosts={SENTINELS: ADDRESSES[:1]},
            sentinel_password=given,
            deadline_seconds=60,
        )
    finally:
        sentinel.stop()
    assert outcome.status == 1
    assert outcome.last_line.endswith(complaint)


def test_unreachable_sentinel(gate: Gate, redis: Redis) -> None:
    with redis.sentinels[2].away():
        outcome = gate()
    eventually(lambda: redis.complete(redis.sentinels[2]), "the Sentinel is back")
    assert outcome.status == 1
    assert f"sentinel 127.0.0.3:{redis.sentinel_port}: " in outcome.last_line
    assert "Connection refused" in outcome.last_line


def test_disagreement() -> None:
    old, new = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)
    sentinels = [Address(f"10.1.0.{number}", 26379) for number in range(3)]
    assert agreed_master(dict.fromkeys(sentinels, new)) == new
    with pytest.raises(Pending, match=r"disagree .*10\.1\.0\.0:26379 says 10\.0\.0\.1:6379"):
        agreed_master({sentinels[0]: old, sentinels[1]: new, sentinels[2]: new})


def test_resolver_out_of_reach_is_no_missing_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    config = Config("kv", (), SENTINELS, 26379, 3, GROUP, 2, 0, 1)
    with pytest.raises(Pending, match="Temporary failure"):
        resolve_sentinels(config)


def test_password_echoed_by_the_server_is_masked(start: Start) -> None:
    """A server which does not know AUTH repeats its arguments."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        port = listener.getsockname()[1]
        config = {
            "sentinels_host": SENTINELS,
            "sentinel_port": port,
            "sentinels": 1,
            "master_name": GROUP,
            "replicas": 2,
            "operator_patience_seconds": 1,
            "deadline_seconds": 0,
        }
        job = start(
            config,
            hosts={SENTINELS: ADDRESSES[:1]},
            REDIS_PASSWORD="unused-one",
            SENTINEL_PASSWORD=PASSWORD,
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(f"-ERR unknown command 'AUTH', with args beginning with: '{PASSWORD}'\r\n".encode())
            outcome = job.outcome()
    assert "unknown command 'AUTH', with args beginning with: '***'" in outcome.last_line
    assert PASSWORD not in outcome.output


def test_broken_reply_is_no_reply() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Connection("127.0.0.1", listener.getsockname()[1]) as connection,
    ):
        server, _ = listener.accept()
        server.sendall(b"+trunca")
        server.close()
        with pytest.raises(ConnectionResetError):
            connection.call("PING")
