"""Refuses to change the key under which everything in the database is encrypted."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from components.base.names import INFISICAL_SECRET
from components.infisical_secrets import encryption_key_name
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings

# Variable to the setting that gives it. Infisical encrypts with the first that is set.
_SETTINGS = {"ROOT_ENCRYPTION_KEY": "rootEncryptionKey", "ENCRYPTION_KEY": "encryptionKey"}


def refuse_key_change(settings: Settings, state: LastState, commands: Commands) -> None:
    """Compare the key that the stack's state has with the one that its settings lead to.

    `infisical.replaceEncryptionKey` is the fingerprint of a key that may go. Raises Refusal, which says how to keep
    the key.
    """
    before = key_of(_secret_data(state.outputs("kubernetes:core/v1:Secret", INFISICAL_SECRET)))
    after = wanted_key(settings, state)
    if before in (None, after) or fingerprint(before) == settings.infisical.replace_encryption_key:
        return
    if before[1] == _generated(state):
        way_back = f"That one was generated, so set none: {commands.remove(_SETTINGS[after[0]])}"
    else:
        command = commands.set(_SETTINGS[before[0]], secret=True)
        way_back = f"Set it again, {before[0]} of Secret {INFISICAL_SECRET} has it: {command}"
    raise Refusal(
        f"{_SETTINGS[after[0]]}: this stack's data is encrypted under another key, without which nobody can read it. "
        f"{way_back}. If the data may go: {commands.set('infisical.replaceEncryptionKey', fingerprint(before))}"
    )


def wanted_key(settings: Settings, state: LastState) -> tuple[str, str]:
    """Return variable and value of the key that the settings lead to; the value is empty before one is generated."""
    return key_of(_given(settings)) or ("ENCRYPTION_KEY", _generated(state))


def _generated(state: LastState) -> str:
    made = state.outputs("random:index/randomPassword:RandomPassword", encryption_key_name(INFISICAL_SECRET))
    return str(made.get("result", ""))


def _given(settings: Settings) -> dict[str, str]:
    keys = {"ROOT_ENCRYPTION_KEY": settings.root_encryption_key, "ENCRYPTION_KEY": settings.encryption_key}
    return {variable: key.get_secret_value() for variable, key in keys.items() if key}


def _secret_data(outputs: Mapping[str, Any]) -> dict[str, str]:
    encoded: Mapping[str, str] = outputs.get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in encoded.items()}


def key_of(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return variable and value of the key that an environment makes Infisical use."""
    return next(((name, environment[name]) for name in _SETTINGS if environment.get(name)), None)


def fingerprint(key: tuple[str, str]) -> str:
    """Return twelve hexadecimal digits by which a key is named in settings and messages."""
    return hashlib.sha256("=".join(key).encode()).hexdigest()[:12]
