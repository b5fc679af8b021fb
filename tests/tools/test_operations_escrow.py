"""`make escrow`: what goes in, and that nothing comes out but one encrypted file. The programs are stand-ins here."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations import escrow, importing
from operations.errors import OperationError
from tests.tools.fake_stack import Encrypted, FakeStack

AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
SIGNATURE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
DEPLOYED = {
    "ENCRYPTION_KEY": "0123456789abcdef" * 2,
    "AUTH_SECRET": "a" * 40,
    "COOKIE_SECRET_SIGN_KEY": "c" * 40,
    "DB_CONNECTION_URI": "postgresql://infisical_user:databasePass1234@pooler:5432/infisical",
    "REDIS_PASSWORD": "redisPassword1234",
    "REDIS_SENTINEL_MASTER_NAME": "platform-kv-master",
    "SITE_URL": "https://secrets.example.org",
    "SMTP_HOST": "smtp.example.org",
    "SMTP_FROM_ADDRESS": "secrets@example.org",
    "SMTP_USERNAME": "mailer",
    "SMTP_PASSWORD": "deployedSmtpPassword",
}
CONFIGURED: dict[str, Any] = {
    "smtpPassword": Encrypted("configuredSmtpPassword"),
    "githubAppPrivateKey": Encrypted("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    "extraSecrets": {"LICENSE_KEY": Encrypted("licenseKeyValue")},
    "infisical": {"siteUrl": "https://secrets.example.org"},
}
VALUES = [*DEPLOYED.values(), "databasePass1234", "configuredSmtpPassword", "licenseKeyValue", "BEGIN PRIVATE KEY"]


def secret_resource(variables: Mapping[str, str], name: str = "infisical-secrets", **more: Any) -> dict[str, Any]:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in variables.items()}
    return {
        "urn": f"urn:pulumi:prod::infisical-platform::kubernetes:core/v1:Secret::{name}",
        "type": "kubernetes:core/v1:Secret",
        "inputs": {"metadata": {"name": name}},
        "outputs": {"data": {**SIGNATURE, "plaintext": json.dumps(data)}},
        **more,
    }


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    other = secret_resource({"ENCRYPTION_KEY": "of another Secret"})
    other["inputs"] = {"metadata": {"name": "other"}}
    stack = {"urn": "urn:pulumi:prod::infisical-platform::pulumi:pulumi:Stack::x", "type": "pulumi:pulumi:Stack"}
    return {"version": 3, "deployment": {"resources": [stack, other, *resources]}}


@pytest.fixture
def stack() -> FakeStack:
    return FakeStack(kept=dict(CONFIGURED), state=state(secret_resource(DEPLOYED)))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """age and gpg which note their arguments and "encrypt" by base64, so that a test can read it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("age", "gpg"):
        program(folder / name, f'printf "%s\\n" "$0" "$@" >{tmp_path}/ran; base64')
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.chdir(tmp_path)
    return folder


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(stack: FakeStack, recipient: str = AGE, output: Path | None = Path("kept")) -> int:
    return escrow.run(stack, Namespace(recipient=recipient, output=output))


def opened(path: Path = Path("kept")) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(base64.b64decode(path.read_text())))


def test_the_password_of_a_database_outside_is_kept_as_it_is(stack: FakeStack) -> None:
    """A generated one has letters and digits alone; a service's own may have what an address has to encode."""
    variables = {
        **DEPLOYED,
        "DB_CONNECTION_URI": "postgresql://user:p%25%40%24%27ss%C3%A9@db.example.org:5432/infisical",
    }
    assert escrow.settings_of(stack, variables)["databasePassword"] == "p%@$'ssé"


def test_all_is_inside_that_a_stack_can_not_be_restored_without(stack: FakeStack, programs: Path) -> None:
    assert run(stack) == 0
    about, secret = opened()
    assert about == {
        "stack": "prod",
        "site": "https://secrets.example.org",
        "date": datetime.now(UTC).date().isoformat(),
        "labels": {"encryptionKey": "f1c1350f74408a1ead2346f07fe5c259"},
        "settings": {
            "encryptionKey": DEPLOYED["ENCRYPTION_KEY"],
            "authSecret": "a" * 40,
            "cookieSecret": "c" * 40,
            "redisPassword": "redisPassword1234",
            "databasePassword": "databasePass1234",
            "extraSecrets": {"LICENSE_KEY": "licenseKeyValue"},
            "githubAppPrivateKey": CONFIGURED["githubAppPrivateKey"],
            "smtpPassword": "configuredSmtpPassword",
        },
    }
    assert secret["stringData"] == DEPLOYED


