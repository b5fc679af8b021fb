"""Encrypt and decrypt with GnuPG, without an agent and without a keyring that stays.

A backup can be opened by the private key of each recipient, none of which is in the cluster, and by a passphrase that
only the cluster and the stack's state have: with it a rehearsal and a restore in place need no private key.
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bounded_program import Deadline, run_program
from job import Failed

_QUIET = ["--no-options", "--batch", "--no-tty", "--quiet"]
_OPTIONS = [*_QUIET, "--trust-model", "always"]
# Left to itself GnuPG asks its agent how many rounds take a tenth of a second, and the image may have no agent. The
# passphrase is as long as a key, so rounds would make it no safer.
_SEAL = ["--no-autostart", "--compress-algo", "none", "--cipher-algo", "AES256", "--s2k-count", "65536"]


def recipients(folder: Path) -> list[Path]:
    """Return the files of the recipients' public keys."""
    return sorted(folder.glob("recipient-*"))


def fingerprints(keys: Sequence[Path], deadline: Deadline) -> list[str]:
    """Return the fingerprint of each key, as the manifest names whom a backup is encrypted to."""
    with _home() as home:
        return [_fingerprint(key, home, deadline) for key in keys]


def seal(plain: Path, sealed: Path, keys: Sequence[Path], passphrase: Path, deadline: Deadline) -> None:
    """Encrypt a file to all keys and to the passphrase."""
    to = [word for key in keys for word in ("--recipient-file", str(key))]
    options = ["--symmetric", *_passphrase(passphrase), "--encrypt", *to, "--output", str(sealed)]
    with _home() as home:
        run_program(["gpg", *_OPTIONS, *_SEAL, *options, str(plain)], deadline, environment=home)


def unseal(sealed: Path, plain: Path, passphrase: Path, identity: Path | None, deadline: Deadline) -> None:
    """Decrypt a file with the private key where one is given, else with the cluster's passphrase. Raises Failed."""
    with _home() as home:
        if identity is None:
            options = ["--no-autostart", *_passphrase(passphrase)]
            program = "gpg"
        else:
            # GnuPG 1 needs no agent for a private key; it knows RSA alone.
            program = next((name for name in ("gpg1", "gpg") if shutil.which(name)), "gpg")
            options = []
            run_program([program, *_OPTIONS, "--import", str(identity)], deadline, environment=home)
        try:
            run_program(
                [program, *_OPTIONS, *options, "--output", str(plain), "--decrypt", str(sealed)],
                deadline,
                environment=home,
            )
        except Failed as error:
            key = "the private key in restoreIdentity" if identity else "this stack's passphrase"
            raise Failed(f"{key} does not open it: {error}") from error


def _passphrase(file: Path) -> list[str]:
    return ["--pinentry-mode", "loopback", "--passphrase-file", str(file)]


def _fingerprint(key: Path, home: dict[str, str], deadline: Deadline) -> str:
    # With a trust model, GnuPG 2.2 dies of an expired key, because the new home has no trust database.
    command = ["gpg", *_QUIET, "--no-autostart", "--with-colons", "--show-keys", str(key)]
    listing = run_program(command, deadline, environment=home)
    lines = [line.split(":") for line in listing.splitlines()]
    found = [fields[9] for fields in lines if fields[0] == "fpr"]
    if not found:
        raise Failed(f"{key.name} holds no OpenPGP key: see backup.recipients")
    # A capital E: the key as a whole can encrypt, now.
    if not any(fields[0] == "pub" and "E" in fields[11] for fields in lines):
        raise Failed(
            f"the key {found[0]} in backup.recipients can't encrypt: it has expired, or signs alone, as a key of "
            "`gpg --quick-generate-key NAME rsa4096` does. For one that can: "
            "`gpg --quick-generate-key NAME rsa4096 encr never`"
        )
    return found[0]


@contextmanager
def _home() -> Generator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield {"GNUPGHOME": folder, "LC_ALL": "C"}
        if shutil.which("gpgconf") and os.listdir(folder):
            # An agent that the import has started would outlive it.
            run_program(["gpgconf", "--kill", "all"], Deadline(10), environment={"GNUPGHOME": folder})
