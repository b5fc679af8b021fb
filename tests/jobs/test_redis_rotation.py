"""The rotation of Redis' password on real servers, with the pods and the Secret on a real API server."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_cluster import Cluster, Rule
from job_engines import RedisServer, eventually
from job_redis import GROUP, PASSWORD, READY, Redis, pod, running
from redis_connection import Connection, ReplyError, pairs

SECRET, REPLICATION, SENTINEL = "platform-kv-auth", "platform-kv", "platform-kv-sentinel-sentinel"
NEXT = "another-horse-battery"
RULES: list[Rule] = [("", "secrets", ["get"], [SECRET]), ("", "pods", ["list"], [])]


@pytest.fixture(scope="module")
def servers(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "rotation") as redis:
        yield redis


class Rotation:
    """The platform's namespace, with a pod for every server."""

    def __init__(self, cluster: Cluster, servers: Redis, start_job: Callable[..., Any]) -> None:
        self.cluster, self.servers, self._start_job = cluster, servers, start_job
        self.namespace = cluster.namespace("kv")
        cluster.grant(self.namespace, RULES)

    def pods(self, *, ready: bool = True) -> None:
        for app, servers in ((REPLICATION, self.servers.servers), (SENTINEL, self.servers.sentinels)):
            for number, server in enumerate(servers):
                self.pod(f"{app}-{number}", server, ready=ready)

    def pod(self, name: str, server: RedisServer, *, ready: bool = True, finalizer: str = "") -> None:
        pod(self.cluster, self.namespace, name, server.host, ready=ready, finalizer=finalizer)

    def secret(self, password: str = PASSWORD) -> None:
        self.cluster.secret(self.namespace, SECRET, {"password": password})

    def start(self, deadline: float = 60, password: str = NEXT) -> Any:
        config = {
            "namespace": self.namespace,
            "secret": SECRET,
            "replication": REPLICATION,
            "redis_port": self.servers.port,
            "sentinel": SENTINEL,
            "sentinel_port": self.servers.sentinel_port,
            "master_name": GROUP,
            "deadline_seconds": deadline,
        }
        return self._start_job("redis_rotation.py", config, **self.cluster.environment, REDIS_PASSWORD=password)

    def run(self, deadline: float = 60, password: str = NEXT) -> Any:
        outcome = self.start(deadline, password).outcome()
        assert PASSWORD not in outcome.output
        assert NEXT not in outcome.output
        return outcome


@pytest.fixture
def rotation(cluster: Cluster, servers: Redis, start_job: Callable[..., Any]) -> Iterator[Rotation]:
    yield Rotation(cluster, servers, start_job)
    for server in servers.servers:
        with login(server) as connection:
            connection.call("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")
            connection.call("CONFIG", "SET", "masterauth", PASSWORD)
    for sentinel in servers.sentinels:
        with Connection(sentinel.host, sentinel.port) as connection:
            connection.call("SENTINEL", "SET", GROUP, "auth-pass", PASSWORD)
    eventually(lambda: servers.attached == 2, "replicas attached")
    eventually(lambda: all(map(servers.complete, servers.sentinels)), "Sentinels know each other and the replicas")


def login(server: RedisServer) -> Connection:
    [password] = [password for password in (PASSWORD, NEXT) if password in accepted(server)][:1]
    return Connection(server.host, server.port, password)


def accepted(server: RedisServer) -> set[str]:
    """Which of the passwords a server takes."""
    found: set[str] = set()
    for password in (PASSWORD, NEXT):
        with contextlib.suppress(ReplyError):
            Connection(server.host, server.port, password).close()
            found.add(password)
    return found


def masterauth(server: RedisServer) -> str:
    with login(server) as connection:
        return pairs(connection.call("CONFIG", "GET", "masterauth"))["masterauth"]


def auth_pass(sentinel: RedisServer) -> str:
    """What a Sentinel has in its file; it tells nobody."""
    [line] = [line for line in (sentinel.folder / "redis.conf").read_text().splitlines() if " auth-pass " in line]
    return line.split()[-1].strip('"')