def test_the_stack_file_remembers_which_key_is_safe(stack: FakeStack, programs: Path) -> None:
    run(stack)
    assert stack.kept["escrow"] == {
        "date": datetime.now(UTC).date().isoformat(),
        "keyLabel": "f1c1350f74408a1ead2346f07fe5c259",
    }


def test_where_the_backups_are_is_inside(programs: Path) -> None:
    where = {"bucket": "dumps", "archive": "s3://dumps/spilo/platform-db-cluster/0123abcd/wal/15"}
    deployed = state(secret_resource(DEPLOYED))
    deployed["deployment"]["resources"][0]["outputs"] = {"backup": where}
    run(FakeStack(kept=dict(CONFIGURED), state=deployed))
    assert opened()[0]["backup"] == where


def test_what_opens_the_backups_is_inside(stack: FakeStack, programs: Path) -> None:
    """Without it a new state makes another passphrase, and rehearsals open nothing that was there before."""
    stack.state["deployment"]["resources"].append(secret_resource({"passphrase": "p" * 64}, "backup-store"))
    assert run(stack) == 0
    assert opened()[0]["settings"]["backupPassphrase"] == "p" * 64


def test_a_person_can_copy_a_key_out_of_it(stack: FakeStack, programs: Path) -> None:
    run(stack)
    text = base64.b64decode(Path("kept").read_text()).decode()
    assert (
        "  githubAppPrivateKey: |\n    -----BEGIN PRIVATE KEY-----\n    AAAA\n    -----END PRIVATE KEY-----\n" in text
    )


ROOT_KEY = base64.b64encode(b"r" * 32).decode()


@pytest.mark.parametrize("names", [["ROOT_ENCRYPTION_KEY"], ["ENCRYPTION_KEY", "ROOT_ENCRYPTION_KEY"]])
def test_every_deployed_encryption_key_is_kept(names: list[str], stack: FakeStack, programs: Path) -> None:
    """With both, one opens the database and the other what older releases wrote."""
    keys = {"ENCRYPTION_KEY": DEPLOYED["ENCRYPTION_KEY"], "ROOT_ENCRYPTION_KEY": ROOT_KEY}
    others = {name: value for name, value in DEPLOYED.items() if name not in keys}
    stack.state["deployment"]["resources"][-1] = secret_resource(others | {name: keys[name] for name in names})
    run(stack)
    kept = opened()[0]["settings"]
    settings = {"ENCRYPTION_KEY": "encryptionKey", "ROOT_ENCRYPTION_KEY": "rootEncryptionKey"}
    assert {name: kept[key] for name, key in settings.items() if key in kept} == {name: keys[name] for name in names}


