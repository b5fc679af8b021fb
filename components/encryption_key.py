"""Refuses to change the key under which everything in the database is encrypted."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime import invoke

from components.names import INFISICAL_SECRET

# Variable to the setting that gives it. Infisical encrypts with the first that is set.
_SETTINGS = {"ROOT_ENCRYPTION_KEY": "rootEncryptionKey", "ENCRYPTION_KEY": "encryptionKey"}


class KeyChangeError(Exception):
    """The stack's settings would replace the key that its data is encrypted under. Says how to keep it."""


def generated(name: str) -> str:
    """Logical name of the RandomPassword that stands in where no key is given, of the InfisicalSecrets `name`."""
    return f"{name}-encryption-key"


def keep(given: Mapping[str, str], name: str, *, replaceable: str | None) -> None:
    """Compares the key that the stack's state has with the one that its settings lead to, before there is a resource.

    `given` has the variables which the settings set, `name` is that of the InfisicalSecrets and of its Secret,
    `replaceable` is the fingerprint of a key that may go. Raises KeyChangeError.
    """
    state = _state()
    before = _key(_secret_data(state.get(f"kubernetes:core/v1:Secret::{name}", {})))
    made = state.get(f"random:index/randomPassword:RandomPassword::{generated(name)}", {}).get("result")
    after = _key(given) or ("ENCRYPTION_KEY", made)
    if before in (None, after) or _fingerprint(before) == replaceable:
        return
    stack = f"--stack {pulumi.get_stack()}"
    config = f"'{pulumi.get_project()}:{_SETTINGS[after[0]]}'"
    if before[1] == made:
        way_back = f"That one was generated, so set none: pulumi config rm {stack} {config}"
    else:
        old = f"'{pulumi.get_project()}:{_SETTINGS[before[0]]}'"
        way_back = (
            f"Set it again, {before[0]} of Secret {INFISICAL_SECRET} has it: pulumi config set {stack} --secret {old}"
        )
    raise KeyChangeError(
        f"{_SETTINGS[after[0]]}: this stack's data is encrypted under another key, without which nobody can read it. "
        f"{way_back}. If the data may go: pulumi config set {stack} --path "
        f"'{pulumi.get_project()}:infisical.replaceEncryptionKey' {_fingerprint(before)}"
    )


def _state() -> dict[str, dict[str, Any]]:
    """Outputs by "type::name", secrets decrypted, as the last update left them."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    resources = _resources(stack)
    return {f"{r['type']}::{urn.rpartition('::')[2]}": r["outputs"] for urn, r in resources.items()}


def _resources(stack: str, attempts: int = 5) -> dict[str, dict[str, Any]]:
    """By URN. Read again when the engine was writing it, as it does once it has made a new stack.

    A backend of files replaces the state at once, but not the small file of attributes beside it (gocloud.dev's
    fileblob, setAttrs), which is empty for a moment: "failed to load checkpoint: EOF".
    """
    try:
        answer = invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    except Exception as error:  # Pulumi raises nothing narrower
        if attempts == 1 or "failed to load checkpoint" not in str(error):
            raise
        return _resources(stack, attempts - 1)
    return answer["outputs"] if answer else {}


def _secret_data(outputs: Mapping[str, Any]) -> dict[str, str]:
    encoded: Mapping[str, str] = outputs.get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in encoded.items()}


def _key(environment: Mapping[str, str]) -> tuple[str, str] | None:
    return next(((name, environment[name]) for name in _SETTINGS if environment.get(name)), None)


def _fingerprint(key: tuple[str, str]) -> str:
    return hashlib.sha256("=".join(key).encode()).hexdigest()[:12]
