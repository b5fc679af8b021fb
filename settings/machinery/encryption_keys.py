"""The keys that Infisical encrypts with. Upstream: backend/src/services/kms/kms-fns.ts."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from contextlib import suppress

# Variable to the setting that gives it. Where both are set, upstream opens the database with the first; the second
# still opens what older releases wrote under it, so neither may be lost.
ENCRYPTION_KEYS: Mapping[str, str] = {"ENCRYPTION_KEY": "encryptionKey", "ROOT_ENCRYPTION_KEY": "rootEncryptionKey"}


def encryption_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that an environment has, by variable, the one that opens the database first."""
    return {name: environment[name] for name in ENCRYPTION_KEYS if environment.get(name)}


def key_label(variable: str, value: str) -> str:
    """Return the label that Infisical prints for a key, in its log, its admin panel and its table kms_kek_history.

    It says nothing about the key. ENCRYPTION_KEY is used as it is written, ROOT_ENCRYPTION_KEY is decoded first.
    """
    key = value.encode()
    if variable == "ROOT_ENCRYPTION_KEY":
        with suppress(binascii.Error):  # what a foreign Secret holds may be no key at all
            key = base64.b64decode(value)
    return hashlib.sha256(b"infisical:kek-fingerprint:v1" + key).hexdigest()[:32]