def test_a_key_has_the_label_by_which_infisical_calls_it(
    stack: FakeStack, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    label = hashlib.sha256(b"infisical:kek-fingerprint:v1" + DEPLOYED["ENCRYPTION_KEY"].encode()).hexdigest()[:32]
    assert opened()[0]["labels"] == {"encryptionKey": label}
    assert f"label of encryptionKey, as Infisical shows it: {label}\n" in capsys.readouterr().out


def test_one_command_restores_it(stack: FakeStack, programs: Path, tmp_path: Path) -> None:
    """What the file says about itself."""
    run(stack)
    text = base64.b64decode(Path("kept").read_text()).decode()
    assert "#   age --decrypt --identity KEYFILE kept | make import-secrets STACK=prod FILE=/dev/stdin\n" in text
    (tmp_path / "plain").write_text(text)
    empty = FakeStack(kept={"ingress": {"issuer": {"kind": "existing", "name": "ca"}}})
    assert importing.run(empty, Namespace(file=tmp_path / "plain", overwrite=False)) == 0
    assert empty.kept["encryptionKey"] == DEPLOYED["ENCRYPTION_KEY"]
    assert empty.kept["databasePassword"] == "databasePass1234"


def test_what_is_printed_names_but_does_not_tell(
    stack: FakeStack, programs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    out, err = capfd.readouterr()
    for name in ("encryptionKey", "databasePassword", "extraSecrets", "SMTP_PASSWORD"):
        assert re.search(rf"^  {name}$", out, re.MULTILINE)
    assert "to open it: age --decrypt --identity KEYFILE kept" in out
    seen = out + err + (tmp_path / "ran").read_text() + str(stack.ran)
    assert [value for value in VALUES if value in seen] == []


@pytest.mark.parametrize(
    ("recipient", "command"),
    [
        (AGE, ["age", "--encrypt", "--recipient", AGE]),
        ("ssh-ed25519 AAAA me@home", ["age", "--encrypt", "--recipient", "ssh-ed25519 AAAA me@home"]),
        ("ssh-rsa AAAA", ["age", "--encrypt", "--recipient", "ssh-rsa AAAA"]),
        (
            "ops@example.org",
            [
                "gpg",
                "--batch",
                "--no-auto-key-locate",
                "--trust-model",
                "always",
                "--encrypt",
                "--recipient",
                "ops@example.org",
            ],
        ),
    ],
)
def test_the_recipient_decides_on_the_program(
    stack: FakeStack, programs: Path, tmp_path: Path, recipient: str, command: list[str]
) -> None:
    assert run(stack, recipient, None) == 0
    name, *arguments = (tmp_path / "ran").read_text().splitlines()
    assert [Path(name).name, *arguments] == command
    [file] = Path().glob(f"escrow-prod-*.{command[0]}")
    assert re.fullmatch(r"escrow-prod-\d{4}-\d\d-\d\dT\d{6}Z\.(age|gpg)", file.name), "two of a day are two files"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_stays(stack: FakeStack, programs: Path) -> None:
    Path("kept").write_text("the only copy")
    with pytest.raises(OperationError, match=r"kept is there already.* make escrow STACK=prod .*'--output FILE'"):
        run(stack)
    assert Path("kept").read_text() == "the only copy"
    assert stack.ran == []


def test_no_folder_is_one_sentence(stack: FakeStack, programs: Path) -> None:
    with pytest.raises(OperationError, match="gone/kept can't be written: No such file"):
        run(stack, output=Path("gone/kept"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("head -c 5; echo 'no such\nrecipient' >&2; exit 1", "`age` failed: no such recipient"),
        ("cat >/dev/null", "`age` wrote nothing"),
        ("exit 3", "`age` failed"),
    ],
)
def test_a_failed_encryption_leaves_no_file(stack: FakeStack, programs: Path, script: str, reason: str) -> None:
    program(programs / "age", script)
    with pytest.raises(OperationError, match=reason):
        run(stack)
    assert not Path("kept").exists()


@pytest.mark.parametrize(("recipient", "package"), [(AGE, "age"), ("ops@example.org", "gnupg")])
def test_a_missing_program_is_one_sentence(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recipient: str, package: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationError, match=f"apt-get install {package}"):
        run(stack, recipient, tmp_path / "kept")
    assert stack.ran == []


@pytest.mark.parametrize("recipient", ["AGE-SECRET-KEY-1QQPZRY9X8", "-----BEGIN PGP PRIVATE KEY BLOCK-----", "", " "])
def test_a_private_key_is_no_recipient(stack: FakeStack, programs: Path, tmp_path: Path, recipient: str) -> None:
    with pytest.raises(OperationError) as caught:
        run(stack, recipient)
    assert not recipient.strip() or recipient not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "resources",
    [
        [],
        [secret_resource({"SITE_URL": "https://secrets.example.org"})],
        [secret_resource(DEPLOYED, delete=True)],
        [secret_resource({}, outputs=None)],
    ],
    ids=["empty", "without a key", "about to be deleted", "without outputs"],
)
def test_a_stack_without_a_deployed_key_is_one_sentence(programs: Path, resources: list[dict[str, Any]]) -> None:
    for empty in (FakeStack(state=state(*resources)), FakeStack()):
        with pytest.raises(OperationError, match="stack prod has no encryption key deployed"):
            run(empty)
    assert not Path("kept").exists()
