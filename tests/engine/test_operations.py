"""A stack's secrets with the real Pulumi, age and GPG: moved in, listed, kept in escrow. No cluster is needed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.instance import Instance, cache_folder
from embedded.programs import Programs
from embedded.stack import STACK
from embedded.stack import Stack as Embedded
from operations import escrow, importing, repair, secrets
from operations.errors import OperationError
from operations.pulumi import PROJECT, Stack
from settings import environment_of
from settings.secrets import SECRETS

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
KEY_PEM = PEM.replace("CERTIFICATE", "RSA PRIVATE KEY")
REPLICA = "postgresql://u:replicaPassword@db2.example.org:5432/infisical"

PLAIN = {
    "SITE_URL": "https://secrets.example.org",
    "CORS_ALLOWED_ORIGINS": '["https://app.example.org", "https://admin.example.org"]',
    "SMTP_HOST": "smtp.example.org",
    "SMTP_PORT": "465",
    "SMTP_USERNAME": "007",
    "SMTP_FROM_ADDRESS": "secrets@example.org",
    "SMTP_FROM_NAME": "+42",
    "SMTP_TLS_REJECT_UNAUTHORIZED": "true",
    "SMTP_CUSTOM_CA_CERT": base64.b64encode(PEM.encode()).decode(),
    "TELEMETRY_ENABLED": "true",
    "ALLOW_INTERNAL_IP_CONNECTIONS": "false",
    "INF_APP_CONNECTION_GITHUB_APP_CLIENT_ID": "true",
    "INF_APP_CONNECTION_GITHUB_APP_SLUG": "acme",
    "INF_APP_CONNECTION_GITHUB_APP_ID": "123456",
    "QUEUE_WORKERS_ENABLED": "true",
    "AUDIT_LOG_LIMIT": "00500",
}
SECRET = {
    "ENCRYPTION_KEY": "0123456789abcdef" * 2,
    "AUTH_SECRET": "-authSecret" * 4,
    "SMTP_PASSWORD": "smtp Password",
    "INF_APP_CONNECTION_GITHUB_APP_CLIENT_SECRET": "ghs12345678901",
    "INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY": KEY_PEM,
    "DB_READ_REPLICAS": json.dumps([{"DB_CONNECTION_URI": REPLICA, "DB_ROOT_CERT": PLAIN["SMTP_CUSTOM_CA_CERT"]}]),
    "LICENSE_KEY": "licenseKey\nof two lines\n\n",
    "LEGACY_SECRET": "true",
}
CONNECTIONS = {
    "DB_CONNECTION_URI": "postgresql://infisical_user:databasePassword1@old:5432/infisical",
    "REDIS_PASSWORD": "redisPassword12345",
    "REDIS_URL": "redis://:redisUrlPassword@old",
}
VARIABLES = PLAIN | SECRET | CONNECTIONS
PASSWORDS = ["databasePassword1", "redisPassword12345", "replicaPassword", "redisUrlPassword"]
VALUES = [value for value in [*SECRET.values(), *PASSWORDS, "two lines"] if value != "true"]


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """Stack dev, empty, beside a Pulumi that notes every command line it is given."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    embedded = Embedded(Instance("operations"), Programs(cache_folder()))
    embedded.init()
    for name, value in embedded.environment().items():
        monkeypatch.setenv(name, value)
    wrapper = tmp_path / "bin" / "pulumi"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/command-lines\nexec {embedded.program} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    return embedded


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "old.yaml"
    file.write_text(yaml.safe_dump({"kind": "Secret", "metadata": {"name": "old"}, "stringData": VARIABLES}))
    return file


def _encrypted(kept: object) -> bool:
    """As a whole, or each leaf of it."""
    if isinstance(kept, list):
        return all(map(_encrypted, kept))
    return isinstance(kept, dict) and (kept.keys() == {"secure"} or all(map(_encrypted, kept.values())))


