"""The first server of Redis is made the master, on real servers, with their pods on a real API server."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis_failover
from job import Pending
from job_cluster import Cluster
from job_engines import RedisServer, eventually
from job_redis import ADDRESSES, GROUP, PASSWORD, Redis, pod, running
from redis_client import Writer
from redis_connection import Address, Connection, ReplyError, pairs
from redis_failover import Servers

REPLICATION, SENTINEL = "platform-kv", "platform-kv-sentinel-sentinel"


@pytest.fixture(scope="module")
def servers(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "handover") as redis:
        yield redis


class Handover:
    """The platform's namespace, with a pod for every server that a test wants."""

    def __init__(self, cluster: Cluster, servers: Redis, start_job: Callable[..., Any]) -> None:
        self.cluster, self.servers, self._start_job = cluster, servers, start_job
        self.namespace = cluster.namespace("kv")
        cluster.grant(self.namespace, [("", "pods", ["list"], [])])

    def pods(self, app: str, servers: list[RedisServer], not_ready: int = 0) -> None:
        """Create pods that are called in the order of these servers. The first ones are not ready."""
        for number, server in enumerate(servers):
            pod(self.cluster, self.namespace, f"{app}-{number}", server.host, ready=number >= not_ready)

    def start(self, patience: float = 60) -> Any:
        config = {
            "namespace": self.namespace,
            "replication": REPLICATION,
            "redis_port": self.servers.port,
            "sentinel": SENTINEL,
            "sentinel_port": self.servers.sentinel_port,
            "master_name": GROUP,
            "patience_seconds": patience,
        }
        return self._start_job("redis_handover.py", config, **self.cluster.environment, REDIS_PASSWORD=PASSWORD)

    def run(self, patience: float = 60) -> Any:
        outcome = self.start(patience).outcome()
        assert outcome.status == 0
        assert PASSWORD not in outcome.output
        return outcome

    def masters(self) -> set[str]:
        """Return whom the Sentinels name."""
        named: set[str] = set()
        for sentinel in self.servers.sentinels:
            with Connection(sentinel.host, sentinel.port) as connection:
                named.add(connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)[0])
        return named


@contextlib.contextmanager
def at_work(servers: Redis) -> Iterator[Writer]:
    """Have a client write for as long as the block takes, and then until the newest master has taken 100 more."""
    sentinel = servers.sentinels[0]
    writer = Writer(Address(sentinel.host, sentinel.port), GROUP, PASSWORD)
    thread = threading.Thread(target=writer.write)
    thread.start()
    try:
        eventually(lambda: len(writer.written) > 100, "writes flow")
        yield writer
        before = len(writer.written)
        eventually(lambda: len(writer.written) > before + 100, "writes flow again")
    finally:
        writer.done.set()
        thread.join()


def _priorities(servers: Redis) -> set[str]:
    """Return what the Sentinels have heard of the replicas."""
    heard: set[str] = set()
    for sentinel in servers.sentinels:
        with Connection(sentinel.host, sentinel.port) as connection:
            heard |= {pairs(each)["slave-priority"] for each in connection.call("SENTINEL", "REPLICAS", GROUP)}
    return heard


@pytest.fixture
def handover(cluster: Cluster, servers: Redis, start_job: Callable[..., Any]) -> Iterator[Handover]:
    """Let no preference that a test has left decide about the next one."""
    yield Handover(cluster, servers, start_job)
    for server in servers.servers:
        with Connection(server.host, server.port, PASSWORD) as connection:
            connection.call("CONFIG", "SET", "replica-priority", "100")
    eventually(lambda: _priorities(servers) == {"100"}, "the Sentinels have heard of it")


def test_on_the_first_up_there_is_nothing_to_hand_over(handover: Handover, servers: Redis) -> None:
    assert handover.run().last_line.endswith("there are no servers or no Sentinels yet")
    handover.pods(REPLICATION, servers.servers)
    assert handover.run().last_line.endswith("there are no servers or no Sentinels yet")


