"""Pulumi as operations run it: on which stack, with which file, and what when it fails or is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.errors import OperationError
from operations.pulumi import Stack
from tests.unit.harness import ROOT

STACK = Stack("acme/prod", Path("/etc/prod.yaml"))


def pulumi(folder: Path, script: str) -> None:
    """A program of that name, alone on PATH, which notes what it is asked."""
    program = folder / "pulumi"
    program.write_text(f'#!/bin/sh\nPATH=/usr/bin:/bin\nprintf "%s\\n" "$@" > {folder}/asked\n{script}\n')
    program.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_it_names_the_stack_and_its_file_where_pulumi_takes_one(folder: Path) -> None:
    pulumi(folder, "")
    STACK.show("refresh", "--yes")
    assert (folder / "asked").read_text().split() == [
        *("refresh", "--yes", "--stack", "acme/prod"),  # it may ask
        *("--config-file", "/etc/prod.yaml"),
    ]
    STACK.run("cancel", "--yes")
    assert (folder / "asked").read_text().split() == ["cancel", "--yes", "--stack", "acme/prod", "--non-interactive"]


def test_a_failure_is_one_sentence(folder: Path) -> None:
    with pytest.raises(OperationError, match="`pulumi` is not on PATH"):
        STACK.show("refresh")
    pulumi(folder, "echo 'error: the stack is locked' >&2; exit 255")
    with pytest.raises(OperationError, match=r"^`pulumi cancel --yes` on stack acme/prod failed: error: the stack"):
        STACK.run("cancel", "--yes")
    with pytest.raises(OperationError, match=r"^`pulumi refresh` on stack acme/prod failed$"):
        STACK.show("refresh")


def test_an_interrupted_pulumi_ends_what_it_has_begun(folder: Path) -> None:
    """It has got the signal as well; were it killed, the stack would stay locked."""
    end_well = f"trap 'kill $!; sleep 0.5; echo > {folder}/unlocked; exit 1' INT"  # it takes longer than Python waits
    pulumi(folder, f"tail -f /dev/null & {end_well}; echo > {folder}/begun; wait")
    # A test run in a shell's background has the signal ignored, and hands that down.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    show = f"{heed}; from operations.pulumi import Stack; Stack('prod').show('refresh')"
    process = subprocess.Popen([sys.executable, "-c", show], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not (folder / "begun").exists():
        assert time.monotonic() < end
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (folder / "unlocked").exists()
    assert b"KeyboardInterrupt" in err


def test_what_it_says_in_json_is_the_reason(folder: Path) -> None:
    """With --json its reason is on stdout, beside a configuration that nobody must see in an error."""
    said = '{"config": {"a": "value"}, "diagnostics": [{"severity": "error", "message": "error: no such key\\n"}]}'
    pulumi(folder, f"printf '%s' '{said}'; exit 1")
    with pytest.raises(OperationError, match=r"failed: no such key\Z"):
        STACK.run("preview", "--json")
    pulumi(folder, "echo '[1]'; echo broken >&2; exit 1")
    with pytest.raises(OperationError, match=r"failed: broken\Z"):
        STACK.run("preview", "--json")


CHANGING: dict[str, Callable[[Stack], object]] = {
    "show": lambda stack: stack.show("up", "--refresh"),
    "started": lambda stack: stack.started("up", "--yes").communicate(),
    "run": lambda stack: stack.run("stack", "import", input="{}"),
}


@pytest.mark.parametrize("how", CHANGING)
def test_a_state_that_a_command_changes_is_read_again(folder: Path, how: str) -> None:
    """Healing compares the cluster with it after its own `up`."""
    (folder / "state").write_text('{"deployment": {"resources": ["before"]}}')
    export = f'case "$1 $2" in "stack export") cat {folder}/state; exit;; "config "*) echo "{{}}"; exit;; esac'
    pulumi(folder, f"{export}; sed -i s/before/after/ {folder}/state")
    stack = Stack("prod")
    assert stack.decrypted == stack.deployment == {"resources": ["before"]}
    (folder / "state").write_text('{"deployment": {"resources": ["before", "more"]}}')
    assert not stack.visible
    assert stack.deployment == {"resources": ["before"]}, "a command that reads leaves what was read"
    CHANGING[how](stack)
    assert stack.decrypted == stack.deployment == {"resources": ["after", "more"]}
