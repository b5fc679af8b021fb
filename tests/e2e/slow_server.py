"""A server that is far away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def slowed(host: str, port: int, seconds: float) -> Iterator[int]:
    """A port that leads there, where whatever is answered comes later."""
    late = threading.Event()  # never set: to wait for it is to be late

    def pump(source: socket.socket, target: socket.socket, delay: float) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                late.wait(delay)
                target.sendall(content)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = listener.accept()
                upstream = socket.create_connection((host, port))
                for ends in ((client, upstream, 0), (upstream, client, seconds)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