def test_it_is_no_condition_of_a_change_that_may_mend_redis(handover: Handover, servers: Redis) -> None:
    handover.pods(REPLICATION, servers.servers, not_ready=1)
    handover.pods(SENTINEL, servers.sentinels)
    said = handover.run(patience=1).last_line
    assert said.endswith("clients wait longer: pod platform-kv-0 is not ready")


def test_a_fail_over_that_does_not_happen(handover: Handover, servers: Redis) -> None:
    """The first server follows nobody, so that no Sentinel knows it."""
    with Connection(ADDRESSES[2], servers.port, PASSWORD) as first:
        first.call("REPLICAOF", "NO", "ONE")
    handover.pods(REPLICATION, [servers.servers[2], servers.servers[0]])
    handover.pods(SENTINEL, servers.sentinels)
    for sentinel in servers.sentinels:
        with Connection(sentinel.host, sentinel.port) as connection:
            connection.call("SENTINEL", "RESET", GROUP)
    said = handover.run(patience=2).last_line
    assert "clients wait longer: Sentinel 127.0.0.1 has not heard that 127.0.0.3 is preferred" in said
    assert handover.masters() == {ADDRESSES[0]}
    with Connection(ADDRESSES[2], servers.port, PASSWORD) as first:
        first.call("REPLICAOF", ADDRESSES[0], f"{servers.port}")
    eventually(lambda: servers.attached == 2 and all(map(servers.complete, servers.sentinels)), "all is as before")


def test_an_answer_that_does_not_come(handover: Handover, servers: Redis) -> None:
    handover.pods(REPLICATION, [servers.servers[2], servers.servers[0]])
    handover.pods(SENTINEL, servers.sentinels)
    with servers.sentinels[1].away():
        said = handover.run(patience=1).last_line
    assert "clients wait longer: " in said
    assert "refused" in said


def test_the_first_server_becomes_the_master(handover: Handover, servers: Redis) -> None:
    """Of two replicas that a fail-over could take. A second run has nothing to do."""
    handover.pods(REPLICATION, servers.servers[1:] + servers.servers[:1])  # the last one is the master
    handover.pods(SENTINEL, servers.sentinels)
    assert handover.masters() == {ADDRESSES[0]}
    outcome = handover.run()
    assert "has not heard that 127.0.0.2 is preferred" in outcome.output
    assert outcome.last_line.endswith("platform-kv-0 is the master, and 2 follow it")
    assert handover.masters() == {ADDRESSES[1]}
    with Connection(ADDRESSES[1], servers.port, PASSWORD) as first:
        assert first.call("CONFIG", "GET", "replica-priority") == ["replica-priority", "100"]
    again = handover.run()
    assert again.last_line == outcome.last_line
    assert "preferred" not in again.output


def _settled(handover: Handover, servers: Redis, first: str) -> None:
    """Wait until all of them name the first one, and all others follow it."""
    eventually(lambda: handover.masters() == {first}, "the Sentinels agree")
    with Connection(first, servers.port, PASSWORD) as connection:
        eventually(lambda: connection.call("ROLE")[0] == "master", "it leads")
        eventually(lambda: len(connection.call("ROLE")[2]) == 2, "all others follow")


def _paused(servers: Redis, host: str) -> bool:
    """Return whether it keeps those waiting who change something."""
    connection = Connection(host, servers.port, PASSWORD)
    connection._socket.settimeout(0.3)
    with connection, contextlib.suppress(TimeoutError):
        connection.call("PUBLISH", "test", "test")
        return False
    return True


def test_no_acknowledged_write_is_lost(handover: Handover, servers: Redis) -> None:
    """Clients stay with the old master, which would acknowledge writes until the Sentinels demote it."""
    handover.pods(REPLICATION, [servers.servers[2], *servers.servers[:2]])
    handover.pods(SENTINEL, servers.sentinels)
    assert handover.masters() == {ADDRESSES[1]}
    with at_work(servers) as writer:
        assert handover.run().last_line.endswith("platform-kv-0 is the master, and 2 follow it")
    _settled(handover, servers, ADDRESSES[2])
    lost = writer.lost()
    assert not lost, f"{len(lost)} of {len(writer.written)}"
    assert writer.longest < 10


