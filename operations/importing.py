"""Import the environment of a running Infisical into a stack's settings, from its Secret's manifest."""

from __future__ import annotations

import argparse
import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import settings
from operations.errors import OperationError
from operations.generated_secrets import generated_in, take_kept
from operations.manifest import read
from operations.pulumi import PROJECT, Stack
from operations.table import table
from operations.translation import Imported, translate
from settings.machinery.loader import absent, parsed
from settings.secrets import SECRETS

Config = dict[str, Any]  # as in the stack file, without "project:"


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Set what `arguments.file` says and the stack does not. With `arguments.overwrite`, replace what differs.

    Return 0 when the stack then says all that could be imported, and 1 when it kept values of its own. When the stack
    would be invalid with what is imported, raise OperationError before anything is set.
    """
    existing = {key: parsed(key, value) for key, value in stack.configuration.items() if not absent(key, value)}
    variables, not_text, escrow = read(arguments.file)
    generated = {name: variables.pop(name) for name in generated_in(existing) & variables.keys()}
    imported = translate(variables, existing)
    imported.left_out |= not_text
    take_kept(imported, {**escrow, "settings": {"generatedValues": generated, **escrow.get("settings", {})}}, existing)
    outcomes = {key: _outcome(existing, key, value, arguments.overwrite) for key, value in imported.values.items()}
    changes = {key: imported.values[key] for key, outcome in outcomes.items() if outcome in ("set", "replaced")}
    merged = copy.deepcopy(existing)
    for key, value in changes.items():
        _put(merged, key, value)
    _check(stack, merged, changes, imported, arguments.file)

    texts = frozenset(key for key, value in stack.configuration.items() if isinstance(value, str))
    writer = _Writer(stack, existing, merged, texts)
    rows = table([("VARIABLE", "SETTING", ""), *((imported.sources[key], key, outcomes[key]) for key in outcomes)])
    print(next(rows))
    for key, row in zip(outcomes, rows, strict=True):
        if key in changes:
            writer.set(key, changes[key])
        print(row, flush=True)
    for remark in imported.remarks:
        print(f"note: {remark}")
    for name, reason in imported.left_out.items():
        print(f"left out: {name}: {reason}")
    kept = sum(outcome == "kept" for outcome in outcomes.values())
    print(f"\n{len(changes)} set, {len(outcomes) - len(changes) - kept} already set, {kept} kept as the stack has them")
    if kept:
        again = stack.commands.make("import-secrets", FILE=str(arguments.file), OPTIONS="--overwrite")
        print(f"to take the file's values in their place: {again}")
    return int(kept > 0)


def _outcome(existing: Config, key: str, value: Any, overwrite: bool) -> str:
    current = _get(existing, key)
    if current is None:
        return "set"
    if _same(current, value):
        return "already set"
    return "replaced" if overwrite else "kept"


def _same(one: Any, other: Any) -> bool:
    """Return whether two values mean the same. Pulumi turns text into numbers, and removes line breaks at its end."""
    match one, other:
        case (list(), list()):
            return len(one) == len(other) and all(map(_same, one, other))
        case (dict(), dict()):
            return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
        case _:
            return _text(one).rstrip("\n") == _text(other).rstrip("\n")


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


def _get(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return config


def _put(config: Config, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(config.get(parent), dict):
            config[parent] = {}
        config = config[parent]
    config[last] = value


def _check(stack: Stack, merged: Config, changes: Config, imported: Imported, file: Path) -> None:
    values = {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in merged.items()
    }
    encrypted = stack.secret_keys | ({key.partition(".")[0] for key in changes} & SECRETS)
    try:
        settings.load(stack.commands, values, [f"{PROJECT}:{key}" for key in encrypted])
    except settings.SettingsError as error:
        lines = [_with_source(line, imported.sources) for line in str(error).splitlines()[1:]]
        heading = f"nothing is set: together with {file} stack {stack.name} could not be used:"
        raise OperationError("\n".join([heading, *lines])) from None


def _with_source(line: str, sources: Mapping[str, str]) -> str:
    key, colon, rest = line.removeprefix("- ").partition(": ")
    source = next((name for path, name in sources.items() if re.match(rf"{re.escape(path)}([.\[]|$)", key)), "")
    return f"- {key}{f' ({source})' if source else ''}{colon}{rest}"


@dataclass(frozen=True, slots=True)
class _Writer:
    """Set what is new in `merged`, key by key."""

    stack: Stack
    existing: Config
    merged: Config
    text_sections: frozenset[str]  # those that the stack file has as JSON text

    def set(self, key: str, value: Any) -> None:
        section = key.partition(".")[0]
        secret = section in SECRETS
        if "." in key and section in self.text_sections:  # Pulumi would throw away what is there
            self.stack.set(section, json.dumps(self.merged[section]), secret=secret)
        elif isinstance(value, list) and secret:
            self.stack.set(key, json.dumps(value), secret=True)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.stack.set(f"{key}[{index}]", str(item), secret=False)
            for index in reversed(range(len(value), len(_get(self.existing, key) or []))):
                self.stack.run("config", "rm", "--path", f"{PROJECT}:{key}[{index}]")
        else:
            self.stack.set(key, _text(value), secret=secret, text=isinstance(value, str))
