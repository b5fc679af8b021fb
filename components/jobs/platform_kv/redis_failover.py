"""Have the Sentinels promote a replica without the loss of a write that the old master has acknowledged.

After a bare SENTINEL FAILOVER clients stay connected to the old master. It acknowledges what they write for some 10 s
more, until the Sentinels make it follow the new one, which overwrites all of that (redis/redis#6062). So the old master
takes no writes from before the fail-over until its clients are gone. What they write meanwhile waits a second or
two, and is sent again to the new master.

The pause ends by itself, whatever becomes of this script. A paused master answers no PUBLISH either, and the Sentinels
that greet one another through it miss it after 5 s: then they begin the fail-over that is wanted.
"""

import contextlib
import re
import signal
import time
from collections.abc import Callable, Generator
from types import FrameType

from job import Pending
from redis_connection import Connection, ReplyError

_PAUSE_SECONDS = 20  # longer than all that is waited for meanwhile
_CATCH_UP_SECONDS = 2
_SWITCH_SECONDS = 10  # a Sentinel gives up after as long


class Servers:
    """Redis' servers, by their addresses."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password

    def connected(self, host: str) -> Connection:
        """Return a connection that is logged in."""
        return Connection(host, self.port, self.password)

    def leads(self, host: str) -> bool:
        """Return whether it takes itself for a master."""
        with self.connected(host) as connection:
            return connection.call("ROLE")[0] == "master"

    def depose(self, host: str, master: str) -> None:
        """Have it follow the master, and have its clients ask the Sentinels anew."""
        with self.connected(host) as connection:
            self._depose(connection, master)

    def behind(self, replica: str, master: str) -> int:
        """Return how many bytes of the master's writes it has not. Raises Pending where it does not follow it."""
        with self.connected(master) as there, self.connected(replica) as here:
            return _written(there) - _applied(here, there)

    def fail_over(self, old: str, first: str, ask: Callable[[], None], named: Callable[[], set[str]]) -> None:
        """Have `ask` begin a fail-over to the first server, once that has all writes of the old master.

        named: whom the Sentinels name. Raises Pending where clients have waited for nothing, ReplyError for a refusal.
        """
        with self.connected(old) as master, self.connected(first) as replica, _undisturbed():
            master.call("CLIENT", "PAUSE", f"{_PAUSE_SECONDS * 1000}", "WRITE")
            try:
                _catch_up(replica, master)
                with contextlib.suppress(OSError):  # it may have heard, though its answer is lost
                    ask()
            except (Pending, ReplyError, OSError):
                master.call("CLIENT", "UNPAUSE")
                raise
            if not (new := self._promoted(old, named)):
                master.call("CLIENT", "UNPAUSE")
                raise Pending(f"the Sentinels still name {old}, {_SWITCH_SECONDS} s after a fail-over was asked for")
            self._depose(master, new)

    def _promoted(self, old: str, named: Callable[[], set[str]]) -> str | None:
        """Return whom all Sentinels name instead of the old master, or any of them once time is up."""
        end = time.monotonic() + _SWITCH_SECONDS
        while True:
            masters = named()
            others = {each for each in masters - {old} if self._is_master(each)}
            if masters == others and len(others) == 1:
                return others.pop()
            if time.monotonic() > end:
                return next(iter(sorted(others)), None)
            time.sleep(0.1)

    def _is_master(self, named: str) -> bool:
        """Return whether what a Sentinel names is one: a Sentinel that was reset names 0.0.0.0."""
        try:
            return self.leads(named)
        except (ReplyError, OSError):
            return False

    def _depose(self, server: Connection, master: str) -> None:
        """Let a pause end only once its clients are gone, who would go on writing."""
        server.call("MULTI")
        server.call("REPLICAOF", master, f"{self.port}")
        for kind in ("normal", "pubsub"):
            server.call("CLIENT", "KILL", "TYPE", kind)
        server.call("CLIENT", "UNPAUSE")
        server.call("EXEC")


def _catch_up(replica: Connection, master: Connection) -> None:
    written, end = _written(master), time.monotonic() + _CATCH_UP_SECONDS
    while (applied := _applied(replica, master)) < written:
        if time.monotonic() > end:
            raise Pending(f"the first server is {written - applied} bytes behind, although nobody writes")
        time.sleep(0.01)


def _applied(replica: Connection, master: Connection) -> int:
    """Return how much of the master's stream the replica has applied. Raises Pending where it does not follow it."""
    facts = _replication(replica)
    if facts.get("master_link_status") != "up" or facts["master_replid"] != _replication(master)["master_replid"]:
        raise Pending("the first server does not follow the master that the Sentinels name")
    return int(facts["slave_repl_offset"])


def _written(master: Connection) -> int:
    return int(_replication(master)["master_repl_offset"])


def _replication(connection: Connection) -> dict[str, str]:
    return dict(re.findall(r"^(\w+):(.*?)\r?$", connection.call("INFO", "replication"), re.MULTILINE))


@contextlib.contextmanager
def _undisturbed() -> Generator[None]:
    """Put a SIGTERM off until the end: the kubelet gives a pod 30 s."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            signal.raise_signal(signal.SIGTERM)
