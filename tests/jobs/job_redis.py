"""Redis under Sentinel for the tests: a master, two replicas and three Sentinels on three loopback addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from job_cluster import Cluster
from job_engines import PASSWORD, RedisServer, eventually, free_port
from redis_connection import Connection, pairs

GROUP = "platform-kv-master"
ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


class Redis:
    """The replication and its Sentinels."""

    def __init__(self, folder: Path) -> None:
        self.port, self.sentinel_port = free_port(*ADDRESSES), free_port(*ADDRESSES)
        secured = [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}", "save ''", "maxmemory-policy noeviction"]
        self.servers: list[RedisServer] = []
        for number, address in enumerate(ADDRESSES):
            follows = [f"replicaof {ADDRESSES[0]} {self.port}", f"replica-announce-ip {address}"] if number else []
            self.servers.append(RedisServer(folder / f"redis-{number}", address, self.port, [*secured, *follows]))
        eventually(lambda: self.attached == 2, "replicas attached")
        self.sentinels = [
            RedisServer(
                folder / f"sentinel-{number}",
                address,
                self.sentinel_port,
                [f"sentinel announce-ip {address}", *self.watching()],
                sentinel=True,
            )
            for number, address in enumerate(ADDRESSES)
        ]
        eventually(lambda: all(map(self.complete, self.sentinels)), "Sentinels know each other and the replicas")

    def watching(self, master: str = ADDRESSES[0]) -> list[str]:
        return [
            f"sentinel monitor {GROUP} {master} {self.port} 2",
            f"sentinel auth-pass {GROUP} {PASSWORD}",
            f"sentinel down-after-milliseconds {GROUP} 60000",
        ]

    @property
    def attached(self) -> int:
        with Connection(ADDRESSES[0], self.port, PASSWORD) as connection:
            return len(connection.call("ROLE")[2])

    def complete(self, sentinel: RedisServer) -> bool:
        with Connection(sentinel.host, sentinel.port) as connection:
            facts = pairs(connection.call("SENTINEL", "MASTER", GROUP))
        return (facts["num-slaves"], facts["num-other-sentinels"]) == ("2", "2")

    def set(self, name: str, value: str) -> None:
        with Connection(ADDRESSES[0], self.port, PASSWORD) as connection:
            connection.call("CONFIG", "SET", name, value)

    def stop(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.stop()


@contextmanager
def running(folder: Path) -> Iterator[Redis]:
    """A replication of its own, in a new folder."""
    folder.mkdir()
    redis = Redis(folder)
    yield redis
    redis.stop()


READY = {"type": "Ready", "status": "True"}


def pod(cluster: Cluster, namespace: str, name: str, host: str, *, ready: bool = True, finalizer: str = "") -> None:
    """Create a pod of a StatefulSet at a server's address, which nothing runs."""
    app, pods = name.rpartition("-")[0], f"/api/v1/namespaces/{namespace}/pods"
    metadata = {"name": name, "labels": {"app": app}, "finalizers": [finalizer] if finalizer else []}
    cluster.create(pods, {"metadata": metadata, "spec": {"containers": [{"name": app, "image": "redis"}]}})
    status = {"podIP": host, "podIPs": [{"ip": host}], "conditions": [READY] if ready else []}
    cluster.call("PATCH", f"{pods}/{name}/status", {"status": status})
