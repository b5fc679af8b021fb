"""Read a whole stack's configuration and report everything that is wrong with it at once."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError, create_model
from pydantic_core import ErrorDetails

from settings.machinery.broken_rule import BROKEN_RULE, path_of
from settings.machinery.commands import Commands
from settings.machinery.finding import Finding, SettingsError, key_path
from settings.machinery.forms import NOT_QUOTED
from settings.machinery.mirror import mirrored
from settings.machinery.named_secrets import misnamed, named_in, unreadable, values
from settings.machinery.rules import RULES
from settings.machinery.schema import fields, sections_in
from settings.machinery.stack_file import found_in
from settings.machinery.types import Section
from settings.secrets import SECRETS, STRUCTURED
from settings.settings import BY_PRESENCE, Settings

_NAMES = dict(zip(Settings.by_key(), Settings.model_fields, strict=True))  # key in the stack file to field
_KEYS = frozenset(_NAMES)
_CHOICES = {("ingress", "issuer"), ("ingress", "route"), ("backup", "target")}  # sections of one kind or another
# Of settings.external and settings.applications.
_TAGS = frozenset({"<operator>", "<external>", "<text>", "<Encrypted>", "<Generated>", "<PeopleOwned>"})
_SIMILAR = 0.6  # of a project's name, for a key of ours
_MISTYPED = 0.85  # for any key
_NO_BRACKETS = {ord("<"): None, ord(">"): None}  # around the kinds of settings.external
# The values that Pulumi.yaml declares for keys that a stack doesn't have.
_ABSENT: tuple[object, ...] = ("", "{}", "[]", {}, [])


def load(
    commands: Commands,
    configuration: Mapping[str, str],
    secret_keys: Collection[str] = (),
    stack_file: Path | None = None,
) -> Settings:
    """Return the settings in `configuration`, which has "project:key" to a string, with JSON where it is structured.

    `secret_keys` are the keys, with project, of which the stack file holds at least one part encrypted. `stack_file`
    tells whether it holds all of them so. The errors name the `commands` that repair them. Raises SettingsError.
    """
    prefix = f"{commands.project}:"
    given = {
        key.removeprefix(prefix): value
        for key, value in configuration.items()
        if key.startswith(prefix)
        and not (key.removeprefix(prefix) in _KEYS and absent(key.removeprefix(prefix), value))
    }
    encrypted = {key.removeprefix(prefix) for key in secret_keys if key.startswith(prefix)}
    empty = {key for key in encrypted & SECRETS if _is_empty(key, configuration.get(f"{prefix}{key}"))}
    applications = "" if "applications" in encrypted else parsed("applications", given.get("applications", ""))
    places = dict(reversed([*named_in(applications)]))  # the first place that names a key
    named = places.keys() - _KEYS
    findings = [*_wrongly_kept(given, encrypted, named), *_empty(empty)]
    unusable = {finding.section for finding in findings}
    findings += misnamed(places, given, encrypted, _KEYS)
    of_applications = values(named, given)
    # The required sections are always there, so that what is missing is reported by the keys that a user can set.
    own: dict[str, Any] = {"infisical": {}, "ingress": {}}
    own |= {key: parsed(key, value) for key, value in given.items() if key not in unusable | named}
    if isinstance(own["ingress"], dict):
        own["ingress"] = {"issuer": {}} | cast("dict[str, Any]", own["ingress"])
    try:
        stack = Settings.model_validate(own, context=of_applications)
        sound = {name: getattr(stack, name) for key, name in _NAMES.items() if key not in unusable}
    except ValidationError as error:
        broken = [*map(_finding, error.errors(include_input=False, include_url=False))]
        stack, sound = None, sound_parts(own, unusable, of_applications)
        findings += [finding for finding in broken if finding.section not in unusable]
    # A secret in plain text is not reported as missing too.
    findings += [finding for finding in _broken_rules(sound) if finding.section not in unusable]
    findings += unreadable(sound.get("applications", {}))
    if stack_file:
        findings += found_in(stack_file, commands.project, encrypted & (SECRETS | named), given)
    strange = [*_of_strange_projects(commands, configuration)]
    if findings or strange or stack is None:
        lines = sorted([*strange, *(_line(commands, finding) for finding in sorted(set(findings)))])
        raise SettingsError("this stack's configuration can't be used:\n" + "\n".join(lines))
    return mirrored(stack, stack.pods.registry) if stack.pods.registry else stack


def absent(key: str, value: object) -> bool:
    """Return whether the value is what Pulumi.yaml declares for a key that a stack doesn't have."""
    return value == "" if key in BY_PRESENCE else value in _ABSENT


def parsed(key: str, value: Any) -> Any:
    """Return the value of a key. A section may be JSON text in the stack file; a password of digits stays text."""
    if not isinstance(value, str) or key in SECRETS - STRUCTURED:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _wrongly_kept(given: Mapping[str, str], encrypted: Collection[str], named: Collection[str]) -> Iterator[Finding]:
    for key in given.keys() - named:
        if key in SECRETS and key not in encrypted:
            yield Finding(key, "it stands in plain text in the stack file, so others may know it. Encrypt a new one")
        if key in encrypted and key not in _KEYS:
            yield Finding(key, "there is no such key, and no application takes a value {from: it}", "remove")
        elif key not in SECRETS and key in encrypted:
            reason = (
                "it holds an encrypted value, which would be in the state in plain text. Secrets have their own keys"
            )
            yield Finding(key, reason)