def test_a_job_that_is_stopped_in_the_middle_completes_it(handover: Handover, servers: Redis) -> None:
    handover.pods(REPLICATION, servers.servers)
    handover.pods(SENTINEL, servers.sentinels)
    with at_work(servers) as writer:
        job = handover.start()
        eventually(lambda: _paused(servers, ADDRESSES[2]), "no writes")
        job.process.send_signal(signal.SIGTERM)
        assert "stopped by SIGTERM" in job.outcome().last_line
        assert handover.masters() == {ADDRESSES[0]}
        assert not _paused(servers, ADDRESSES[2])
    _settled(handover, servers, ADDRESSES[0])
    assert not writer.lost()


def test_a_job_that_is_killed_in_the_middle_is_made_up_for(handover: Handover, servers: Redis) -> None:
    """The Sentinels fail over, and the old master takes no write until the next Job has made it follow."""
    handover.pods(REPLICATION, [servers.servers[1], servers.servers[0], servers.servers[2]])
    handover.pods(SENTINEL, servers.sentinels)
    with at_work(servers) as writer:
        job = handover.start()
        eventually(lambda: _paused(servers, ADDRESSES[0]), "no writes")
        job.process.kill()
        again = handover.run()
    assert again.last_line.endswith("platform-kv-0 is the master, and 2 follow it")
    _settled(handover, servers, ADDRESSES[1])
    assert not writer.lost()


def _never() -> set[str]:
    raise AssertionError("nobody has to be asked")


def test_a_refusal_ends_the_pause(servers: Redis) -> None:
    def refuse() -> None:
        raise ReplyError("NOGOODSLAVE No suitable replica to promote")

    with pytest.raises(ReplyError, match="NOGOODSLAVE"):
        Servers(servers.port, PASSWORD).fail_over(ADDRESSES[1], ADDRESSES[0], refuse, _never)
    assert not _paused(servers, ADDRESSES[1])


def test_a_fail_over_that_does_not_come_ends_the_pause(servers: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is lost may have been a yes. A Sentinel that answers nothing has no say."""

    def lose() -> None:
        raise OSError("timed out")

    monkeypatch.setattr(redis_failover, "_SWITCH_SECONDS", 0.5)
    for named in ({ADDRESSES[1]}, {"0.0.0.0"}, set[str]()):
        with pytest.raises(Pending, match=r"still name 127\.0\.0\.2"):
            Servers(servers.port, PASSWORD).fail_over(ADDRESSES[1], ADDRESSES[0], lose, lambda named=named: named)
        assert not _paused(servers, ADDRESSES[1])


def test_a_server_that_lacks_writes_is_not_promoted(servers: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It applies none of them for a while. Nobody asks the Sentinels, and clients write again."""
    redis = Servers(servers.port, PASSWORD)
    monkeypatch.setattr(redis_failover, "_CATCH_UP_SECONDS", 0.5)
    with redis.connected(ADDRESSES[0]) as replica, redis.connected(ADDRESSES[1]) as master:
        replica.call("CLIENT", "PAUSE", "10000", "WRITE")
        master.call("SET", "late", "1")
        assert redis.behind(ADDRESSES[0], ADDRESSES[1]) > 0
        with pytest.raises(Pending, match=r"bytes behind, although nobody writes"):
            redis.fail_over(ADDRESSES[1], ADDRESSES[0], lambda: pytest.fail("asked"), _never)
        assert not _paused(servers, ADDRESSES[1])
        replica.call("CLIENT", "UNPAUSE")
        eventually(lambda: redis.behind(ADDRESSES[0], ADDRESSES[1]) == 0, "all is as before")
        with pytest.raises(Pending, match="does not follow"):
            redis.behind(ADDRESSES[1], ADDRESSES[0])