def is_rotated(servers: Redis) -> bool:
    return (
        all(accepted(server) == {PASSWORD, NEXT} for server in servers.servers)
        and all(masterauth(server) == NEXT for server in servers.servers)
        and all(auth_pass(sentinel) == NEXT for sentinel in servers.sentinels)
    )


def test_every_node_takes_both_passwords(rotation: Rotation, servers: Redis) -> None:
    rotation.secret()
    rotation.pods()
    outcome = rotation.run()
    assert outcome.status == 0
    assert outcome.output == ("redis rotation: 3 Redis and 3 Sentinels take the new password beside the current one\n")
    assert is_rotated(servers)


def test_no_client_and_no_replica_notices(rotation: Rotation, servers: Redis) -> None:
    rotation.secret()
    rotation.pods()
    master, errors, writes, done = servers.servers[0], list[Exception](), 0, threading.Event()

    def write() -> None:
        nonlocal writes
        try:
            with Connection(master.host, master.port, PASSWORD) as held:
                while not done.is_set():
                    held.call("INCR", "writes")
                    Connection(master.host, master.port, PASSWORD).close()
                    writes += 1
        except (OSError, ReplyError) as error:
            errors.append(error)

    def full_syncs() -> str:
        with login(master) as connection:
            return next(line for line in connection.call("INFO", "stats").splitlines() if "sync_full" in line)

    before = full_syncs()
    writer = threading.Thread(target=write)
    writer.start()
    outcome = rotation.run()
    done.set()
    writer.join()
    assert outcome.status == 0
    assert errors == []
    assert writes > 0
    assert full_syncs() == before
    assert servers.attached == 2


def test_servers_started_later_with_the_new_password_alone_join_the_others(rotation: Rotation, servers: Redis) -> None:
    rotation.secret()
    rotation.pods()
    assert rotation.run().status == 0
    master, replica, _ = servers.servers
    own = replica.config, master.config
    try:
        for server in (replica, master):
            server.config = [line.replace(PASSWORD, NEXT) for line in server.config]
            with server.away():
                pass
            assert accepted(server) == {NEXT}
            eventually(lambda: attached(master) == 2, "replicas attached")
        eventually(lambda: all(map(servers.complete, servers.sentinels)), "Sentinels reach everybody")
        eventually(lambda: all(map(is_up, servers.sentinels)), "Sentinels find the master up")
    finally:
        replica.config, master.config = own


def attached(master: RedisServer) -> int:
    with login(master) as connection:
        return len(connection.call("ROLE")[2])


def is_up(sentinel: RedisServer) -> bool:
    with Connection(sentinel.host, sentinel.port) as connection:
        facts = pairs(connection.call("SENTINEL", "MASTER", GROUP))
    return facts["flags"] == "master" and facts["link-pending-commands"] in ("0", "1")


def test_a_container_which_restarts_in_its_pod_keeps_both(rotation: Rotation, servers: Redis) -> None:
    """Its probes have the new password, and its file was written for the old one."""
    rotation.secret()
    rotation.pods()
    assert rotation.run().status == 0
    replica = servers.servers[2]
    replica.stop()
    replica.process = replica.account.start([replica.program, str(replica.folder / "redis.conf")], replica.folder)
    eventually(lambda: accepted_or_none(replica) == {PASSWORD, NEXT}, "both passwords after a restart")
    eventually(lambda: servers.attached == 2, "the replica is back")


def accepted_or_none(server: RedisServer) -> set[str]:
    try:
        return accepted(server)
    except OSError:
        return set()


@pytest.mark.parametrize("done", [1, 3])
def test_a_rotation_killed_half_way_is_completed(rotation: Rotation, servers: Redis, done: int) -> None:
    rotation.secret()
    rotation.pods()
    for server in servers.servers[:done]:
        with login(server) as connection:
            connection.call("ACL", "SETUSER", "default", f">{NEXT}")
    if done == 3:
        with login(servers.servers[0]) as connection:
            connection.call("CONFIG", "SET", "masterauth", NEXT)
    assert rotation.run().status == 0
    assert is_rotated(servers)


