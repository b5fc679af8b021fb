"""A Redis is ready once a fail-over could choose it: the probe, asked of real servers."""

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from job_engines import PASSWORD, RedisServer, eventually
from job_redis import ADDRESSES, Redis, running
from redis_connection import Connection

from components import redis_probe

Probe = Callable[..., str]
InPod = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def servers(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "probed") as redis:
        for sentinel in redis.sentinels:
            sentinel.stop()  # they would mend what a test breaks
        yield redis


@pytest.fixture
def redis(servers: Redis) -> Redis:
    """All replicas are attached, and hold what the master holds."""
    tell(servers, ADDRESSES[1], "REPLICAOF", ADDRESSES[0], f"{servers.port}")
    tell(servers, ADDRESSES[0], "SET", "job", "1")
    eventually(lambda: servers.attached == 2 and has_keys(servers, ADDRESSES[1]), "replicas are attached")
    return servers


@pytest.fixture
def probe(redis: Redis, in_pod: InPod) -> Probe:
    """Runs the probe in a pod of this name, beside a server, and returns why it isn't ready."""

    def run(name: str, address: str, *, known_after: int = 0, lonely: int = 3600) -> str:
        command = redis_probe.command(ADDRESSES[0], redis.sentinel_port, known_after, lonely)
        done = in_pod(command, name, address)
        assert "REDISCLI" not in done.stderr
        return "" if done.returncode == 0 else done.stdout.strip() or "failed"

    return run


@pytest.fixture
def in_pod(redis: Redis, tmp_path: Path) -> InPod:
    """Runs a command in a pod of this name, beside a server."""
    here = tmp_path / "bin"
    here.mkdir()
    own = """[ "$2" != "$NAME" ] || { shift 2; set -- -h "$ADDRESS" "$@"; }"""
    programs = {"hostname": 'echo "$NAME"', "redis-cli": f'{own}\nexec "$CLIENT" "$@"'}
    for name, text in programs.items():
        (here / name).write_text(f"#!/bin/sh\n{text}\n")
        (here / name).chmod(0o755)
    client = subprocess.run(["which", "redis-cli"], capture_output=True, text=True, check=True).stdout.strip()

    def run(command: list[str], name: str, address: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        told = {"NAME": name, "ADDRESS": address, "CLIENT": client, "REDIS_PASSWORD": password}
        environment = {**told, "REDIS_PORT": f"{redis.port}", "PATH": f"{here}:{os.environ['PATH']}"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10)

    return run


def tell(redis: Redis, address: str, *command: str) -> None:
    with Connection(address, redis.port, PASSWORD) as connection:
        connection.call(*command)


def test_one_that_a_fail_over_could_choose(redis: Redis, probe: Probe) -> None:
    assert probe("platform-kv-2", ADDRESSES[0]) == ""  # a master with replicas, whichever pod it is
    assert probe("platform-kv-1", ADDRESSES[1]) == ""
    assert probe("platform-kv-1", ADDRESSES[1], known_after=3600) == "attached a moment ago"


def test_one_that_came_back_as_a_master_of_its_own(redis: Redis, probe: Probe) -> None:
    tell(redis, ADDRESSES[1], "REPLICAOF", "NO", "ONE")
    assert probe("platform-kv-1", ADDRESSES[1]) == "follows nobody, and nobody follows it"
    assert probe("platform-kv-1", ADDRESSES[1], lonely=0) == ""  # no operator has come: one server is better than none
    assert probe("platform-kv-0", ADDRESSES[1]) == ""  # the others are made once it is ready
    tell(redis, ADDRESSES[1], "FLUSHALL")
    assert probe("platform-kv-1", ADDRESSES[1]) == ""  # as on the first `up`


def test_one_whose_master_is_away(redis: Redis, probe: Probe) -> None:
    with redis.servers[0].away():
        eventually(
            lambda: probe("platform-kv-1", ADDRESSES[1]) == "not attached to its master", "the replica notices it"
        )
        assert probe("platform-kv-1", ADDRESSES[1], lonely=0) == ""  # else Kubernetes would make no lost server anew
        assert probe("platform-kv-0", ADDRESSES[0]) != ""
    eventually(lambda: probe("platform-kv-1", ADDRESSES[1]) == "", "it is attached again")


def test_a_server_lives_as_long_as_it_answers(redis: Redis, in_pod: InPod) -> None:
    command: Any = redis_probe.alive()["exec"]
    alive = functools.partial(in_pod, command["command"], "platform-kv-1", ADDRESSES[1])
    assert alive().returncode == 0
    assert alive("not-the-password-any-more").returncode == 0  # one that was taught another password is well
    with redis.servers[1].away():
        assert alive().returncode != 0


def test_a_master_that_is_gone_for_good_is_let_go(redis: Redis, probe: Probe, servers_folder: Path) -> None:
    with Connection(ADDRESSES[1], redis.port, PASSWORD) as follower:
        follower.call("REPLICAOF", "127.0.0.99", f"{redis.port}")
        lonely = 5

        def follows() -> bool:
            """Ask the probe, for as long as a server may be without its master."""
            assert probe("platform-kv-1", ADDRESSES[1], lonely=lonely) == ""
            return follower.call("ROLE")[0] == "slave"

        lasts(follower, "master_link_down_since_seconds", lonely)
        assert follows()  # there is no Sentinel to ask
        with watching(redis, servers_folder / "named", ADDRESSES[0]) as sentinel:
            lasts(sentinel, "uptime_in_seconds", lonely)
            assert follows()  # somebody is the master, so this one's connection to it is what is broken
        with watching(redis, servers_folder / "nobody", "0.0.0.0") as sentinel:
            assert follows()  # it has started a moment ago, and the operator has told it nothing yet
            lasts(sentinel, "uptime_in_seconds", lonely)
            assert not follows()
            assert follower.call("GET", "job") == "1"
            # One that is attached isn't touched, whatever Sentinels say.
            follower.call("REPLICAOF", ADDRESSES[0], f"{redis.port}")
            eventually(lambda: redis.attached == 2, "it is attached again")
            assert follows()


@contextmanager
def watching(redis: Redis, folder: Path, master: str) -> Iterator[Connection]:
    """A Sentinel that names this master."""
    sentinel = RedisServer(folder, ADDRESSES[0], redis.sentinel_port, redis.watching(master), sentinel=True)
    try:
        with Connection(sentinel.host, sentinel.port) as connection:
            yield connection
    finally:
        sentinel.stop()


def lasts(server: Connection, fact: str, seconds: int) -> None:
    def so_far() -> int:
        told = dict(line.split(":", 1) for line in server.call("INFO").splitlines() if ":" in line)
        return int(told[fact])

    eventually(lambda: so_far() >= seconds, f"{fact} is {seconds}")


def has_keys(redis: Redis, address: str) -> bool:
    with Connection(address, redis.port, PASSWORD) as connection:
        return connection.call("DBSIZE") == 1
