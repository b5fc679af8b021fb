"""The keys that Infisical encrypts with. Upstream: backend/src/services/kms/kms-fns.ts."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from contextlib import suppress

# Variable to the setting that gives it. When both are set, upstream opens the database with the first, and what older
# releases wrote with the second. So neither may be lost.
ENCRYPTION_KEYS: Mapping[str, str] = {"ENCRYPTION_KEY": "encryptionKey", "ROOT_ENCRYPTION_KEY": "rootEncryptionKey"}


def encryption_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of an environment by variable. The one that opens the database comes first."""
    return {name: environment[name] for name in ENCRYPTION_KEYS if environment.get(name)}


def key_label(variable: str, value: str) -> str:
    """Return the label of a key, as Infisical's log, its admin panel and its table kms_kek_history show it.

    The label does not reveal the key. ENCRYPTION_KEY is hashed as it is written, ROOT_ENCRYPTION_KEY is decoded first.
    """
    key = value.encode()
    if variable == "ROOT_ENCRYPTION_KEY":
        with suppress(binascii.Error):  # a foreign Secret may hold what is not a key
            key = base64.b64decode(value)
    return hashlib.sha256(b"infisical:kek-fingerprint:v1" + key).hexdigest()[:32]


def passphrase_label(value: str) -> str:
    """Return a label of the passphrase that opens backups, which does not reveal it: nobody can guess one."""
    return hashlib.sha256(b"infisical-platform:backup-passphrase:v1" + value.encode()).hexdigest()[:32]
