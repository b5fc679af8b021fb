"""A Redis is ready once a fail-over could choose it: the probe, asked of real servers."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from job_engines import PASSWORD, eventually
from job_redis import ADDRESSES, Redis, running
from redis_connection import Connection

from components import redis_probe

Probe = Callable[..., str]


@pytest.fixture(scope="module")
def servers(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "probed") as redis:
        yield redis


@pytest.fixture
def redis(servers: Redis) -> Redis:
    """All replicas are attached, and hold what the master holds."""
    tell(servers, ADDRESSES[1], "REPLICAOF", ADDRESSES[0], f"{servers.port}")
    tell(servers, ADDRESSES[0], "SET", "job", "1")
    eventually(lambda: servers.attached == 2 and has_keys(servers, ADDRESSES[1]), "replicas are attached")
    return servers


@pytest.fixture
def probe(redis: Redis, tmp_path: Path) -> Probe:
    """Runs the probe in a pod of this name, beside a server, and returns why it isn't ready."""
    here = tmp_path / "bin"
    here.mkdir()
    programs = {"hostname": 'echo "$NAME"', "redis-cli": 'shift 2; exec "$CLIENT" -h "$ADDRESS" "$@"'}
    for name, text in programs.items():
        (here / name).write_text(f"#!/bin/sh\n{text}\n")
        (here / name).chmod(0o755)
    client = subprocess.run(["which", "redis-cli"], capture_output=True, text=True, check=True).stdout.strip()

    def run(name: str, address: str, *, known_after: int = 0, lonely: int = 90) -> str:
        command = redis_probe.command(known_after, lonely)
        told = {"NAME": name, "ADDRESS": address, "CLIENT": client, "REDIS_PASSWORD": PASSWORD}
        path = f"{here}:{os.environ['PATH']}"
        environment = {**told, "REDIS_PORT": f"{redis.port}", "PATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert "REDISCLI" not in done.stderr
        return "" if done.returncode == 0 else done.stdout.strip() or "failed"

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


def has_keys(redis: Redis, address: str) -> bool:
    with Connection(address, redis.port, PASSWORD) as connection:
        return connection.call("DBSIZE") == 1