def test_an_environment_is_moved_in_once(
    pulumi: Embedded, manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = Namespace(file=manifest, overwrite=False)
    site = "https://secrets.infisical.test"
    assert importing.run(stack(pulumi), said) == 1, "stack dev has a site of its own"
    assert f"siteUrl: {site}" in pulumi.configuration.read_text()
    assert importing.run(stack(pulumi), Namespace(file=manifest, overwrite=True)) == 0
    before = pulumi.configuration.read_text()
    capfd.readouterr()
    assert importing.run(stack(pulumi), said) == 0
    out, err = capfd.readouterr()
    assert "\n0 set, " in out
    assert pulumi.configuration.read_text() == before

    settings = stack(pulumi).settings()
    environment = environment_of(settings)
    seen = dict(environment.plain) | {name: value.get_secret_value() for name, value in environment.secret.items()}
    assert {name: seen[name] for name in PLAIN | SECRET} == PLAIN | SECRET
    assert settings.database_password
    assert settings.redis_password
    config = yaml.safe_load(before)["config"]
    for key in SECRETS & {key.removeprefix(f"{PROJECT}:") for key in config}:
        kept = config[f"{PROJECT}:{key}"]
        assert _encrypted(kept), key
    everywhere = before + out + err + (tmp_path / "command-lines").read_text()
    assert [value for value in VALUES if value in everywhere] == []


def test_a_wrong_key_leaves_the_stack_as_it_is(pulumi: Embedded, tmp_path: Path) -> None:
    before = pulumi.configuration.read_text()
    manifest = tmp_path / "old.yaml"
    manifest.write_text(json.dumps({"kind": "Secret", "stringData": VARIABLES | {"ENCRYPTION_KEY": "0" * 31}}))
    with pytest.raises(OperationError, match=r"\n- encryptionKey \(ENCRYPTION_KEY\): "):
        importing.run(stack(pulumi), Namespace(file=manifest, overwrite=True))
    assert pulumi.configuration.read_text() == before


def test_secrets_are_listed_without_a_passphrase(
    pulumi: Embedded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack(pulumi).set("authSecret", "a" * 40, secret=True)
    stack(pulumi).set("signOn.github.clientId", "Iv1", secret=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE")
    assert secrets.run(stack(pulumi), Namespace()) == 1
    assert "to be put right: githubLoginClientSecret\n" in capsys.readouterr().out


@pytest.fixture
def deployed(pulumi: Embedded, tmp_path: Path) -> dict[str, str]:
    """The variables in the Secret of a stack that was never deployed: its state is made by hand."""
    variables = {**SECRET, **CONNECTIONS, "SITE_URL": PLAIN["SITE_URL"], "COOKIE_SECRET_SIGN_KEY": "c" * 40}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in variables.items()}
    hidden = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(encoded)}
    urn = f"urn:pulumi:{STACK}::{PROJECT}::"
    root = f"{urn}pulumi:pulumi:Stack::{PROJECT}-{STACK}"
    provider = f"{urn}pulumi:providers:kubernetes::kubernetes"
    version = {"version": "4.27.0"}
    resources: list[dict[str, Any]] = [
        {"urn": root, "type": "pulumi:pulumi:Stack", "custom": False},
        {
            "urn": provider,
            "type": "pulumi:providers:kubernetes",
            "custom": True,
            "id": "1",
            "parent": root,
            "inputs": version,
            "outputs": version,
        },
        {
            "urn": f"{urn}kubernetes:core/v1:Secret::infisical-secrets",
            "type": "kubernetes:core/v1:Secret",
            "custom": True,
            "id": "infisical/infisical-secrets",
            "parent": root,
            "provider": f"{provider}::1",
            "inputs": {"metadata": {"name": "infisical-secrets"}},
            "outputs": {"data": hidden},
        },
    ]
    state = json.loads(pulumi.pulumi("stack", "export", "--stack", STACK, quiet=True))
    state["deployment"]["resources"] = resources
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))
    pulumi.pulumi("stack", "import", "--stack", STACK, "--file", str(file), quiet=True)
    file.unlink()
    return variables


@pytest.fixture
def gpg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With one key pair. Not in tmp_path: the agent's socket can't have such a long name."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("GNUPGHOME", folder)
        # The passphrase is empty, the algorithms are GPG's own, and it never expires.
        generate = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", "ops@example.org"]
        subprocess.run([*generate, "default", "default", "never"], check=True, capture_output=True)
        yield Path(folder)
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=True)


