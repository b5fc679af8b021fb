"""What a delivery says, and where it writes it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from operations.delivery import comment
from operations.delivery.forge import publish
from operations.drift.found import Drift
from operations.drift.owned import Owned
from operations.drift.paths import Path as Path_
from operations.drift.paths import Writer
from operations.errors import OperationError
from operations.field_managers import key_of

TOKEN = "throwAwayForgeToken"


def step(op: str, name: str, *paths: str) -> dict[str, Any]:
    kind = "infisical-platform:components:PlatformKv$kubernetes:core/v1:ConfigMap"
    values = {"newState": {"inputs": {"data": {"a": "aValue"}}}}
    different = {path: {"kind": "update"} for path in paths}
    return {"op": op, "urn": f"urn:pulumi:prod::p::{kind}::{name}", "detailedDiff": different, **values}


def test_a_preview_says_first_what_goes() -> None:
    steps = [step("same", "z"), step("create", "n"), step("update", "u", "data.b", "data.a"), step("delete", "d")]
    steps += [step("replace", "r", "spec"), step("create-replacement", "r"), step("delete-replaced", "r")]
    page = comment.previewed("prod", {"steps": steps})
    assert page.splitlines()[1] == "### Preview of `prod`: deletes 1, replaces 1, changes 1, creates 1"
    assert "**Deletes** `d`\n" in page
    assert "**Replaces** `r`\n" in page
    assert "| changes | `u` | ConfigMap | `data.a`, `data.b` |" in page
    assert "`z`" not in page
    assert "aValue" not in page, "a value can be a secret"


def drift_of(name: str, path: Path_ = (), by: Writer | None = None) -> Drift:
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "infisical"}}
    owned = Owned(key=key_of(applied), manager="m", applied=applied, secret=frozenset(), whole=True, released=False)
    return Drift(owned=owned, path=path, expected="aValue", found="anotherValue", by=by)


def test_drift_says_what_is_gone_who_owns_what_and_how_to_heal() -> None:
    by = Writer(manager="kubectl-edit", operation="Update", subresource="", since="2026-11-26T09:00:00Z")
    drifts = [drift_of("u", ("data", "a"), by), drift_of("u", ("data", "b"), by), drift_of("d")]
    page = comment.drifted("prod", drifts)
    assert page.splitlines()[0] == "### `prod` has drifted: 2 objects"
    assert "| ConfigMap infisical/u | `data.a` | kubectl-edit | 2026-11-26T09:00:00Z |" in page
    assert "| ConfigMap infisical/d | is gone |  |  |" in page
    assert "ci/deliver.sh heal prod" in page
    assert "aValue" not in page + comment.healed("prod", drifts, drifts[:1]), "a value can be a secret"
    assert comment.drifted("prod", []) == "### `prod` has no drift"
    assert comment.healed("prod", drifts, []).startswith("### `prod` is healed: 2 objects")
    assert "`prod` was healed, and has drifted again: 1 object\n" in comment.healed("prod", drifts, drifts[2:])


def test_a_page_fits_into_a_comment() -> None:
    steps = [step("create", f"resource-{number}") for number in range(5000)]
    page = comment.previewed("prod", {"steps": steps})
    assert len(page) < 65_000
    assert page.endswith("(The rest is in the job's log.)")


@dataclass
class Server:
    """Comments as both forges keep them."""

    address: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    authorized: set[str] = field(default_factory=set)


@pytest.fixture
def server() -> Iterator[Server]:
    kept = Server()

    class Api(BaseHTTPRequestHandler):
        def answer(self) -> None:
            kept.asked.append(f"{self.command} {self.path}")
            kept.authorized.add(self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or "")
            answer: Any = kept.comments
            if self.command == "GET":
                page = int(self.path.rpartition("page=")[2])
                answer = kept.comments[(page - 1) * 100 : page * 100]
            else:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
                if self.command == "POST":
                    kept.comments.append({"id": len(kept.comments), "body": body})
                else:
                    kept.comments[int(self.path.rpartition("/")[2])]["body"] = body
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            self.answer()

        def do_PATCH(self) -> None:
            self.answer()

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        kept.address = f"http://127.0.0.1:{http.server_port}"
        yield kept
        http.shutdown()


def github(server: Server) -> dict[str, str]:
    named = {"GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": TOKEN, "GITHUB_REF": "refs/pull/7/merge"}
    return {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": server.address, **named}


def gitlab(server: Server) -> dict[str, str]:
    named = {"CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_IID": "7", "GITLAB_COMMENT_TOKEN": TOKEN}
    return {"GITLAB_CI": "true", "CI_API_V4_URL": server.address, **named}


@pytest.mark.parametrize("forge", [github, gitlab])
def test_a_pull_request_has_one_comment_a_stack(forge: Any, server: Server, tmp_path: Path) -> None:
    server.comments = [{"id": number, "body": "somebody's"} for number in range(100)]
    file = tmp_path / "preview.md"
    for text in ("first", "second"):
        file.write_text(f"{comment.mark('prod')}\n{text}\n")
        publish(file, forge(server))
    file.write_text(f"{comment.mark('staging')}\n")
    publish(file, forge(server))
    bodies = [kept["body"] for kept in server.comments[100:]]
    assert bodies == [f"{comment.mark('prod')}\nsecond\n", f"{comment.mark('staging')}\n"]
    assert server.authorized <= {f"Bearer {TOKEN}", TOKEN}
    where = "/repos/a/b/issues/7/comments" if forge is github else "/projects/1/merge_requests/7/notes"
    assert f"POST {where}" in server.asked


@pytest.mark.parametrize("forge", [github, gitlab])
def test_what_is_missing_for_a_comment_is_named(forge: Any, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "preview.md"
    file.write_text(comment.mark("prod"))
    for name in forge(server):
        given = {key: value for key, value in forge(server).items() if key != name}
        with pytest.raises(OperationError, match="comment: ") as refused:
            publish(file, given)
        assert TOKEN not in str(refused.value)
    server.address = "http://127.0.0.1:1"
    with pytest.raises(OperationError, match="refused"):
        publish(file, forge(server))
    assert server.comments == []


@pytest.mark.parametrize("forge", [github, gitlab])
@pytest.mark.parametrize("text", ["", "\n", "somebody's", None])
def test_no_comment_of_others_is_written_over(forge: Any, server: Server, tmp_path: Path, text: str | None) -> None:
    """Every comment begins with nothing, which is what a preview says that ended before it could say anything."""
    server.comments = [{"id": 0, "body": "somebody's"}]
    file = tmp_path / "preview.md"
    if text is not None:
        file.write_text(text)
    with pytest.raises(OperationError, match=r"comment: .*preview\.md"):
        publish(file, forge(server))
    assert server.comments == [{"id": 0, "body": "somebody's"}]
