"""A stack without Pulumi: answers what `pulumi config` and `pulumi stack export` would, from memory."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any

from operations.pulumi import PROJECT, Stack


class Encrypted(str):
    """A value that the stack file has encrypted."""


@dataclass(frozen=True)
class FakeStack(Stack):
    """`kept` is the stack file below `config:`, without "project:"; what is run is noted."""

    name: str = "prod"
    kept: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=lambda: {"deployment": {}})
    ran: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def backend(self) -> str:
        return "s3://state"

    def run(self, *arguments: str, input: str = "") -> str:
        self.ran.append(arguments)
        match arguments:
            case ("stack", "export"):
                return json.dumps(self.state)
            case ("config", "--json", *more):
                return json.dumps(
                    {f"{PROJECT}:{key}": _entry(value, "--show-secrets" in more) for key, value in self.kept.items()}
                )
            case ("config", "set", *options, key):
                self._set(options, _path(key) if "--path" in options else [key.removeprefix(f"{PROJECT}:")], input)
            case ("config", "rm", "--path", key):
                *parents, last = _path(key)
                section: Any = self.kept
                for parent in parents:
                    section = section[parent]
                del section[last]
            case ("stack", "export", "--show-secrets"):
                return json.dumps(self.state)
            case _:
                raise AssertionError(arguments)
        return ""

    def _set(self, options: list[str], path: list[str | int], input: str) -> None:
        text = re.sub(r"\r?\Z", "", input.removesuffix("\n"))
        value: Any = text
        if "--secret" in options:
            value = Encrypted(text)
        elif "--plaintext" not in options and "pass" in str(path[-1]):
            raise AssertionError(f"config value for {path} looks like a secret; rerun with --secret or --plaintext")
        elif len(path) > 1 and "--type" not in options:
            value = {"true": True, "false": False}.get(text, text)
            if re.fullmatch(r"0|[+-]?[1-9][0-9]{0,18}", text):
                value = int(text)
        *parents, last = path
        section: Any = self.kept
        for parent, following in zip(parents, path[1:], strict=True):
            below: Any = section.get(parent) if isinstance(section, dict) else section[parent]
            if not isinstance(below, dict | list):
                below = section[parent] = [] if isinstance(following, int) else {}
            section = below
        if isinstance(last, int) and last == len(section):
            section.append(value)
        else:
            section[last] = value

    def copy(self) -> FakeStack:
        return FakeStack(kept=copy.deepcopy(self.kept), state=self.state)

    @property
    def wrote(self) -> list[tuple[str, ...]]:
        """The commands that changed something."""
        return [command for command in self.ran if command[1] in ("set", "rm")]


def _entry(value: Any, show: bool) -> dict[str, Any]:
    secret = _has_secret(value)
    if secret and not show:
        return {"secret": True}
    if isinstance(value, dict | list):
        return {"value": json.dumps(value), "objectValue": value, "secret": secret}
    return {"value": str(value), "secret": secret}


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_secret, value.values()))
    return any(map(_has_secret, value)) if isinstance(value, list) else isinstance(value, Encrypted)


def _path(key: str) -> list[str | int]:
    parts = re.findall(r"([^.\[\]]+)", key.removeprefix(f"{PROJECT}:"))
    return [int(part) if f"[{part}]" in key else part for part in parts]
