"""What is refused before anything is set."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from operations import importing
from operations.errors import OperationError
from tests.tools.fake_stack import FakeStack
from tests.tools.importing.known import (
    KEY_PEM,
    SITE,
    refusal,
)


def test_all_that_is_wrong_is_said_before_anything_is_set(stack: FakeStack) -> None:
    wrong = {
        "ENCRYPTION_KEY": "tooshortkey",
        "SITE_URL": "nowhere.example.net",
        "SMTP_HOST": "smtp.example.org",
        "SMTP_PORT": "twenty-five",
        "DB_READ_REPLICAS": "{not json",
        "CORS_ALLOWED_ORIGINS": '["https://app.example.org/login"]',
        "INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY": KEY_PEM.replace("\n", "\\n"),
    }
    said = refusal(stack, wrong)
    assert said.startswith("nothing is set: ")
    for line in (
        "encryptionKey (ENCRYPTION_KEY): ",
        "infisical.siteUrl (SITE_URL): ",
        "infisical.corsAllowedOrigins[0] (CORS_ALLOWED_ORIGINS): ",
        "mail.port (SMTP_PORT): ",
        "mail.fromAddress: required",
        "databaseReadReplicas (DB_READ_REPLICAS): ",
        "githubAppPrivateKey (INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY): ",
    ):
        assert f"\n- {line}" in said
    for value in wrong.values():
        assert value == "smtp.example.org" or value not in said


def test_a_secret_in_plain_text_is_not_taken_for_set(stack: FakeStack) -> None:
    stack.kept["authSecret"] = "a" * 40
    assert "plain text" in refusal(stack, {"SITE_URL": SITE, "AUTH_SECRET": "a" * 40})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no Secret"),
        ("kind: ConfigMap\ndata: {A: hunter2}", "has no Secret"),
        ("kind: SealedSecret\nspec: {}", "kubectl get secret"),
        ("kind: Secret\nstringData: {A: x}\n---\nkind: Secret\nstringData: {B: y}", "has 2 Secrets: give exactly one"),
        ("kind: Secret\ndata: {A: hunter2!}", "data.A is not base64"),
        ("kind: Secret\nstringData: {A: [hunter2]}", "stringData.A is not text"),
        ('{"kind": "Secret", "stringData": {"A": 1}}', "stringData.A is not text"),
        ("kind: Secret\nstringData: hunter2", "holds no variables"),
        ("kind: Secret", "without data"),
        ("kind: Secret\nstringData: {A: 'hunter2", "neither YAML nor JSON (line"),
        ("a: hunter2\n b: c", "neither YAML nor JSON (line"),
    ],
)
def test_a_file_that_is_no_secret_gets_one_sentence(stack: FakeStack, text: str, reason: str) -> None:
    said = refusal(stack, text)
    assert reason in said
    assert "hunter2" not in said
    assert "\n" not in said


def test_a_file_that_is_not_there_gets_one_sentence(stack: FakeStack, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"gone\.yaml can't be read: No such file"):
        importing.run(stack, Namespace(file=tmp_path / "gone.yaml", overwrite=False))
