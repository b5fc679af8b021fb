"""The client of a server: it asks routes whether they are there, and is not misled by an old list of secrets."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import application_server
import infisical_api
import pytest
from application_owner import Owner
from application_secrets import Config, Provision
from application_server import Server
from application_wish import STACK, Application, Secret
from fake_config_map import ConfigMap
from infisical_api import ApiError, InfisicalApi
from job import Failed, Report

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


class Behind(InfisicalApi):
    """A server whose list of secrets was read from a replica that was behind, and is kept until the project changes.

    It has the secret K, which the list does not show.
    """

    def __init__(self, comment: str) -> None:
        super().__init__("http://unused", deadline_seconds=20)
        self.stored: dict[str, tuple[str, str]] = {"K": ("old", comment)}
        self.listed: dict[str, tuple[str, str]] = {}

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, idempotent: bool = False
    ) -> dict[str, Any]:
        route = f"{method} {path.partition('?')[0]}"
        if route == "GET /api/v1/projects":
            environments = [{"id": "e", "slug": "prod", "name": "P"}]
            ours = {"description": "infisical-platform stack-1", "environments": environments}
            return {"projects": [{"id": "p", "slug": "webshop", **ours}]}
        if route == "GET /api/v4/secrets":
            return {"secrets": [shown(key, *each) for key, each in self.listed.items()]}
        if route.startswith("GET /api/v4/secrets/"):
            key = route.rpartition("/")[2]
            if key not in self.stored:
                raise ApiError(404, f"Secret with name '{key}' not found", method, path)
            return {"secret": shown(key, *self.stored[key])}
        if route.endswith("/api/v4/secrets/batch") and body:
            return self._written(method, body["secrets"])
        return {"folders": [], "memberships": []}

    def _written(self, method: str, secrets: list[dict[str, str]]) -> dict[str, Any]:
        there = [each["secretKey"] for each in secrets if each["secretKey"] in self.stored]
        if method == "POST" and there:
            raise ApiError(400, f"Secret already exist: {','.join(there)}", method, "/api/v4/secrets/batch")
        self.stored |= {each["secretKey"]: (each["secretValue"], each["secretComment"]) for each in secrets}
        self.listed = dict(self.stored)
        return {"secrets": []}


def shown(key: str, value: str, comment: str) -> dict[str, str]:
    return {"secretKey": key, "secretValue": value, "secretComment": comment}


def provisioned(api: InfisicalApi) -> None:
    secrets = tuple(Secret(("prod", "/", key), "stack", f"the stack's {key}") for key in ("K", "L"))
    application = Application("shop", "webshop", {"prod": "P"}, secrets=secrets)
    config = Config(address="", namespace="n", drift="", auth="universal", deadline_seconds=20)
    kube: Any = ConfigMap()
    Provision(config, Server(api), kube, Report("test"), Owner("o", "stack-1", "state-1")).all([application])


def test_what_an_old_list_does_not_show_is_put_back() -> None:
    api = Behind(f"{STACK} - x")
    provisioned(api)
    assert {key: value for key, (value, _) in api.stored.items()} == {"K": "the stack's K", "L": "the stack's L"}


def test_what_people_wrote_is_not_taken_where_the_list_is_old() -> None:
    api = Behind("")
    with pytest.raises(Failed, match="Secret already exist: K"):
        provisioned(api)
    assert api.stored == {"K": ("old", "")}
