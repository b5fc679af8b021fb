"""The rehearsal: the newest backup restored into a server of the Job's own, and read with the stack's key."""

import hashlib
import json
import os

import aes_gcm
import pytest
from backup_bench import KEY, LABEL, Bench, flip_a_byte
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st


def test_a_good_backup_is_proven(bench: Bench) -> None:
    assert bench.back_up().status == 0
    done = bench.rehearse()
    assert done.status == 0, done.output
    major = bench.postgres.major_version
    proof = f"6 rows in 4 tables, 2 indexes sound, the key opens the root key, PostgreSQL {major}"
    assert done.last_line.endswith(proof)
    status = bench.status
    assert (status["rehearsal"], status["rehearsedName"]) == (proof, status["lastName"])
    assert status["rehearsedKeyLabel"] == LABEL
    assert list((bench.folder / "tmp").iterdir()) == [], "the server and its data are gone"


def test_the_backup_of_a_server_that_moves_in_is_proven_and_no_younger_one(bench: Bench) -> None:
    assert bench.back_up(before="00000001").status == 0
    moved = bench.manifest()["name"]
    younger = "infisical-29991231T235959Z-00000002"
    for end in (".json", ".dump.gpg"):
        (bench.volume / f"{younger}{end}").write_text("{}")
    done = bench.rehearse(source="00000001", restore="one")
    assert done.status == 0, done.output
    assert bench.status["rehearsedName"] == moved


def test_a_backup_that_was_moved_in_is_not_asked_for_again(bench: Bench) -> None:
    """Retention may have taken it away by then."""
    assert bench.back_up().status == 0
    bench.tell(restoredIds="zero one")
    done = bench.rehearse(source="00000001", restore="one")
    assert done.status == 0, done.output
    assert "restore one was done before" in done.last_line


def test_a_flipped_byte(bench: Bench) -> None:
    assert bench.back_up().status == 0
    assert bench.rehearse().status == 0
    good = bench.status["rehearsedName"]
    flip_a_byte(bench.volume / bench.objects[0])
    done = bench.rehearse()
    assert done.status == 1
    assert f"{good}.dump.gpg is damaged" in done.last_line
    assert "is damaged" in bench.status["rehearsalFailure"]
    assert bench.status["rehearsedName"] == good, "the last good one stays known"


def test_a_damage_that_the_digest_hides(bench: Bench) -> None:
    """Whoever can write the manifest too still can't change what GnuPG authenticates."""
    assert bench.back_up().status == 0
    [sealed, manifest] = (bench.volume / name for name in bench.objects)
    flip_a_byte(sealed)
    described = json.loads(manifest.read_text()) | {"sha256": hashlib.sha256(sealed.read_bytes()).hexdigest()}
    bench.account.file(manifest, json.dumps(described))
    done = bench.rehearse()
    assert done.status == 1
    assert "does not open it" in done.last_line


def test_a_deleted_object_leaves_the_one_before(bench: Bench) -> None:
    assert bench.back_up(before="00000001").status == 0
    older = bench.manifest()["name"]
    newer = "infisical-29991231T235959Z-00000002"
    (bench.volume / f"{newer}.json").write_text("{}")
    assert bench.rehearse().status == 0
    assert bench.status["rehearsedName"] == older


def test_no_backup_at_all(bench: Bench) -> None:
    done = bench.rehearse()
    assert done.status == 1
    assert "there is no complete backup latest; the newest are none at all" in done.last_line


def test_another_key(bench: Bench) -> None:
    assert bench.back_up().status == 0
    bench.file("keys/ENCRYPTION_KEY", "f" * 32)
    done = bench.rehearse()
    assert done.status == 1
    assert "does not open this backup's root key" in done.last_line
    assert "f" * 32 not in done.output


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("drop table kms_root_config", "there is no table kms_root_config"),
        ("delete from kms_root_config", "kms_root_config has no row"),
    ],
)
def test_a_key_that_nothing_has_proven(bench: Bench, change: str, cause: str) -> None:
    bench.sql(change)
    assert bench.back_up().status == 0
    done = bench.rehearse()
    assert done.status == 1, done.output
    assert cause in done.last_line
    assert "rehearsedName" not in bench.status


@pytest.mark.parametrize("tag_last", [True, False])
def test_both_forms_of_a_root_key(bench: Bench, tag_last: bool) -> None:
    nonce = os.urandom(12)
    sealed = AESGCM(KEY.encode()).encrypt(nonce, os.urandom(32), None)
    body = sealed if tag_last else sealed[-16:] + sealed[:-16]
    bench.sql(f"update kms_root_config set \"encryptedRootKey\" = '\\x{(nonce + body).hex()}'")
    assert bench.back_up().status == 0
    assert bench.rehearse().status == 0


@pytest.mark.parametrize("ours", range(3))
def test_copies_under_other_keys_while_infisical_rotates_its_key(bench: Bench, ours: int) -> None:
    """One copy for the key in use, one for the key before it, and one for the key that was made and not deployed."""
    root = os.urandom(32)
    rows: list[str] = []
    for number in range(3):
        nonce, key = os.urandom(12), KEY.encode() if number == ours else os.urandom(32)
        rows.append(f"({number}, '\\x{(nonce + AESGCM(key).encrypt(nonce, root, None)).hex()}')")
    bench.sql(f"delete from kms_root_config; insert into kms_root_config values {','.join(rows)}")
    assert bench.back_up().status == 0
    assert bench.rehearse().status == 0


def test_rows_that_are_not_those_of_the_manifest(bench: Bench) -> None:
    assert bench.back_up().status == 0
    manifest = bench.volume / bench.objects[1]
    described = json.loads(manifest.read_text())
    described["tables"]["secrets"] = 4
    bench.account.file(manifest, json.dumps(described))
    done = bench.rehearse()
    assert done.status == 1
    assert "secrets was dumped with 4 rows, and has 3" in done.last_line


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 2}', '{"format": 1}', "[]"])
def test_a_damaged_manifest(bench: Bench, text: str) -> None:
    assert bench.back_up().status == 0
    bench.account.file(bench.volume / bench.objects[1], text)
    done = bench.rehearse()
    assert done.status == 1
    assert ".json" in done.last_line
    assert "Traceback" not in done.output


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12), st.binary(max_size=70))
def test_aes_gcm_opens_what_others_seal(key: bytes, nonce: bytes, plain: bytes) -> None:
    sealed = AESGCM(key).encrypt(nonce, plain, None)
    assert aes_gcm.unseal(key, nonce, sealed[:-16], sealed[-16:]) == plain
    with pytest.raises(aes_gcm.Unauthentic):
        aes_gcm.unseal(key, nonce, sealed[:-16], bytes([sealed[-16] ^ 1]) + sealed[-15:])
