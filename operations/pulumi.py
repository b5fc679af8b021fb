"""Read and change a stack's configuration and state through the Pulumi CLI."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

import settings
from operations.child_process import outlast
from operations.errors import OperationError
from settings import Settings

ROOT = Path(__file__).parent.parent
_READING = frozenset({"config", "preview"})  # commands that leave the state as it is
_UNREADABLE = "failed to load checkpoint"
PROJECT: str = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["name"]


@dataclass(frozen=True)
class Stack:
    """A stack of this project, with backend and passphrase from the environment, as `pulumi` itself takes them."""

    name: str
    config_file: Path | None = None  # default: Pulumi.<name>.yaml

    @property
    def file(self) -> Path:
        """Return the stack file. Organisation and project, before the stack's name, are no part of its name."""
        return self.config_file or ROOT / f"Pulumi.{self.name.rpartition('/')[2]}.yaml"

    @property
    def commands(self) -> settings.Commands:
        """Return commands on this stack, for messages."""
        return settings.Commands(PROJECT, self.name, self.config_file)

    @property
    def backend(self) -> str:
        """Return the address of the backend, as file:///state or https://api.pulumi.com. Raises OperationError."""
        asked = ("whoami", "--json")
        return json.loads(self._done(asked, [_program(), *asked, "--non-interactive"]))["url"]

    @cached_property
    def configuration(self) -> Mapping[str, Any]:
        """Return keys (without "project:") and values, secrets decrypted. Never print them. Raises OperationError."""
        return _values(self._entries)

    @cached_property
    def visible(self) -> Mapping[str, Any]:
        """Return `configuration` with None for what is encrypted. This needs no passphrase. Raises OperationError."""
        return _values(_own(self.run("config", "--json")))

    @cached_property
    def secret_keys(self) -> frozenset[str]:
        """Return the keys whose value, or part of it, is encrypted. Raises OperationError."""
        return frozenset(key for key, entry in self._entries.items() if entry["secret"])

    @cached_property
    def _entries(self) -> Mapping[str, Any]:
        return _own(self.run("config", "--json", "--show-secrets"))

    @cached_property
    def exported(self) -> str:
        """Return the state as it is when it is first asked for. Secrets stay encrypted. Raises OperationError."""
        return self.run("stack", "export")

    @property
    def deployment(self) -> dict[str, Any]:
        """Return what `exported` says, empty for a new stack. The caller may change it. Raises OperationError."""
        return json.loads(self.exported).get("deployment") or {}

    @cached_property
    def decrypted(self) -> Mapping[str, Any]:
        """Return `deployment` with its secrets, each marked as one. Never print it. Raises OperationError."""
        return json.loads(self.run("stack", "export", "--show-secrets")).get("deployment") or {}

    def replace_deployment(self, deployment: Mapping[str, Any]) -> None:
        """Import a changed state. Raises OperationError."""
        self.run("stack", "import", input=json.dumps(json.loads(self.exported) | {"deployment": deployment}))

    def forget_state(self) -> None:
        """Have the state read again when it is next asked for: a command has changed it, or somebody else may have."""
        for name in ("exported", "decrypted"):
            self.__dict__.pop(name, None)

    @property
    def owned(self) -> frozenset[tuple[str, str]]:
        """Return type and id of every resource in the state. Raises OperationError."""
        return frozenset((entry["type"], entry.get("id", "")) for entry in self.deployment.get("resources") or [])

    def settings(self) -> Settings:
        """Return what the stack says, as the program will read it. Raises OperationError with all that is wrong."""
        values = {f"{PROJECT}:{key}": entry["value"] for key, entry in self._entries.items()}
        try:
            return settings.load(self.commands, values, [f"{PROJECT}:{key}" for key in self.secret_keys], self.file)
        except settings.SettingsError as error:
            raise OperationError(str(error)) from None

    def set(self, key: str, value: str, *, secret: bool, text: bool = False) -> None:
        """Set a value over a pipe, because every process sees command lines. Raises OperationError.

        Inside a section, a plain value that looks like a number or a switch becomes one, unless `text` is set. Only
        then, because Pulumi takes `--type` or `--plaintext`, and without the latter a name like passphraseLabel for
        that of a secret.
        """
        options = ["--secret"] if secret else ["--type", "string"] if text and _typed(value) else ["--plaintext"]
        path = ["--path"] if "." in key else []
        # Pulumi removes one line break at the end, so a PEM needs a second one.
        self.run("config", "set", *options, *path, f"{PROJECT}:{key}", input=f"{value}\n")
        self._forget_configuration()

    def remove(self, key: str) -> None:
        """Take a key out of the stack file. Raises OperationError."""
        self.run("config", "rm", "--path", f"{PROJECT}:{key}")
        self._forget_configuration()

    def run(self, *arguments: str, input: str = "") -> str:
        """Run `pulumi ARGUMENTS` on the stack and return its stdout. Raises OperationError with Pulumi's own words."""
        return self._done(arguments, self._command(arguments), input)

    def _done(self, arguments: Sequence[str], command: Sequence[str], input: str = "") -> str:
        done = subprocess.run(command, cwd=ROOT, input=input, capture_output=True, text=True)
        if done.returncode:
            reason = _words(done)
            mend = f"; `{self.commands.make('repair')}` mends a state that was cut off" if _UNREADABLE in reason else ""
            raise OperationError(f"{self._failed(arguments)}: {reason}{mend}")
        return done.stdout

    def show(self, *arguments: str) -> None:
        """Run `pulumi ARGUMENTS` on the stack and show its output. Raises OperationError."""
        process = subprocess.Popen(self._command(arguments, asks=True), cwd=ROOT, text=True)
        outlast(process)
        if process.returncode:
            raise OperationError(self._failed(arguments))

    def _forget_configuration(self) -> None:
        for cached in ("configuration", "visible", "secret_keys", "_entries"):
            self.__dict__.pop(cached, None)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pulumi ARGUMENTS` on the stack, with all of its output in one pipe. Raises OperationError."""
        out, err = subprocess.PIPE, subprocess.STDOUT
        # A session of its own, or a terminal's interrupt would reach Pulumi twice, and the second one is a kill.
        return subprocess.Popen(
            self._command(arguments), cwd=ROOT, stdout=out, stderr=err, text=True, start_new_session=True
        )

    def _command(self, arguments: Sequence[str], *, asks: bool = False) -> list[str]:
        if arguments[0] not in _READING and tuple(arguments[:2]) != ("stack", "export"):
            self.forget_state()  # nobody asks for the state before the command has ended
        options = ["--stack", self.name, *([] if asks else ["--non-interactive"])]
        if self.config_file and arguments[0] in ("config", "preview", "up", "refresh", "destroy"):
            options += ["--config-file", str(self.config_file)]
        return [_program(), *arguments, *options]

    def _failed(self, arguments: Sequence[str]) -> str:
        return f"`pulumi {' '.join(arguments[:2])}` on stack {self.name} failed"


def _program() -> str:
    program = shutil.which("pulumi")
    if not program:
        raise OperationError("`pulumi` is not on PATH: https://www.pulumi.com/docs/install/")
    return program


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """Return why Pulumi failed. With --json the reason is on stdout, beside the configuration."""
    with suppress(ValueError, KeyError, TypeError):
        found = [entry["message"] for entry in json.loads(done.stdout)["diagnostics"] if entry["severity"] == "error"]
        if found:
            return found[0].removeprefix("error: ").strip()
    return done.stderr.strip()


def _own(entries: str) -> Mapping[str, Any]:
    own = f"{PROJECT}:"
    return {key.removeprefix(own): entry for key, entry in json.loads(entries).items() if key.startswith(own)}


def _values(entries: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: _value(entry) for key, entry in entries.items()}


def _value(entry: Mapping[str, Any]) -> Any:
    return json.loads(entry["value"]) if entry.get("objectValue") is not None else entry.get("value")


def _typed(value: str) -> bool:
    """Return whether Pulumi makes a number or a switch of the text."""
    return bool(re.fullmatch(r"true|false|[+-]?[0-9]+", value, re.ASCII))