def test_age_keeps_what_only_its_key_opens(
    pulumi: Embedded, deployed: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    key, output = tmp_path / "key", tmp_path / "kept.age"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", str(key)], check=True, capture_output=True, text=True).stdout
    stack(pulumi).set("githubAppPrivateKey", KEY_PEM, secret=True)
    capfd.readouterr()
    assert escrow.run(stack(pulumi), Namespace(recipient=recipient.strip(), output=output)) == 0
    shown = "".join(capfd.readouterr()) + (tmp_path / "command-lines").read_text()
    assert [value for value in VALUES if value in shown] == []
    inside(["age", "--decrypt", "--identity", str(key), str(output)], deployed)
    pulumi.init()
    assert stack(pulumi).visible["escrow"]["keyLabel"] in shown, "the note stays, and the label is no secret"


def test_gpg_keeps_what_only_its_key_opens(
    pulumi: Embedded, deployed: dict[str, str], gpg_home: Path, tmp_path: Path
) -> None:
    output = tmp_path / "kept.gpg"
    with pytest.raises(OperationError, match=r"nobody@example\.org: skipped: No public key"):
        escrow.run(stack(pulumi), Namespace(recipient="nobody@example.org", output=output))
    assert not output.exists()
    stack(pulumi).set("githubAppPrivateKey", KEY_PEM, secret=True)
    assert escrow.run(stack(pulumi), Namespace(recipient="ops@example.org", output=output)) == 0
    inside(["gpg", "--batch", "--decrypt", str(output)], deployed)


@pytest.mark.parametrize(
    ("torn", "left"), [(["dev.json.attrs"], 0), (["dev.json"], 40), (["dev.json", "dev.json.attrs"], 0)]
)
@pytest.mark.usefixtures("deployed")
def test_a_state_that_was_cut_off_is_readable_after_a_repair(
    pulumi: Embedded, torn: list[str], left: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pulumi writes the file with `.attrs` in place, so that a kill leaves it empty."""
    before = stack(pulumi).deployment
    stack(pulumi).replace_deployment(before)  # so the state before is the same
    [folder] = (pulumi.configuration.parent / "state" / ".pulumi" / "stacks").iterdir()
    for name in torn:
        os.truncate(folder / name, left)
    with pytest.raises(OperationError, match=r"failed to load checkpoint: .*; `make repair STACK=dev` mends"):
        assert stack(pulumi).exported
    monkeypatch.setattr(repair, "STEPS", ())  # they need a cluster
    assert repair.run(stack(pulumi), Namespace(yes=True)) == 0
    assert f"{torn[0]} was cut off, and is {torn[0]}.torn-" in capfd.readouterr().out
    found = stack(pulumi).deployment
    assert [resource["urn"] for resource in found["resources"]] == [resource["urn"] for resource in before["resources"]]
    assert repair.run(stack(pulumi), Namespace(yes=True)) == 0
    assert "the state's file: can be read\n" in capfd.readouterr().out


def test_a_stack_that_was_never_deployed_has_nothing_to_keep(pulumi: Embedded, tmp_path: Path) -> None:
    output = tmp_path / "kept.age"
    with pytest.raises(OperationError, match="no encryption key deployed"):
        escrow.run(stack(pulumi), Namespace(recipient=f"age1{'q' * 58}", output=output))
    assert not output.exists()


def stack(pulumi: Embedded) -> Stack:
    return Stack(STACK, pulumi.configuration)


def inside(command: list[str], deployed: dict[str, str]) -> None:
    opened = subprocess.run(command, check=True, capture_output=True).stdout
    about, secret = yaml.safe_load_all(opened)
    assert secret["stringData"] == deployed
    assert about["site"] == PLAIN["SITE_URL"]
    assert about["settings"] == {
        "encryptionKey": SECRET["ENCRYPTION_KEY"],
        "authSecret": SECRET["AUTH_SECRET"],
        "cookieSecret": "c" * 40,
        "redisPassword": "redisPassword12345",
        "databasePassword": "databasePassword1",
        "githubAppPrivateKey": KEY_PEM,
    }
