"""The commands that messages tell a user to type. Each names its stack, so it can't act on a different one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

_READS_STACK_FILE = ("config", "preview", "up", "refresh", "destroy")


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands for one stack of one project. Keys have the form of `pulumi config --path`: infisical.siteUrl."""

    project: str
    stack: str
    config_file: Path | None = None  # default: Pulumi.<stack>.yaml

    def set(self, key: str, value: str = "VALUE", *, secret: bool = False, text: bool = False) -> str:
        """Return the command that sets a key. A secret's value is left out, so that Pulumi asks for it.

        Inside a section Pulumi makes a number or a switch of what looks like one, unless it is `text`.
        """
        kind = "--type string " if text else ""
        what = f"--secret {self._key(key)}" if secret else f"{kind}{self._key(key)} {value}"
        return f"{self._config('set', key)} {what}"

    def remove(self, key: str) -> str:
        """Return the command that removes a key from the stack file."""
        return f"{self._config('rm', key)} {self._key(key)}"

    def pulumi(self, command: str) -> str:
        """Return `pulumi COMMAND` on the stack."""
        words = [f"pulumi {command} --stack {shlex.quote(self.stack)}"]
        if self.config_file and command.partition(" ")[0] in _READS_STACK_FILE:
            words.append(f"--config-file {shlex.quote(str(self.config_file))}")
        return " ".join(words)

    def make(self, target: str, **variables: str) -> str:
        """Return `make TARGET` on the stack, with variables: make("charts", CHART="path")."""
        words = {"STACK": self.stack} | variables
        return " ".join([f"make {target}", *(f"{name}={shlex.quote(value)}" for name, value in words.items())])

    def _config(self, verb: str, key: str) -> str:
        return self.pulumi(f"config {verb}") + (" --path" if "." in key or "[" in key else "")

    def _key(self, key: str) -> str:
        text = key.replace("'", "'\"'\"'")
        return f"'{self.project}:{text}'"
