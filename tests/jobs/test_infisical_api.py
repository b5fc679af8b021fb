"""The client of Infisical: what it sends again, what it says of a refusal, and what it never says."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import infisical_api
import pytest
from infisical_api import ApiError, InfisicalApi, machine_login, stack_login
from job import Failed
from job_engines import free_port

Answer = tuple[int, Any, dict[str, str]]
OK: Answer = (200, {"fine": True}, {})
LOST: Answer = (0, None, {})


class Upstream:
    """Gives these answers, one after the other, and remembers what was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers, self.asked = answers, list[tuple[str, str, Any, str]]()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = json.loads(raw) if raw else None
                upstream.asked.append((self.command, self.path, body, self.headers.get("Authorization", "")))
                status, content, headers = upstream.answers.pop(0)
                if not status:
                    return  # the connection ends without an answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

            def log_message(self, format: str, *_: object) -> None:
                """Print nothing."""

        for verb in ("POST", "PATCH", "PUT", "DELETE"):
            setattr(Handler, f"do_{verb}", Handler.do_GET)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.api = InfisicalApi(f"http://127.0.0.1:{self.server.server_port}", token="token", deadline_seconds=30)


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Upstream]]:
    monkeypatch.setattr(infisical_api, "_FIRST_PAUSE_SECONDS", 0.01)
    started: list[Upstream] = []

    def start(*answers: Answer) -> Upstream:
        started.append(Upstream(list(answers)))
        return started[-1]

    yield start
    for each in started:
        each.server.shutdown()
        each.server.server_close()


def test_the_token_and_the_body_are_sent(upstream: Callable[..., Upstream]) -> None:
    server = upstream(OK, OK)
    assert server.api.get("/api/x", a="b c") == {"fine": True}
    server.api.with_token("other").post("/api/y", {"k": "v"})
    assert server.asked == [
        ("GET", "/api/x?a=b+c", None, "Bearer token"),
        ("POST", "/api/y", {"k": "v"}, "Bearer other"),
    ]


@pytest.mark.parametrize("answer", [LOST, (500, {}, {}), (502, b"<html>", {}), (429, {}, {"Retry-After": "0"})])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_does_no_harm_twice_is_sent_again(upstream: Callable[..., Upstream], method: str, answer: Answer) -> None:
    server = upstream(answer, answer, OK)
    assert server.api.send(method, "/api/x", {}, idempotent=method == "PATCH") == {"fine": True}
    assert len(server.asked) == 3


@pytest.mark.parametrize("answer", [LOST, (500, {"message": "oops"}, {})])
def test_a_post_that_may_have_acted_is_not_sent_again(upstream: Callable[..., Upstream], answer: Answer) -> None:
    server = upstream(answer, OK)
    with pytest.raises(ApiError) as refusal:
        server.api.post("/api/x", {"k": "v"})
    assert refusal.value.status == answer[0]
    assert len(server.asked) == 1


def test_a_post_is_sent_again_where_the_server_has_not_acted(upstream: Callable[..., Upstream]) -> None:
    server = upstream((429, {"message": "slow down"}, {}), OK)
    assert server.api.post("/api/x", {}) == {"fine": True}


def test_retry_after_is_waited_for(upstream: Callable[..., Upstream]) -> None:
    server = upstream((429, {}, {"Retry-After": "1"}), OK)
    started = time.monotonic()
    server.api.get("/api/x")
    assert time.monotonic() - started >= 1


def test_a_pause_longer_than_the_time_left_ends_at_once(upstream: Callable[..., Upstream]) -> None:
    server = upstream((429, {"message": "rate limit"}, {"Retry-After": "3600"}))
    with pytest.raises(ApiError, match=r"^Infisical answers 429 to GET /api/x: rate limit$"):
        server.api.get("/api/x")


def test_a_server_that_is_away_is_waited_for_until_the_deadline() -> None:
    api = InfisicalApi(f"http://127.0.0.1:{free_port()}", deadline_seconds=1)
    with pytest.raises(ApiError, match="Connection refused") as refusal:
        api.post("/api/x", {})
    assert refusal.value.status == 0
    assert api.requests > 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"message": "Nothing here", "error": "NotFound"}, "Nothing here"),
        ({"message": [{"path": ["p"], "message": "Too short", "received": "hunter2"}]}, "Too short"),
        ({}, "no reason given"),
        ([], "no reason given"),
        (b"<html>", "not JSON but '<html>'"),
    ],
)
def test_a_refusal_says_upstreams_words_and_no_value(
    upstream: Callable[..., Upstream], content: Any, words: str
) -> None:
    server = upstream((422, content, {}))
    with pytest.raises(ApiError) as refusal:
        server.api.patch("/api/x?secret=hunter2", {"password": "hunter2"})
    assert str(refusal.value) == f"Infisical answers 422 to PATCH /api/x: {words}"
    assert isinstance(refusal.value, Failed)


def test_words_that_echo_a_value_are_masked(upstream: Callable[..., Upstream]) -> None:
    server = upstream((400, {"message": "hunter2 is no password"}, {}))
    server.api.hide = lambda text: text.replace("hunter2", "***")
    with pytest.raises(ApiError, match=r"\*\*\* is no password"):
        server.api.with_token("t").get("/api/x")


def test_a_page_in_place_of_an_answer_is_refused(upstream: Callable[..., Upstream]) -> None:
    server = upstream((200, b"<html>", {}))
    with pytest.raises(ApiError, match="not JSON"):
        server.api.get("/api/x")


@pytest.mark.parametrize(
    ("bootstrap", "path", "sent"),
    [
        ({"identityId": "i"}, "kubernetes-auth", {"identityId": "i", "jwt": "jwt-of-pod"}),
        (
            {"identityId": "i", "clientId": "c", "clientSecret": "s"},
            "universal-auth",
            {"clientId": "c", "clientSecret": "s"},
        ),
    ],
)
def test_the_provisioner_logs_in_by_what_its_secret_holds(
    upstream: Callable[..., Upstream],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bootstrap: dict[str, str],
    path: str,
    sent: dict[str, str],
) -> None:
    monkeypatch.setenv("KUBE_CREDENTIALS", str(tmp_path))
    (tmp_path / "token").write_text("jwt-of-pod\n")
    server = upstream((200, {"accessToken": "a"}, {}), OK)
    api = machine_login(InfisicalApi(server.api._url.geturl()), bootstrap)
    api.get("/api/x")
    assert server.asked == [
        ("POST", f"/api/v1/auth/{path}/login", sent, ""),
        ("GET", "/api/x", None, "Bearer a"),
    ]


def test_nobody_logs_in_before_the_bootstrap_has_ended() -> None:
    with pytest.raises(Failed, match="neither identityId nor clientId"):
        machine_login(InfisicalApi("http://127.0.0.1:1"), {})


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_log_in_that_only_the_bootstrap_can_mend_says_so(upstream: Callable[..., Upstream], status: int) -> None:
    server = upstream((status, {"message": "Invalid credentials"}, {}))
    with pytest.raises(Failed, match="the stack's own identity can't log in: Invalid credentials") as caught:
        stack_login(server.api, {"clientId": "c", "clientSecret": "hunter2"}, "acme-infisical")
    assert (
        "`kubectl delete job bootstrap -n acme-infisical`, `make refresh STACK=NAME`, `pulumi up --stack NAME`"
        in str(caught.value)
    )
    assert "hunter2" not in str(caught.value)
