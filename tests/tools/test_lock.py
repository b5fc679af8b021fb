"""Whose lock `make repair` is about to cancel, and whom it asks."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations import repair
from operations.errors import OperationError
from operations.lock import ask_before_release, holders
from operations.pulumi import PROJECT
from tests.tools.fake_stack import FakeStack
from tests.tools.test_repair import YES, KilledStack

HELD = {"pid": 7, "username": "ann", "hostname": "laptop", "timestamp": "2026-11-28T09:00:00Z"}
# `pulumi stack`, of a stack in Pulumi Cloud.
IDLE = "Current stack is prod:\n    Owner: acme\n    Last updated: 2 hours ago (…)\n"
BUSY = (
    "Current stack is prod:\n    Owner: acme\n    Update in progress:\n\tStarted: 5 minutes ago\n\tRequested By: ann\n"
)


@dataclass(frozen=True)
class Kept(FakeStack):
    """A stack whose state is at an address, and what `pulumi stack` says of it."""

    address: str = "s3://state"
    said: str = ""

    @property
    def backend(self) -> str:
        return self.address

    def run(self, *arguments: str, input: str = "") -> str:
        return self.said if arguments == ("stack",) else super().run(*arguments, input=input)


def locked(folder: Path, *path: str, content: str = json.dumps(HELD)) -> Kept:
    file = folder.joinpath(".pulumi", "locks", *path, "a.json")
    file.parent.mkdir(parents=True)
    file.write_text(content)
    return Kept(address=f"file://{folder}")


@pytest.mark.parametrize("path", [("organization", PROJECT, "prod"), ("prod",)])
def test_a_folder_tells_who_holds_the_lock(tmp_path: Path, path: Sequence[str]) -> None:
    assert holders(Kept(address=f"file://{tmp_path}")) == []
    assert holders(locked(tmp_path, *path)) == ["ann@laptop (pid 7), since 2026-11-28T09:00:00Z"]
    assert holders(Kept(name="staging", address=f"file://{tmp_path}")) == []


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_lock_that_can_not_be_read_is_one(tmp_path: Path, content: str) -> None:
    held = locked(tmp_path, "organization", PROJECT, "prod", content=content)
    assert holders(held) == ["a run whose lock file can't be read: a.json"]


def test_pulumi_cloud_tells_it_too_and_a_bucket_does_not() -> None:
    assert holders(Kept(address="https://app.pulumi.com/acme", said=IDLE)) == []
    assert holders(Kept(address="https://app.pulumi.com/acme", said=BUSY)) == ["ann, begun 5 minutes ago"]
    assert holders(Kept()) is None


def answers(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    """Have somebody answer at a terminal, or nobody be there."""

    def asked(_: str) -> str:
        assert answer is not None
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None)
    monkeypatch.setattr("builtins.input", asked)


@pytest.mark.parametrize(("answer", "stays"), [("", True), ("n", True), ("y", False), (" Yes ", False)])
def test_a_person_is_asked_before_a_held_lock_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, stays: bool
) -> None:
    held = locked(tmp_path, "organization", PROJECT, "prod")
    answers(monkeypatch, answer)
    if stays:
        with pytest.raises(OperationError, match=r"^the lock stays, and nothing was changed$"):
            ask_before_release(held, yes=False)
    else:
        ask_before_release(held, yes=False)
    assert "held by\n  ann@laptop (pid 7), since" in capsys.readouterr().out


def test_where_nobody_is_there_to_ask_only_yes_or_a_free_lock_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, None)
    ask_before_release(Kept(address=f"file://{tmp_path}"), yes=False)
    assert capsys.readouterr().out == ""
    for stack in (Kept(), locked(tmp_path, "organization", PROJECT, "prod")):
        with pytest.raises(OperationError, match=r"nothing was changed.*`make repair STACK=prod OPTIONS=--yes`"):
            ask_before_release(stack, yes=False)
        ask_before_release(stack, yes=True)


def test_a_repair_touches_nothing_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = KilledStack()
    answers(monkeypatch, "n")
    with pytest.raises(OperationError, match="the lock stays"):
        repair.run(stack, type(YES)(yes=False))
    assert (stack.log, stack.ran) == ([], [])
