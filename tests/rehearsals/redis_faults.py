"""The faults of Redis, and the roll of its servers at its worst."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator

from tests.e2e.waits import eventually
from tests.rehearsals.platforms import AWAY_SECONDS, REDIS, Platform
from tests.rehearsals.redis_writer import redis_loses_nothing

_SENTINEL = ("exec", "platform-kv-sentinel-sentinel-0", "-n", REDIS, "--", "redis-cli", "-p", "26379", "sentinel")
_GROUP = "platform-kv-master"


def _master(platform: Platform) -> str:
    """Return the pod that a Sentinel names."""
    address = platform.kubectl(*_SENTINEL, "get-master-addr-by-name", _GROUP).split()[0]
    field = f"status.podIP={address}"
    pod = platform.kubectl("get", "pods", "-n", REDIS, "--field-selector", field, "-o", "name")
    return pod.strip().removeprefix("pod/")


def _servers(platform: Platform) -> list[str]:
    return sorted(platform.pods(REDIS, "redis_setup_type=replication"))


def _ask(platform: Platform, pod: str, *command: str) -> str:
    password = base64.b64decode(platform.kubectl.secret(REDIS, "platform-kv-auth")["password"]).decode()
    script = f"read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli {' '.join(command)}"
    inside = ("exec", "-i", pod, "-n", REDIS, "-c", "platform-kv", "--", "sh", "-c", script)
    return platform.kubectl(*inside, stdin=f"{password}\n")


def kill_master(platform: Platform) -> None:
    """Take the master's pod away without a farewell."""
    platform.kubectl("delete", "pod", _master(platform), "-n", REDIS, "--grace-period=0", "--force")


def kill_majority(platform: Platform) -> None:
    """Take the pods along that a node has which has the master, another server and two Sentinels."""
    master = _master(platform)
    others = [pod for pod in _servers(platform) if pod != master]
    sentinels = platform.pods(REDIS, "redis_setup_type=sentinel")
    at_once = ("--grace-period=0", "--force")
    platform.kubectl("delete", "pod", master, others[0], *sentinels[:2], "-n", REDIS, *at_once)


def fill(platform: Platform) -> None:
    """Leave the master no memory for a while. It refuses writes and evicts nothing."""
    pod = _master(platform)
    limit = _ask(platform, pod, "config", "get", "maxmemory").split()[1]
    _ask(platform, pod, "config", "set", "maxmemory", "1mb")
    try:
        time.sleep(AWAY_SECONDS / 2)
    finally:
        _ask(platform, pod, "config", "set", "maxmemory", limit)


@contextlib.contextmanager
def roll_begins_with_master(platform: Platform) -> Iterator[None]:
    """Make the last server of the StatefulSet the master: a roll begins with it, and no new server knows of another.

    A client of Redis itself writes meanwhile, and loses nothing.
    """
    *others, last = _servers(platform)
    for pod in others:  # until they are rolled
        _ask(platform, pod, "config", "set", "replica-priority", "200")

    def is_master() -> bool:
        if _master(platform) == last:
            return True
        platform.kubectl(*_SENTINEL, "failover", _GROUP)
        return False

    # A Sentinel learns of a priority within 10 s, and refuses a fail-over for 20 s after the one before.
    eventually(is_master, f"{last} is the master", limit=120)
    with redis_loses_nothing(platform):
        yield
