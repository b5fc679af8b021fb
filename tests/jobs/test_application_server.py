"""The client of a server asks routes whether they are there."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator

import application_server
import infisical_api
import pytest
from application_server import Server
from infisical_api import InfisicalApi

Answer = tuple[int, object]
Start = Callable[[Callable[[str], Answer]], InfisicalApi]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Serve what a function answers to a path."""
    monkeypatch.setattr(infisical_api, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(application_server, "_ASKED_SECONDS", 0.5)
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(answer: Callable[[str], Answer]) -> InfisicalApi:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content = answer(self.path.partition("?")[0])
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, format: str, *_: object) -> None:
                """Print nothing."""

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return InfisicalApi(f"http://127.0.0.1:{servers[-1].server_port}", deadline_seconds=20)

    yield start
    for each in servers:
        each.shutdown()
        each.server_close()


def missing(path: str) -> Answer:
    return 404, {"message": f"Route GET:{path} not found"}


def test_routes_that_are_missing_are_told_from_objects_that_are(start: Start) -> None:
    def autumn(path: str) -> Answer:
        if path == "/api/v1/projects":
            return 200, {"projects": []}
        if path == "/api/v2/folders":
            return 404, {"message": "Project with ID '00000000-0000-0000-0000-000000000000' not found"}
        return missing(path)

    found = Server(start(autumn))
    assert (found.projects_v1, found.machines_v1, found.v4, found.folders) == (True, False, False, "/api/v2/folders")
    old = Server(start(missing))
    assert (old.projects_v1, old.machines_v1, old.v4, old.folders) == (False, False, False, "/api/v1/folders")


def test_a_route_that_goes_on_failing_does_not_take_the_time_of_the_run(start: Start) -> None:
    asked: list[str] = []

    def failing(path: str) -> Answer:
        asked.append(path)
        return (200, {"projects": []}) if path == "/api/v1/projects" else (500, {"message": "Something went wrong"})

    api, began = start(failing), time.monotonic()
    found = Server(api)
    assert time.monotonic() - began < 5
    assert (found.projects_v1, found.machines_v1, found.v4, found.folders) == (True, True, True, "/api/v2/folders")
    assert api.seconds_left > 10
    assert not [path for path in asked if "docs" in path]
