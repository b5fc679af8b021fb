"""The first server of Redis is made the master, on real servers, with their pods on a real API server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_cluster import Cluster
from job_engines import RedisServer, eventually
from job_redis import ADDRESSES, GROUP, PASSWORD, Redis, pod, running
from redis_connection import Connection

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

    def run(self, patience: float = 60) -> Any:
        config = {
            "namespace": self.namespace,
            "replication": REPLICATION,
            "redis_port": self.servers.port,
            "sentinel": SENTINEL,
            "sentinel_port": self.servers.sentinel_port,
            "master_name": GROUP,
            "patience_seconds": patience,
        }
        job = self._start_job("redis_handover.py", config, **self.cluster.environment, REDIS_PASSWORD=PASSWORD)
        outcome = job.outcome()
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


@pytest.fixture
def handover(cluster: Cluster, servers: Redis, start_job: Callable[..., Any]) -> Handover:
    return Handover(cluster, servers, start_job)


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
