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
_UNPROVEN = "so that nothing shows whether the stack's encryption key fits this backup"


def opened_by(session: Session, keys: Path) -> str:
    """Return what the key in the folder `keys` has opened. Raises Failed where it opens nothing."""
    if session.one("select to_regclass('public.kms_root_config')") == "":
        raise Failed(
            f"there is no table kms_root_config, {_UNPROVEN}. An Infisical that is too old to have one root key is "
            "upgraded where it runs, before its data move"
        )
    # A rotation in Infisical adds a copy under the new key, and keeps the one under the old key for a while.
    column = "select coalesce(string_agg(encode(\"encryptedRootKey\", 'hex'), ' '), '') from public.kms_root_config"
    copies = [bytes.fromhex(copy) for copy in session.one(column).split()]
    if not copies:
        raise Failed(f"kms_root_config has no row, {_UNPROVEN}: no server has ever started on these data")
    key = _key(keys)
    if any(_opens(key, copy) for copy in copies):
        return "the key opens the root key"
    raise Failed("the stack's encryption key does not open this backup's root key, so nothing in it can be read")


def _opens(key: bytes, sealed: bytes) -> bool:
    nonce, body = sealed[:_NONCE], sealed[_NONCE:]
    # Newer servers write the tag last; both orders are tried, because only the right one is authentic.
    for text, tag in ((body[:-_TAG], body[-_TAG:]), (body[_TAG:], body[:_TAG])):
        try:
            if len(unseal(key, nonce, text, tag)) == 32:
                return True
        except Unauthentic:
            continue
    return False


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
