"""The commands that messages tell a user to type. Each names its stack, so that it never acts on a different one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands for one stack of one project. Keys are as `pulumi config --path` takes them: infisical.siteUrl."""

    project: str
    stack: str

    def set(self, key: str, value: str = "VALUE", *, secret: bool = False) -> str:
        """Return the command that sets a key. A secret's value is left out: Pulumi then asks for it."""
        what = f"--secret {self._key(key)}" if secret else f"{self._key(key)} {value}"
        return f"{self._config('set', key)} {what}"

    def remove(self, key: str) -> str:
        """Return the command that takes a key out of the stack file."""
        return f"{self._config('rm', key)} {self._key(key)}"

    def pulumi(self, command: str) -> str:
        """Return `pulumi COMMAND` on the stack."""
        return f"pulumi {command} --stack {shlex.quote(self.stack)}"

    def make(self, target: str, **variables: str) -> str:
        """Return `make TARGET` on the stack: make("charts", CHART="path")."""
        return " ".join([f"make {target} STACK={shlex.quote(self.stack)}", *(f"{k}={v}" for k, v in variables.items())])

    def _config(self, verb: str, key: str) -> str:
        return self.pulumi(f"config {verb}") + (" --path" if "." in key or "[" in key else "")

    def _key(self, key: str) -> str:
        return f"'{self.project}:{key}'"
