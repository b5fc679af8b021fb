"""Web servers with a chart, and what goes wrong on their way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from tests.tools.charts.known import CHART, NAME, VERSION, digest


class Site(ThreadingHTTPServer):
    """A web server with TLS: path and query to what is answered there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []

    @property
    def host(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def offer(self, *entries: dict[str, Any], chart: str = NAME) -> None:
        """An index below /helm with these versions of the chart."""
        self.pages["/helm/index.yaml"] = yaml.safe_dump({"apiVersion": "v1", "entries": {chart: entries}}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        if callable(page):
            page(self)
            return
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def serving(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()


def entry(url: str = f"{NAME}-{VERSION}.tgz", version: str = VERSION, **more: str) -> dict[str, Any]:
    return {"version": version, "urls": [url], "digest": digest(CHART).removeprefix("sha256:")} | more


def redirection(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CHART)))
    handler.end_headers()
    handler.wfile.write(CHART[:-1])
    handler.close_connection = True


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    never = threading.Event()
    for _ in range(600):
        handler.wfile.write(b"x")
        never.wait(0.05)


def silent(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # until the client gives up
