"""What `ci/deliver.sh` does before and after Pulumi: a page for every end, and nothing of an older commit."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.delivery import command
from operations.delivery.command import Status
from operations.delivery.comment import mark
from operations.delivery.running import Ended
from operations.errors import OperationError
from operations.pulumi import Stack
from tests.tools.fake_stack import FakeStack

LOCKED = Ended(255, ["error: the stack is currently locked by 1 lock(s)."])
DONE = Ended(0, ["Resources:", "    1 unchanged"])


@pytest.fixture
def stack(tmp_path: Path) -> FakeStack:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("config: {}\n")
    return FakeStack(config_file=file)


def deliver(stack: Stack, name: str) -> int:
    return command.run(stack, argparse.Namespace(deliver=name, file=None))


@pytest.mark.parametrize("name", [*command.COMMANDS])
def test_what_ends_before_pulumi_has_a_page_too(
    name: str, stack: FakeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull request would keep the comment of the commit before."""

    def fails(*_: object) -> Status:
        raise OperationError("the cluster is away")

    monkeypatch.setattr(command, "COMMANDS", {name: fails})
    assert deliver(stack, name) == Status.FAILED
    said = capsys.readouterr()
    assert said.err == "error: the cluster is away\n"
    assert f"### `{name}` of `prod` failed\n" in said.out
    assert "the cluster is away" in said.out
    assert said.out.startswith(mark("prod")) is (name == "preview")

    assert stack.config_file
    stack.config_file.unlink()
    assert deliver(stack, name) == Status.FAILED
    assert "this checkout has no such file" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> main\n", "a: [", "\t"])
def test_a_stack_file_that_is_no_yaml_is_named(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    assert stack.config_file
    stack.config_file.write_text(content)
    assert deliver(stack, "preview") == Status.FAILED
    assert "Pulumi.prod.yaml is no YAML. A merge may have left its marks there" in capsys.readouterr().out


@dataclass
class Pulumi:
    """Ends as it is told to, and counts."""

    ends: Sequence[Ended]
    ran: int = 0

    def __call__(self, *_: object) -> Ended:
        self.ran += 1
        return self.ends[min(self.ran, len(self.ends)) - 1]


def up(
    monkeypatch: pytest.MonkeyPatch,
    stack: Stack,
    ends: Sequence[Ended],
    superseded: Sequence[str] = ("",),
    environment: Mapping[str, str] | None = None,
) -> tuple[Status, int]:
    pulumi, asked = Pulumi(ends), iter([*superseded, *[superseded[-1]] * len(ends)])
    monkeypatch.setattr(command, "run_pulumi", pulumi)
    monkeypatch.setattr(command, "why_superseded", lambda _: next(asked))
    monkeypatch.setattr(command, "_BETWEEN_TRIES", 0)
    return command.up(stack, environment or {}), pulumi.ran


def test_a_run_that_has_waited_for_a_newer_one_does_not_go_back(
    monkeypatch: pytest.MonkeyPatch, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both wait for the same lock, and nothing says who gets it first."""
    assert up(monkeypatch, stack, [LOCKED, DONE], superseded=["", "main is at 2"]) == (Status.SUPERSEDED, 1)
    assert "main is at 2" in capsys.readouterr().out
    assert up(monkeypatch, stack, [LOCKED, LOCKED, DONE]) == (Status.DONE, 3)


@pytest.mark.parametrize("said", [{}, {"DELIVER_LOCK_SECONDS": ""}])
def test_a_variable_that_nobody_has_set_is_the_default(
    monkeypatch: pytest.MonkeyPatch, stack: FakeStack, said: Mapping[str, str]
) -> None:
    """CI systems hand on an empty one."""
    assert up(monkeypatch, stack, [LOCKED, DONE], environment=said) == (Status.DONE, 2)
    assert up(monkeypatch, stack, [LOCKED], environment={"DELIVER_LOCK_SECONDS": "0"}) == (Status.LOCKED, 1)


@pytest.mark.parametrize("said", ["10m", "-1", "ten"])
def test_a_patience_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, stack: FakeStack, said: str) -> None:
    with pytest.raises(OperationError, match="DELIVER_LOCK_SECONDS: write whole seconds"):
        up(monkeypatch, stack, [DONE], environment={"DELIVER_LOCK_SECONDS": said})
