"""Open Infisical's root key with the deployed encryption key, as each of its servers does when it starts.

Upstream: backend/src/services/kms/kms-service.ts. Everything that users store hangs on the key in this one row.
"""

import base64
import binascii
import os
from pathlib import Path

from aes_gcm import Unauthentic, unseal
from database_session import Session
from job import Failed

_NONCE, _TAG = 12, 16


def opened_by(session: Session, keys: Path) -> str:
    """Return what the key in the folder `keys` has opened. Raises Failed where it opens nothing."""
    if session.one("select to_regclass('public.kms_root_config')") == "":
        return "no root key in this release"
    column = "select encode(\"encryptedRootKey\", 'hex') from public.kms_root_config limit 1"
    sealed = bytes.fromhex(session.one(column))
    if not sealed:
        return "no root key yet"
    key = _key(keys)
    # Newer servers write the tag last; both orders are tried, because only the right one is authentic.
    body = sealed[_NONCE:]
    for text, tag in ((body[:-_TAG], body[-_TAG:]), (body[_TAG:], body[:_TAG])):
        try:
            if len(unseal(key, sealed[:_NONCE], text, tag)) == 32:
                return "the key opens the root key"
        except Unauthentic:
            continue
    raise Failed("the stack's encryption key does not open this backup's root key, so nothing in it can be read")


def _key(folder: Path) -> bytes:
    """Return the 32 bytes that servers use: ENCRYPTION_KEY as it is written, else ROOT_ENCRYPTION_KEY decoded."""
    for name in ("ENCRYPTION_KEY", "ROOT_ENCRYPTION_KEY"):
        file = folder / name
        if file.is_file():
            value = file.read_bytes()
            try:
                key = value if name == "ENCRYPTION_KEY" else base64.b64decode(value, validate=True)
            except binascii.Error:
                key = b""
            if len(key) == 32:
                return key
            raise Failed(f"{name} is not 32 bytes long, which no server accepts")
    raise Failed(f"no encryption key in {os.fspath(folder)}")
