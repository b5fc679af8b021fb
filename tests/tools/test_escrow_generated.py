"""`make escrow` and `make import-secrets`: what was generated outlives the state."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from components.application_wish import file_of
from operations import importing
from settings.applications import Generated, Named
from settings.machinery.encryption_keys import passphrase_label
from tests.tools.fake_stack import Encrypted, FakeStack
from tests.tools.test_operations_escrow import SIGNATURE, opened, programs, run, secret_resource, stack
from tests.unit.harness import RECIPIENT

__all__ = ["programs", "stack"]  # fixtures

SHOP = {"environments": {"prod": "P"}, "secrets": {"prod": {"/": {"SESSION_KEY": {"generate": 64}, "OTHER": "text"}}}}
FILE = file_of("shop", Named(environment="prod", path="/", key="SESSION_KEY", value=Generated(generate=64)))
ID = "11111111-2222-3333-4444-555555555555"


def generated(name: str, value: str) -> dict[str, Any]:
    type_ = "random:index/randomPassword:RandomPassword"
    outputs = {"result": {**SIGNATURE, "plaintext": json.dumps(value)}}
    return {"urn": f"urn:pulumi:prod::p::{type_}::{name}", "type": type_, "inputs": {}, "outputs": outputs}


@pytest.fixture
def whole(stack: FakeStack) -> FakeStack:
    """A stack with an organisation, backups and an application."""
    identity = {"urn": "urn:x::i", "type": "infisical-platform:components:StackIdentity", "outputs": {"id": ID}}
    stack.state["deployment"]["resources"] += [
        identity,
        secret_resource({"passphrase": "p" * 64}, "backup-store"),
        secret_resource({"password": "the-admins-password"}, "infisical-admin"),
        generated(f"application-secrets-{FILE}", "s" * 64),
        generated("infisical-secrets-auth-secret", "a" * 40),
    ]
    return stack


def test_what_applications_were_given_is_inside(whole: FakeStack, programs: Path) -> None:
    """A new state generates other values, and what the old ones open would be closed."""
    run(whole)
    about = opened()[0]
    assert about["stackId"] == ID
    assert about["settings"]["generatedValues"] == {FILE: "s" * 64}
    whole.kept["generatedValues"] = {FILE: Encrypted("older"), "gone-0123456789ab": Encrypted("x")}
    run(whole, output=Path("again"))
    assert opened(Path("again"))[0]["settings"]["generatedValues"] == {FILE: "older", "gone-0123456789ab": "x"}
    whole.kept["generatedValues"] = Encrypted(json.dumps({FILE: "as text"}))
    run(whole, output=Path("text"))
    assert opened(Path("text"))[0]["settings"]["generatedValues"] == {FILE: "as text"}


def test_it_remembers_which_passphrase_and_which_archive_are_safe(whole: FakeStack, programs: Path) -> None:
    where = {"bucket": "dumps", "archive": "s3://dumps/spilo/platform-db-cluster/0123abcd/wal/15"}
    whole.state["deployment"]["resources"][0]["outputs"] = {"backup": where}
    run(whole)
    noted = whole.kept["escrow"]
    assert noted["archive"] == "0123abcd"
    assert re.fullmatch("[0-9a-f]{32}", noted["passphraseLabel"])
    assert noted["passphraseLabel"] == passphrase_label("p" * 64) != hashlib.sha256(b"p" * 64).hexdigest()[:32]


def test_a_new_state_takes_over_all_of_it(
    whole: FakeStack, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(whole)
    plain = tmp_path / "plain"
    plain.write_text(base64.b64decode(Path("kept").read_text()).decode())
    issuer = {"issuer": {"kind": "existing", "name": "ca"}}
    bare = FakeStack(kept={"ingress": issuer})
    assert importing.run(bare, Namespace(file=plain, overwrite=False)) == 0
    assert bare.kept["cluster"] == {"stackId": ID}
    assert bare.kept.keys().isdisjoint({"adminPassword", "backupPassphrase", "generatedValues"})
    assert "left out: adminPassword: the stack has no section organization" in capsys.readouterr().out

    sections: dict[str, Any] = {
        "ingress": issuer,
        "organization": {"name": "dog", "admin": "ops@example.org"},
        "backup": {"target": {"kind": "volume"}, "recipients": [RECIPIENT]},
        "applications": {"shop": SHOP},
    }
    stack = FakeStack(kept=sections)
    assert importing.run(stack, Namespace(file=plain, overwrite=False)) == 0
    out = capsys.readouterr().out
    assert stack.kept["adminPassword"] == "the-admins-password"
    assert stack.kept["backupPassphrase"] == "p" * 64
    assert stack.kept["generatedValues"] == {FILE: "s" * 64}
    assert isinstance(stack.kept["generatedValues"][FILE], Encrypted)
    assert [value for value in ("the-admins-password", "p" * 64, "s" * 64) if value in out] == []
    assert importing.run(stack, Namespace(file=plain, overwrite=False)) == 0, "a second time it is there"


def test_the_clusters_own_copy_will_do(tmp_path: Path) -> None:
    """The Secret with the values has what was generated beside what the stack file says."""
    other = file_of("shop", Named(environment="prod", path="/", key="OTHER", value="text"))
    data = {FILE: base64.b64encode(b"s" * 64).decode(), other: base64.b64encode(b"text").decode()}
    manifest = tmp_path / "values.json"
    manifest.write_text(json.dumps({"kind": "Secret", "data": data}))
    kept: dict[str, Any] = {
        "infisical": {"siteUrl": "https://secrets.example.org"},
        "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
        "organization": {"name": "dog", "admin": "ops@example.org"},
        "applications": {"shop": SHOP},
    }
    stack = FakeStack(kept=kept)
    assert importing.run(stack, Namespace(file=manifest, overwrite=False)) == 0
    assert stack.kept["generatedValues"] == {FILE: "s" * 64}
