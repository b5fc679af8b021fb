"""What becomes of every variable, and that no value is ever shown."""

from __future__ import annotations

import json

import pytest

from settings.machinery.schema import setting_by_variable
from settings.machinery.variables import OWNED, REFUSED
from settings.secrets import SECRETS
from tests.tools.fake_stack import Encrypted, FakeStack
from tests.tools.importing.known import (
    EVERYTHING,
    ISSUER,
    KEY_PEM,
    PEM,
    SITE,
    bring_in,
    values_of,
)


def test_every_variable_has_its_place(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert bring_in(stack, EVERYTHING) == 0
    assert stack.kept == {
        "ingress": {**ISSUER, "trustedProxies": ["10.0.0.0/8", "192.0.2.7/32"]},
        "encryptionKey": EVERYTHING["ENCRYPTION_KEY"],
        "authSecret": EVERYTHING["AUTH_SECRET"],
        "cookieSecret": EVERYTHING["COOKIE_SECRET_SIGN_KEY"],
        "databasePassword": "dbPassword1dbPassword1",
        "redisPassword": EVERYTHING["REDIS_PASSWORD"],
        "databaseReadReplicas": json.dumps(
            [{"uri": "postgresql://u:replicaPass@db2.example.org:5432/infisical", "authority": PEM}]
        ),
        "infisical": {
            "siteUrl": SITE,
            "corsAllowedOrigins": ["https://app.example.org", "https://admin.example.org"],
            "telemetry": False,
            "allowInternalIpConnections": True,
            "pools": {
                "min": 1, "max": 20, "replicaMin": 0, "replicaMax": 5, "auditLogsMin": 0, "auditLogsMax": 3,
            },
        },
        "mail": {
            "host": "smtp.example.org", "port": 2525, "username": "mailer", "fromAddress": "secrets@example.org",
            "fromName": "42", "tls": "opportunistic", "verify": True, "authority": PEM,
        },
        "smtpPassword": "smtp-pass word",
        "signOn": {
            "github": {"clientId": "Iv1.loginid"},
            "saml": {"defaultOrganization": "acme-x1y", "configured": True},
        },
        "githubLoginClientSecret": "githubLoginSecretValue",
        "integrations": {
            "githubApp": {"clientId": "Iv2.appid", "slug": "acme-app", "id": 123456},
            "aws": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
        },
        "githubAppClientSecret": "githubAppSecretValue",
        "githubAppPrivateKey": KEY_PEM,
        "awsSecretAccessKey": "awsSecretAccessKeyValue",
        "extraEnvironment": {
            "OTEL_TELEMETRY_COLLECTION_ENABLED": "true",
            "OTEL_EXPORT_TYPE": "prometheus",
            "NODE_ENV": "production", "NODE_OPTIONS": "--dns-result-order=ipv4first",
            "SALT_ROUNDS": "10",
            "CLIENT_APP_ID_GITHUB_APP": "654321",
            "DISABLE_SECRET_SCANNING": "true",
            "KMS_ROOT_KEY_RETENTION_DAYS": "7",
        },
        "extraSecrets": {
            name: EVERYTHING[name]
            for name in (
                "CLIENT_ID_GITHUB_APP", "CLIENT_SECRET_GITHUB_APP",
                "CLIENT_PRIVATE_KEY_GITHUB_APP",
                "CLIENT_SLUG_GITHUB_APP", "CLIENT_ID_AWS_INTEGRATION", "CLIENT_SECRET_AWS_INTEGRATION",
                "LICENSE_KEY", "SENTRY_DSN",
            )
        },
    }  # fmt: skip
    printed = capsys.readouterr().out
    left_out = {line.split(": ")[1] for line in printed.splitlines() if line.startswith("left out: ")}
    assert left_out == {
        "DB_ROOT_CERT", "REDIS_URL", "REDIS_CLUSTER_HOSTS", "REDIS_SENTINEL_HOSTS", "REDIS_SENTINEL_MASTER_NAME",
        "REDIS_SENTINEL_ENABLE_TLS", "REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD", "REDIS_USERNAME",
        "SMTP_SECURE", "HTTPS_ENABLED", "HOST", "PORT", "STANDALONE_MODE", "JWT_AUTH_SECRET", "JWT_REFRESH_SECRET",
        "MONGO_URL", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "tls.crt", "SMTP_NOTHING",
    }  # fmt: skip
    assert f"left out: REDIS_URL: {REFUSED['REDIS_URL']}" in printed
    assert f"left out: DB_ROOT_CERT: {OWNED['DB_ROOT_CERT']}" in printed
    notes = [line.split()[1] for line in printed.splitlines() if line.startswith("note: ")]
    assert sorted(notes) == ["CORS_ALLOWED_ORIGINS", "HTTPS_ENABLED", "SITE_URL", "TELEMETRY_ENABLED"]


def test_no_variable_with_a_setting_is_forgotten_above() -> None:
    assert setting_by_variable().keys() - EVERYTHING.keys() == {"ROOT_ENCRYPTION_KEY"}
    assert OWNED.keys() - EVERYTHING.keys() <= {"NEXT_PUBLIC_SAML_ORG_SLUG"}


def test_no_value_reaches_the_terminal_or_a_command_line(stack: FakeStack, capfd: pytest.CaptureFixture[str]) -> None:
    bring_in(stack, EVERYTHING)
    bring_in(stack, {name: value + "x" for name, value in EVERYTHING.items() if name not in ("SITE_URL", "SMTP_PORT")})
    shown = "".join(capfd.readouterr()) + "\n".join(" ".join(command) for command in stack.ran)
    for value in values_of(EVERYTHING):
        assert value not in shown, value


def test_secrets_are_encrypted_and_nothing_else_is(stack: FakeStack) -> None:
    bring_in(stack, EVERYTHING)
    for key, value in stack.kept.items():
        leaves = value.values() if key in ("extraSecrets", "extraEnvironment") else [value]
        assert {isinstance(leaf, Encrypted) for leaf in leaves} == {key in SECRETS}, key


def test_the_second_run_changes_nothing(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    bring_in(stack, EVERYTHING)
    first, again = stack.copy(), stack.copy()
    capsys.readouterr()
    assert bring_in(again, EVERYTHING) == 0
    assert again.wrote == []
    assert again.kept == first.kept
    printed = capsys.readouterr().out
    assert "\n0 set, " in printed
    assert " 0 kept" in printed


def test_an_interrupted_import_is_completed_by_the_next(stack: FakeStack) -> None:
    bring_in(stack, EVERYTHING)
    half = stack.copy()
    for key in ("smtpPassword", "authSecret", "extraSecrets"):
        del half.kept[key]
    del half.kept["infisical"]["corsAllowedOrigins"][1]
    assert bring_in(half, EVERYTHING, overwrite=True) == 0
    assert half.kept == stack.kept
