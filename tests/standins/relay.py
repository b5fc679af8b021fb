"""A door to a server: what comes through one port goes on to the server's own."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def relay(port: int, target: tuple[str, int]) -> Iterator[None]:
    """Listen, and pass on to the target what comes."""

    class Passing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(target) as other:
                ends = {self.request: other, other: self.request}
                while True:
                    for end in select.select([*ends], [], [])[0]:
                        if not (some := end.recv(65536)):
                            return
                        ends[end].sendall(some)

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Passing) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
