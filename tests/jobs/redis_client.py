"""A client that writes one key after the other to the Redis that a Sentinel names, and counts those that are lost.

As ioredis, it stays with a server until the connection ends: an error is no farewell. A rehearsal runs this file in a
pod, where it writes until it is told to end, and then says what it has seen.
"""

import contextlib
import json
import os
import signal
import threading
import time

from redis_connection import Address, Connection, ReplyError


class Writer:
    """written: the keys that were acknowledged. longest: the seconds that a write took."""

    def __init__(self, sentinel: Address, group: str, password: str, every: float = 0.002) -> None:
        self.sentinel, self.group, self.password, self.every = sentinel, group, password, every
        self.written, self.longest = list[str](), 0.0
        self.done = threading.Event()

    def write(self) -> None:
        """Write until it is done."""
        while not self.done.wait(self.every):
            with contextlib.suppress(OSError), self.connected() as connection:
                self._write_through(connection)

    def connected(self) -> Connection:
        """Return a connection to the master, which may let a write wait."""
        with Connection(self.sentinel.host, self.sentinel.port) as sentinel:
            host, port = sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.group)
        connection = Connection(host, int(port), self.password)
        connection._socket.settimeout(30)
        return connection

    def lost(self) -> list[str]:
        """Return the keys that the master has not, although they were acknowledged."""
        with self.connected() as connection:
            return [key for key in self.written if connection.call("GET", key) is None]

    def _write_through(self, connection: Connection) -> None:
        while not self.done.wait(self.every):
            key, begun = f"rehearsed-{len(self.written)}", time.monotonic()
            with contextlib.suppress(ReplyError):
                connection.call("SET", key, "1", "EX", "7200")
                self.written.append(key)
            self.longest = max(self.longest, time.monotonic() - begun)


def main() -> None:
    writer = Writer(Address(os.environ["SENTINEL"], 26379), os.environ["GROUP"], os.environ["REDIS_PASSWORD"], 0.02)
    signal.signal(signal.SIGTERM, lambda *_: writer.done.set())
    writer.write()
    seen = {"acknowledged": len(writer.written), "lost": len(writer.lost()), "longest": round(writer.longest, 1)}
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