def test_the_first_password_is_no_rotation(rotation: Rotation) -> None:
    outcome = rotation.run()
    assert outcome.status == 0
    assert outcome.last_line.endswith(f"nothing to rotate: there is no Secret {SECRET} yet")


def test_a_password_in_use_is_no_rotation(rotation: Rotation, servers: Redis) -> None:
    rotation.secret(NEXT)
    rotation.pods(ready=False)
    outcome = rotation.run()
    assert outcome.status == 0
    assert outcome.last_line.endswith(f"nothing to rotate: Secret {SECRET} has the password already")
    assert not is_rotated(servers)


def test_no_pods_yet(rotation: Rotation) -> None:
    rotation.secret()
    assert rotation.run().status == 0


def test_a_server_with_a_third_password_is_named_and_nothing_depends_on_the_new_one_yet(
    rotation: Rotation, servers: Redis
) -> None:
    rotation.secret("third-horse-battery")
    rotation.pods()
    outcome = rotation.run()
    assert outcome.status == 1
    assert f"pod {REPLICATION}-0 (127.0.0.1:{servers.port}) takes neither the new password" in outcome.last_line
    assert "delete the pod" in outcome.last_line
    assert "third-horse" not in outcome.output
    assert [masterauth(server) for server in servers.servers] == [PASSWORD] * 3
    assert [auth_pass(sentinel) for sentinel in servers.sentinels] == [PASSWORD] * 3


def test_a_secret_which_somebody_has_changed_is_mended_by_giving_the_password_that_redis_has(
    rotation: Rotation, servers: Redis
) -> None:
    rotation.secret("third-horse-battery")
    rotation.pods()
    assert rotation.run(password=PASSWORD).status == 0
    assert [accepted(server) for server in servers.servers] == [{PASSWORD}] * 3


def test_replicas_do_not_get_a_password_which_their_master_may_not_take(rotation: Rotation, servers: Redis) -> None:
    """The last server is away: no other one may log in with the new password yet, wherever the master is."""
    rotation.secret()
    rotation.pods()
    with servers.servers[2].away():
        outcome = rotation.run(deadline=1)
    eventually(lambda: servers.attached == 2, "the replica is back")
    assert outcome.status == 1
    assert f"pod {REPLICATION}-2 (127.0.0.3:{servers.port}): " in outcome.last_line
    assert masterauth(servers.servers[1]) == PASSWORD


def test_pods_on_their_way_are_waited_for(rotation: Rotation, servers: Redis) -> None:
    rotation.secret()
    rotation.pod("platform-kv-0", servers.servers[0], ready=False)
    job = rotation.start()
    job.sees("pod platform-kv-0: Pending")
    assert NEXT not in accepted(servers.servers[0])
    pod = f"/api/v1/namespaces/{rotation.namespace}/pods/platform-kv-0"
    rotation.cluster.call("PATCH", f"{pod}/status", {"status": {"conditions": [READY]}})
    assert job.outcome().status == 0
    assert NEXT in accepted(servers.servers[0])


def test_a_pod_on_its_way_out_is_waited_for(rotation: Rotation, servers: Redis) -> None:
    rotation.secret()
    rotation.pod("platform-kv-0", servers.servers[0], finalizer="test/held")
    rotation.cluster.call("DELETE", f"/api/v1/namespaces/{rotation.namespace}/pods/platform-kv-0")
    outcome = rotation.run(deadline=1)
    assert outcome.status == 1
    assert "pod platform-kv-0 is being deleted" in outcome.last_line


def test_a_sentinel_which_does_not_know_the_master_yet_is_waited_for(rotation: Rotation, servers: Redis) -> None:
    rotation.secret()
    rotation.pod(f"{SENTINEL}-7", servers.sentinels[0])
    with Connection(servers.sentinels[0].host, servers.sentinels[0].port) as connection:
        connection.call("SENTINEL", "REMOVE", GROUP)
        outcome = rotation.run(deadline=1)
        connection.call("SENTINEL", "MONITOR", GROUP, servers.servers[0].host, str(servers.port), "2")
        connection.call("SENTINEL", "SET", GROUP, "down-after-milliseconds", "60000")
    assert outcome.status == 1
    assert "No such master with that name" in outcome.last_line
