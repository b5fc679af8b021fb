"""Do in the database what *Generate new key* in Infisical's admin panel does."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE, _TAG = 12, 16
ACTIVE = "00000000-0000-0000-0000-000000000000"
SEALED = f"select encode(\"encryptedRootKey\", 'hex') from kms_root_config where id = '{ACTIVE}'"


def stage(sealed: str, key: str, new: str) -> str:
    """Return the statement that adds a copy of the root key under `new`; `sealed` is what SEALED selects."""
    copy = bytes.fromhex(sealed)
    nonce, tag, text = copy[:_NONCE], copy[_NONCE : _NONCE + _TAG], copy[_NONCE + _TAG :]
    root = AESGCM(key.encode()).decrypt(nonce, text + tag, None)
    nonce = os.urandom(_NONCE)
    again = AESGCM(new.encode()).encrypt(nonce, root, None)
    written = nonce + again[-_TAG:] + again[:-_TAG]
    return f"insert into kms_root_config (id, \"encryptedRootKey\") values (gen_random_uuid(), '\\x{written.hex()}')"
