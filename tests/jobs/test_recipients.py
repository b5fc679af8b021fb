"""Whom a backup is encrypted to: keys that can't be used, that end, and that hide behind another one."""

import calendar
import itertools
import subprocess
import time
from pathlib import Path

import pytest
from backup_bench import Bench, gpg

AGO, OPEN = ["--faked-system-time", "20200101T000000"], ["--passphrase", ""]


def test_a_recipient_that_can_not_be_encrypted_to(bench: Bench) -> None:
    armour = "-----{} PGP PUBLIC KEY BLOCK-----\n"
    bench.file("store/recipient-1.asc", f"{armour.format('BEGIN')}\nbm8=\n{armour.format('END')}")
    done = bench.back_up()
    assert done.status == 1
    assert "recipient-1.asc" in done.last_line
    assert bench.objects == []


@pytest.mark.parametrize(("usage", "expires", "ends"), [("sign", "never", 1), ("encr", "never", 0), ("encr", "1", 0)])
def test_a_recipient_has_to_be_able_to_encrypt_now(
    bench: Bench, tmp_path: Path, usage: str, expires: str, ends: int
) -> None:
    """`gpg --quick-generate-key NAME rsa4096` makes a key that only signs, and any key may have an end."""
    home = tmp_path / "keys"
    make_key(home, usage, expires, ago=expires != "never")
    bench.file("store/recipient-1.asc", gpg(home, "--armor", "--export"))
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    done = bench.back_up()
    assert done.status == ends, done.output
    if ends:
        assert "in backup.recipients can't encrypt: it was revoked, or signs alone" in done.last_line
        assert bench.objects == []


def test_a_recipient_whose_key_expires_is_left_out_aloud(bench: Bench, tmp_path: Path) -> None:
    """One of several must not stop every backup and upgrade. Without anybody there is no backup."""
    [lasting] = fingerprints(bench.owner)
    whole, subkey, soon = tmp_path / "whole", tmp_path / "subkey", tmp_path / "soon"
    expired = make_key(whole, "encr", "1", ago=True)
    signing = make_key(subkey, "sign", "never", ago=True)
    gpg(subkey, *AGO, *OPEN, "--quick-add-key", signing, "rsa2048", "encr", "1")
    ending = make_key(soon, "sign", "40d")
    for days in ("10d", "30d"):
        gpg(soon, *OPEN, "--quick-add-key", ending, "rsa2048", "encr", days)
    for number, home in enumerate((whole, subkey, soon), 1):
        bench.file(f"store/recipient-{number}.asc", gpg(home, "--armor", "--export"))
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    done = bench.back_up()
    assert done.status == 0, done.output
    assert f"NOT encrypted to {expired}, {signing}, which expired" in done.last_line
    assert bench.manifest()["recipients"] == [lasting, ending]
    status = bench.status
    assert (status["recipients"], status["recipientsExpired"]) == (f"{lasting} {ending}", f"{expired} {signing}")
    at, _, whose = status["recipientsEnd"].partition(" ")
    left = calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) - time.time()
    assert (whose, round(left / 86400)) == (ending, 30), "the newer subkey encrypts until then"
    for number in (0, 3):
        (bench.store / f"recipient-{number}.asc").unlink()
    done = bench.back_up()
    assert done.status == 1
    assert f"every key in backup.recipients has expired: {expired}, {signing}" in done.last_line
    bench.file("store/recipient-0.asc", gpg(bench.owner, "--armor", "--export"))
    for number in (1, 2):
        (bench.store / f"recipient-{number}.asc").unlink()
    assert bench.back_up().status == 0
    assert not {"recipientsExpired", "recipientsEnd"} & bench.status.keys()


def test_a_recipient_of_two_keys_is_refused(bench: Bench, tmp_path: Path) -> None:
    """GnuPG would encrypt to the first alone, without a word."""
    home = tmp_path / "both"
    keys = [make_key(home, "encr", "never", name=name) for name in ("one", "two")]
    bench.file("store/recipient-1.asc", gpg(home, "--armor", "--export"))
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    done = bench.back_up()
    assert done.status == 1
    assert "recipient-1.asc in backup.recipients holds 2 keys" in done.last_line
    assert all(key in done.last_line for key in keys)
    assert "gpg --armor --export" in done.last_line


def make_key(home: Path, usage: str, expires: str, *, ago: bool = False, name: str = "ops") -> str:
    """Make a key without a passphrase, if need be years ago. Return its fingerprint."""
    home.mkdir(mode=0o700, exist_ok=True)
    gpg(home, *(AGO if ago else []), *OPEN, "--quick-generate-key", f"{name}@example.org", "rsa2048", usage, expires)
    return fingerprints(home)[-1]


def fingerprints(home: Path) -> list[str]:
    lines = [line.split(":") for line in gpg(home, "--with-colons", "--list-keys").splitlines()]
    return [after[9] for fields, after in itertools.pairwise(lines) if fields[0] == "pub" and after[0] == "fpr"]
