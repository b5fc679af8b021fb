"""Reads a stack's configuration whole and reports all that is wrong with it at once."""

from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast

from pydantic import ValidationError, create_model
from pydantic_core import ErrorDetails

from settings.machinery.commands import Commands
from settings.machinery.environment import fields, sections_in
from settings.machinery.finding import Finding, SettingsError
from settings.machinery.rules import RULES
from settings.machinery.types import Section
from settings.secrets import SECRETS, STRUCTURED
from settings.settings import Settings

_NAMES = dict(zip(Settings.by_key(), Settings.model_fields, strict=True))  # key in the stack file to field
_KEYS = frozenset(_NAMES)
_KINDS = {"existing", "letsEncrypt", "ingress", "gateway"}
# What Pulumi.yaml declares in the place of a key that a stack doesn't have.
ABSENT: tuple[object, ...] = ("", "{}", "[]", {}, [])


def load(commands: Commands, configuration: Mapping[str, str], secret_keys: Collection[str] = ()) -> Settings:
    """Parse `configuration`, as the engine hands it over: "project:key" to a string, JSON where it is structured.

    `secret_keys` are those, with project, that the stack file holds encrypted; `commands` put things right. Raises
    SettingsError.
    """
    prefix = f"{commands.project}:"
    given = {
        key.removeprefix(prefix): value
        for key, value in configuration.items()
        if key.startswith(prefix) and not (key.removeprefix(prefix) in _KEYS and value in ABSENT)
    }
    encrypted = {key.removeprefix(prefix) for key in secret_keys if key.startswith(prefix)}
    empty = {key for key in encrypted & SECRETS if _is_empty(key, configuration.get(f"{prefix}{key}"))}
    findings = [*_wrongly_kept(given, encrypted), *_empty(empty)]
    unusable = {finding.section for finding in findings}
    # What is missing is reported by the keys that a user can set, so the required sections are there in any case.
    own: dict[str, Any] = {"infisical": {}, "ingress": {}}
    own |= {key: parsed(key, value) for key, value in given.items() if key not in unusable}
    if isinstance(own["ingress"], dict):
        own["ingress"] = {"issuer": {}} | cast("dict[str, Any]", own["ingress"])
    try:
        stack = Settings.model_validate(own)
        sound = {name: getattr(stack, name) for key, name in _NAMES.items() if key not in unusable}
    except ValidationError as error:
        broken = [*map(_finding, error.errors(include_input=False, include_url=False))]
        stack, sound = None, sound_parts(own, unusable)
        findings += [finding for finding in broken if finding.section not in unusable]
    # A secret in plain text is called that, and not missing as well.
    findings += [finding for finding in _broken_rules(sound) if finding.section not in unusable]
    if findings or stack is None:
        lines = [_line(commands, finding) for finding in sorted(set(findings))]
        raise SettingsError("this stack's configuration can't be used:\n" + "\n".join(lines))
    return stack


def parsed(key: str, value: Any) -> Any:
    """The value of a key: a section may stand in the stack file as JSON text, a password of digits is no number."""
    if not isinstance(value, str) or key in SECRETS - STRUCTURED:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _wrongly_kept(given: Mapping[str, str], encrypted: Collection[str]) -> Iterator[Finding]:
    for key in given:
        if key in SECRETS and key not in encrypted:
            yield Finding(key, "it stands in plain text in the stack file: others may know it, so encrypt a new one")
        if key not in SECRETS and key in encrypted:
            yield Finding(
                key, "it holds an encrypted value, which would end in plain state: secrets have their own keys"
            )


def _is_empty(key: str, value: str | None) -> bool:
    return value == "" if key in STRUCTURED else value in ABSENT


def _empty(keys: Collection[str]) -> Iterator[Finding]:
    """Tell an encrypted key without a value from one that the stack doesn't have, for which one would be generated."""
    for key in keys:
        yield Finding(key, "it is encrypted and empty, which is what an unset variable leaves there", "set")


def sound_parts(own: Mapping[str, Any], without: Collection[str]) -> dict[str, Any]:
    """What is right by itself, by field, so that rules over it can speak. Nothing of the keys `without`."""
    sound: dict[str, Any] = {}
    for key, name in _NAMES.items():
        if key not in without:
            with suppress(ValidationError):
                alone = _alone(name).model_validate({key: own[key]} if key in own else {})
                sound[name] = getattr(alone, name)
    return sound


@cache
def _alone(name: str) -> type[Section]:
    """Settings of one key, read as the whole reads it."""
    field = Settings.model_fields[name]
    fields: dict[str, Any] = {name: (field.annotation, field)}
    return create_model(name, __base__=Section, **fields)


def _broken_rules(sound: Mapping[str, Any]) -> Iterator[Finding]:
    for rule in RULES:
        needed = needs(rule)
        if sound.keys() >= needed:
            yield from rule(**{name: sound[name] for name in needed})


@cache
def needs(rule: Callable[..., Iterator[Finding]]) -> frozenset[str]:
    """The fields that a rule speaks of."""
    return frozenset(inspect.signature(rule).parameters)


def _finding(error: ErrorDetails) -> Finding:
    location = [f"[{part}]" if isinstance(part, int) else part for part in error["loc"] if part != "[key]"]
    # A choice puts its tag into the location; the stack file has no such level.
    path = location[:1] + [part for part in location[1:] if part not in _KINDS]
    message, kind = error["msg"].removeprefix("Value error, "), error["type"]
    if rule := re.match(r"([a-zA-Z.]+): ", message):  # a rule within a section names the key to change
        path, message = path + rule[1].split("."), message[rule.end() :]
    if kind == "union_tag_invalid":
        path, message = [*path, "kind"], f"input should be {error.get('ctx', {})['expected_tags']}"
    if kind == "union_tag_not_found":
        path, kind = [*path, "kind"], "missing"
    key = ".".join(path).replace(".[", "[")
    if "[key]" in error["loc"]:
        return Finding(key, message, "remove")
    if kind == "extra_forbidden":
        return Finding(key, f"no such key{_suggestion(path)}", "remove")
    if kind == "missing":
        return Finding(key, "required, but not set", "set")
    return Finding(key, f"{message[:1].lower()}{message[1:]}")


def _line(commands: Commands, finding: Finding) -> str:
    if finding.remedy == "remove":
        command = commands.remove(finding.key)
    else:
        command = commands.set(finding.key, secret=finding.section in SECRETS)
    return f"- {finding.key}: {finding.reason}. {finding.remedy.capitalize()} it: {command}"


def _suggestion(path: Sequence[str]) -> str:
    # A wrong nesting is the commonest mistake of all.
    elsewhere = [".".join(known) for known, _, _ in fields(Settings) if known[-1] == path[-1]]
    close = difflib.get_close_matches(path[-1], _siblings(Settings, path[:-1]), 1, 0.5)
    return f" (did you mean {(elsewhere + close)[0]}?)" if elsewhere or close else ""


def _siblings(section: type[Section], path: Sequence[str]) -> list[str]:
    if not path:
        return list(section.by_key())
    field = section.by_key().get(path[0])
    return [name for part in (sections_in(field) if field else []) for name in _siblings(part, path[1:])]
