"""Encrypt and decrypt with GnuPG, without an agent and without a keyring that stays.

A backup can be opened by the private key of each recipient, none of which is in the cluster, and by a passphrase that
only the cluster and the stack's state have: with it a rehearsal and a restore in place need no private key.
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bounded_program import Deadline, run_program
from job import Failed

_QUIET = ["--no-options", "--batch", "--no-tty", "--quiet"]
_OPTIONS = [*_QUIET, "--trust-model", "always"]
# Left to itself GnuPG asks its agent how many rounds take a tenth of a second, and the image may have no agent. The
# passphrase is as long as a key, so rounds would make it no safer.
_SEAL = ["--no-autostart", "--compress-algo", "none", "--cipher-algo", "AES256", "--s2k-count", "65536"]


@dataclass(frozen=True)
class Recipient:
    """Somebody whose private key opens a backup. ends: when the key expires, in seconds since 1970; None is never."""

    file: Path
    fingerprint: str
    expired: bool
    ends: int | None


def recipients(folder: Path, deadline: Deadline) -> list[Recipient]:
    """Return the recipients in the order of the settings. Raises Failed for a key that never could be encrypted to."""
    with _home() as home:
        return [_recipient(file, home, deadline) for file in sorted(folder.glob("recipient-*"))]


def seal(plain: Path, sealed: Path, people: Sequence[Recipient], passphrase: Path, deadline: Deadline) -> None:
    """Encrypt a file to all these people and to the passphrase."""
    to = [word for each in people for word in ("--recipient-file", str(each.file))]
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


def _recipient(file: Path, home: dict[str, str], deadline: Deadline) -> Recipient:
    # With a trust model, GnuPG 2.2 dies of an expired key, because the new home has no trust database.
    command = ["gpg", *_QUIET, "--no-autostart", "--with-colons", "--show-keys", str(file)]
    listing = run_program(command, deadline, environment=home)
    lines = [line.split(":") for line in listing.splitlines()]
    whole = [fields for fields in lines if fields[0] == "pub"]
    # Each primary key and each subkey has one, on the line that follows.
    named = [after[9] for n, after in enumerate(lines) if after[0] == "fpr" and lines[n - 1][0] == "pub"]
    if not named:
        raise Failed(f"{file.name} holds no OpenPGP key: see backup.recipients")
    if len(whole) > 1:  # GnuPG takes the first of a file, and says nothing of the others
        raise Failed(
            f"{file.name} in backup.recipients holds {len(whole)} keys, and a backup would be encrypted to the first "
            f"alone: {', '.join(named)}. Give each a recipient of its own, by fingerprint: "
            f"`gpg --armor --export {named[0]}`"
        )
    encrypting = [fields for fields in lines if fields[0] in ("pub", "sub") and "e" in fields[11]]
    # A capital E: the key as a whole can encrypt, now.
    able = "E" in whole[0][11]
    if not able and not any(fields[1] == "e" for fields in encrypting):
        raise Failed(
            f"the key {named[0]} in backup.recipients can't encrypt: it was revoked, or signs alone, as a key of `gpg "
            "--quick-generate-key NAME rsa4096` does. For one that can: "
            "`gpg --quick-generate-key NAME rsa4096 encr never`"
        )
    return Recipient(file, named[0], not able, _end(whole[0], encrypting))


def _end(whole: Sequence[str], encrypting: Sequence[Sequence[str]]) -> int | None:
    """Return when the last of the keys that encrypt ends, or the whole before it."""
    ends = [int(fields[6]) if fields[6] else None for fields in encrypting if fields[1] not in ("e", "r")]
    known = [int(whole[6])] if whole[6] else []
    if ends and None not in ends:
        known.append(max(end for end in ends if end))
    return min(known, default=None)


@contextmanager
def _home() -> Generator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield {"GNUPGHOME": folder, "LC_ALL": "C"}
        if shutil.which("gpgconf") and os.listdir(folder):
            # An agent that the import has started would outlive it.
            run_program(["gpgconf", "--kill", "all"], Deadline(10), environment={"GNUPGHOME": folder})
