"""A Redis server starts once the Sentinels know which one is the master: the init container, asked of real servers."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from job_engines import RedisServer
from job_redis import ADDRESSES, GROUP, Redis, running
from redis_connection import Connection

from components import redis_start

NOBODY = "127.0.0.99"
Start = Callable[..., tuple[str, float]]


@pytest.fixture(scope="module")
def redis(servers_folder: Path) -> Iterator[Redis]:
    with running(servers_folder / "starting") as redis:
        yield redis


@pytest.fixture
def start(redis: Redis, tmp_path: Path) -> Start:
    """Runs the init container with a Sentinel of this address, and returns its last words and the seconds it took."""

    def run(sentinel: str, *, wait: int = 15, data: bool = True, path: str = os.environ["PATH"]) -> tuple[str, float]:
        if data:
            (tmp_path / "appendonlydir").mkdir(exist_ok=True)
        command = redis_start.command(sentinel, redis.sentinel_port, GROUP, f"{tmp_path}", wait)
        began = time.monotonic()
        done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, timeout=120, check=True)
        assert not done.stderr
        return (done.stdout.splitlines() or [""])[-1], time.monotonic() - began

    return run


@pytest.fixture
def sentinel(redis: Redis, servers_folder: Path) -> Iterator[Callable[[str], str]]:
    """Makes a Sentinel of its own that names this master, or nobody, and returns its address."""
    with contextlib.ExitStack() as made:

        def watch(master: str) -> str:
            config = redis.watching(master) if master else []
            folder = servers_folder / f"names-{master or 'nobody'}"
            sentinel = RedisServer(folder, "127.0.1.1", redis.sentinel_port, config, sentinel=True)
            made.callback(sentinel.stop)
            return sentinel.host

        yield watch


def test_it_starts_beside_a_master_that_answers(start: Start) -> None:
    said, took = start(ADDRESSES[0])
    assert said == f"the master is {ADDRESSES[0]}"
    assert took < 5


@pytest.mark.parametrize("master", ["", "0.0.0.0"])
def test_it_starts_where_nobody_is_named(start: Start, sentinel: Callable[[str], str], master: str) -> None:
    """A Sentinel that starts names 0.0.0.0, until the operator has told it who the master is."""
    said, took = start(sentinel(master))
    assert said == "the Sentinels name no master"
    assert took < 5


def test_it_waits_for_another_master_and_starts_in_the_end(start: Start, sentinel: Callable[[str], str]) -> None:
    """An empty server waits too: its volume may be gone, and the operator would make it the master of all."""
    names_nobody_there = sentinel(NOBODY)
    for data in (False, True):
        said, took = start(names_nobody_there, wait=3, data=data)
        assert said == "no master answers"
        assert took >= 2


def test_it_gives_sentinels_a_moment_to_answer(start: Start) -> None:
    said, took = start(NOBODY)
    assert said == "no Sentinel answers"
    assert took >= 4


def test_the_first_servers_of_all_wait_for_nobody(start: Start) -> None:
    said, took = start(NOBODY, data=False)
    assert said == "no Sentinel, and no data"
    assert took < 5


def test_an_image_without_timeout_starts_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    assert start(NOBODY, path=f"{tmp_path}")[0] == ""


def test_it_waits_for_the_fail_over(redis: Redis, start: Start) -> None:
    """The master's pod was replaced, and the Sentinels still name the old one. Last, because all Sentinels learn."""
    for each in redis.sentinels:
        with Connection(each.host, each.port) as connection:
            connection.call("SENTINEL", "SET", GROUP, "down-after-milliseconds", "3000")
            connection.call("SENTINEL", "SET", GROUP, "failover-timeout", "10000")  # after twice that they try again
    with redis.servers[0].away():
        said, _ = start(ADDRESSES[1], wait=60)
        assert said in {f"the master is {address}" for address in ADDRESSES[1:]}
