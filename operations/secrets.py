"""List the encrypted keys of a stack: what it has, what it needs, what each is for. Nothing is decrypted."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from operations.errors import OperationError
from operations.pulumi import PROJECT, Stack
from operations.table import table
from settings import Settings
from settings.machinery.finding import Finding, SettingsError
from settings.machinery.loader import absent, needs, parsed, sound_parts
from settings.machinery.rules import RULES
from settings.machinery.stack_file import plain_leaves, written_in
from settings.secrets import SECRETS, STRUCTURED, Secrets

GENERATED = frozenset(
    {
        *("adminPassword", "encryptionKey", "authSecret", "cookieSecret", "databasePassword", "redisPassword"),
        "backupPassphrase",
    }
)
_ENTRIES = {
    "databaseReadReplicas": "databaseReadReplicas[0].uri",
    "extraSecrets": "extraSecrets.NAME",
    "generatedValues": "generatedValues.NAME",
}
_FILES = {"githubAppPrivateKey": "private-key.pem"}  # a prompt takes only one line
_OF = {"adminPassword": "organization", "backupPassphrase": "backup"}  # sections without which none is generated
_PLAIN = "PLAIN TEXT"
_IN_PLAIN_TEXT = "It stands in plain text in the stack file, so others may know it. Encrypt a new one."
_INSTEAD = {"encryptionKey": "rootEncryptionKey", "rootEncryptionKey": "encryptionKey"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An encrypted key: whether the stack has it, what it is for, and what to do."""

    name: str
    state: str
    purpose: str
    command: str = ""
    wrong: bool = False


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Print the table. Return 1 when something is missing or can't be told, otherwise 0. Raises OperationError."""
    keys, unreadable = examine(stack)
    rows = [("KEY", "STATE", "FOR")]
    for key in keys:
        rows.append((key.name, key.state, key.purpose))
        if key.command:
            rows.append(("", "", key.command))
    print("\n".join(table(rows)))
    print()
    wrong = [key.name for key in keys if key.wrong]
    if wrong:
        print(f"to be put right: {', '.join(wrong)}")
    if unreadable:
        print(
            f"which secrets {' and '.join(unreadable)} will need can't be told before it is valid: "
            f"`{stack.commands.pulumi('preview')}` says what is wrong with it"
        )
    if not wrong and not unreadable:
        print("nothing is missing")
    return int(bool(wrong or unreadable))


def examine(stack: Stack) -> tuple[list[Key], list[str]]:
    """Return all encrypted keys in the order of the settings, and the invalid plain keys that may need more of them.

    Raises OperationError.
    """
    given = {key for key, value in stack.visible.items() if not absent(key, value)}
    findings, unreadable = _judge(stack.visible, given)
    reasons = {finding.section: finding for finding in findings}
    plain = _plain_below(stack, [name for name in given if stack.visible[name] is None])
    beside = {key.name.partition(".")[0].partition("[")[0] for key in plain}
    fields = Secrets.by_key().items()
    keys = [_key(stack, name, field.description or "", given, reasons) for name, field in fields if name not in beside]
    return [*keys, *plain], unreadable


def _plain_below(stack: Stack, encrypted: Collection[str]) -> list[Key]:
    """Return what stands in plain text beside an encrypted part of the same key, which Pulumi calls encrypted."""
    try:
        found = [*plain_leaves(written_in(stack.file, PROJECT), encrypted)]
    except SettingsError as error:
        raise OperationError(str(error)) from None
    return [
        Key(
            name=finding.key,
            state=_PLAIN,
            purpose=_IN_PLAIN_TEXT,
            command=stack.commands.set(finding.key, secret=True),
            wrong=True,
        )
        for finding in found
    ]


def _key(stack: Stack, name: str, purpose: str, given: set[str], findings: Mapping[str, Finding]) -> Key:
    setting = stack.commands.set(_ENTRIES.get(name, name), secret=True)
    if name in _FILES:
        setting += f" < {_FILES[name]}"
    if name in given and stack.visible[name] is not None:
        return Key(name=name, state=_PLAIN, purpose=_IN_PLAIN_TEXT, command=setting, wrong=True)
    if finding := findings.get(name):
        state, command = ("MISSING", setting) if finding.remedy == "set" else ("EXCESS", stack.commands.remove(name))
        return Key(name=name, state=state, purpose=finding.reason, command=command, wrong=True)
    if name in given:
        return Key(name=name, state="set", purpose=purpose)
    if (other := _INSTEAD.get(name)) in given:
        return Key(name=name, state="replaced", purpose=f"{other} is in its place.")
    if name in GENERATED and _OF.get(name, name) in {name, *given}:
        return Key(name=name, state="generated", purpose=purpose)
    return Key(name=name, state="optional", purpose=purpose, command=setting)


def _judge(visible: Mapping[str, Any], given: set[str]) -> tuple[list[Finding], list[str]]:
    """Return what the rules find when they know only which secrets there are, and the keys that keep them silent."""
    secrets = {
        name: SecretStr("0" * 32) if field.alias in given else None
        for name, field in Secrets.model_fields.items()
        if field.alias not in STRUCTURED
    }
    plain = {key: parsed(key, value) for key, value in visible.items() if key in given}
    known: dict[str, Any] = {**secrets, **sound_parts(plain, SECRETS)}
    findings: list[Finding] = []
    unreadable: set[str] = set()
    for rule in RULES:
        needed = needs(rule)
        if not needed & Secrets.model_fields.keys() <= secrets.keys() or not needed & secrets.keys():
            continue  # the rule looks into encrypted values, or is about none
        if missing := needed - known.keys():
            unreadable |= missing
        else:
            findings += rule(**{name: known[name] for name in needed})
    return findings, sorted(Settings.model_fields[name].alias or name for name in unreadable)