def _of_strange_projects(commands: Commands, configuration: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each key whose project is mistyped. Nobody reads it, so what it asks for would not be there."""
    for whole in configuration:
        project, _, key = whole.partition(":")
        likeness = difflib.SequenceMatcher(None, project, commands.project).ratio()
        if project != commands.project and likeness >= (_SIMILAR if key in _KEYS else _MISTYPED):
            remove = replace(commands, project=project).remove(key)
            reason = f"nobody reads a key of project {project}. Did you mean {commands.project}:{key}?"
            yield f"- {whole}: {reason} Remove it: {remove}"


def _is_empty(key: str, value: str | None) -> bool:
    return value == "" if key in STRUCTURED else value in _ABSENT


def _empty(keys: Collection[str]) -> Iterator[Finding]:
    """Report encrypted keys without a value. They must not count as absent, because new keys would be generated."""
    for key in keys:
        yield Finding(key, "it is encrypted and empty, as an unset variable in CI leaves it", "set")


def sound_parts(
    own: Mapping[str, Any], without: Collection[str], context: Mapping[str, SecretStr] | None = None
) -> dict[str, Any]:
    """Return what is right by itself, by field and without the keys `without`, so that rules can judge it.

    `context` has the values that applications name, where they are known.
    """
    sound: dict[str, Any] = {}
    for key, name in _NAMES.items():
        if key not in without:
            with suppress(ValidationError):
                alone = _alone(name).model_validate({key: own[key]} if key in own else {}, context=context)
                sound[name] = getattr(alone, name)
    return sound


@cache
def _alone(name: str) -> type[Section]:
    """Return a model of one key that reads it as the whole does."""
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
    """Return the fields that a rule takes."""
    return frozenset(inspect.signature(rule).parameters)


def _finding(error: ErrorDetails) -> Finding:
    of_key = error["loc"][-1:] == ("[key]",)
    *parents, last = error["loc"][:-1] if of_key else error["loc"]
    # A choice adds its tag to the location, but the stack file has no such level.
    path = [part for part in parents if part not in _TAGS] + ([] if last in _TAGS and not of_key else [last])
    if tuple(path[:2]) in _CHOICES:
        del path[2:3]
    message, kind = error["msg"].removeprefix("Value error, "), error["type"]
    if kind == BROKEN_RULE:
        path = [*path, *path_of(error.get("ctx", {}))]
    if kind == "union_tag_invalid":
        path, message = (
            [*path, "kind"],
            f"input should be {error.get('ctx', {})['expected_tags']}".translate(_NO_BRACKETS),
        )
    if kind == "union_tag_not_found":
        path, kind = [*path, "kind"], "missing"
    key = key_path(*path)
    if of_key:
        return Finding(key, message, "remove")
    if kind == "extra_forbidden":
        return Finding(key, f"there is no such key{_suggestion(path)}", "remove")
    if kind == "missing":
        return Finding(key, "required, but not set", "set")
    return Finding(key, f"{message[:1].lower()}{message[1:]}", text=kind == NOT_QUOTED)


def _line(commands: Commands, finding: Finding) -> str:
    if finding.remedy == "encrypt":
        encrypted = commands.set(finding.key.replace("extraEnvironment", "extraSecrets"), secret=True)
        told = f"- {finding.key}: {finding.reason}. Remove it: {commands.remove(finding.key)}"
        return f"{told}, and set it encrypted: {encrypted}"
    if finding.remedy == "remove":
        command = commands.remove(finding.key)
    else:
        secret = finding.secret or finding.section in SECRETS
        command = commands.set(finding.key, secret=secret, text=finding.text)
    return f"- {finding.key}: {finding.reason}. {finding.remedy.capitalize()} it: {command}"


def _suggestion(path: Sequence[str | int]) -> str:
    # A key at the wrong level is the most common mistake. Below applications, levels have names of the user's.
    levels = (known for known, _, _ in fields(Settings) if known[0] != "applications")
    elsewhere = [".".join(known) for known in levels if known[-1] == path[-1]]
    if ".".join(map(str, path)) in elsewhere:
        return " with this kind"
    close = difflib.get_close_matches(str(path[-1]), _siblings(Settings, path[:-1]), 1, 0.5)
    return f" (did you mean {(elsewhere + close)[0]}?)" if elsewhere or close else ""


def _siblings(section: type[Section], path: Sequence[str | int]) -> list[str]:
    if not path:
        return list(section.by_key())
    field = section.by_key().get(str(path[0]))
    parts = sections_in(field) if field else []
    # Where a section stands in a list or under a name of the user's, the path has that in between.
    return [name for part in parts for name in _siblings(part, path[1:]) or _siblings(part, path[2:])]
