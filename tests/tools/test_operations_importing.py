"""`make import-secrets`: what each variable becomes, what is refused, and that no value is ever shown."""

from __future__ import annotations

import base64
import json
import string
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import settings
from operations import importing
from operations.errors import OperationError
from operations.pulumi import PROJECT
from operations.translation import Imported, is_harmless, translate
from settings import Commands
from settings.machinery.environment import homes
from settings.machinery.variables import OWNED, REFUSED
from settings.secrets import SECRETS
from tests.tools.fake_stack import Encrypted, FakeStack

SITE = "https://secrets.example.org"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
KEY_PEM = PEM.replace("CERTIFICATE", "RSA PRIVATE KEY")
SMALL = {"SITE_URL": SITE, "ENCRYPTION_KEY": "0" * 32}
OWN_REPLICAS = "platform-db-cluster-repl.platform-db-pg.svc.cluster.local"
ISSUER = {"issuer": {"kind": "existing", "name": "ca"}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# Every variable that upstream's backend/src/lib/config/env.ts reads and that a deployment of ours may have had.
EVERYTHING = {
    "ENCRYPTION_KEY": "0123456789abcdef" * 2,
    "AUTH_SECRET": "authsecretauthsecretauthsecretauthsecret",
    "COOKIE_SECRET_SIGN_KEY": "cookiesecretcookiesecretcookiesecret",
    "SITE_URL": f"{SITE}/",
    "DB_CONNECTION_URI": "postgresql://infisical_user:dbPassword1dbPassword1@old-db:5432/infisical?sslmode=require",
    "DB_ROOT_CERT": encoded(PEM),
    "DB_READ_REPLICAS": json.dumps(
        [{"DB_CONNECTION_URI": "postgresql://u:replicaPass@db2.example.org:5432/infisical"}]
    ),
    "REDIS_URL": "redis://:redisUrlPass@old-redis:6379",
    "REDIS_CLUSTER_HOSTS": "old-redis:6379",
    "REDIS_SENTINEL_HOSTS": "old-redis:26379",
    "REDIS_SENTINEL_MASTER_NAME": "mymaster",
    "REDIS_SENTINEL_ENABLE_TLS": "true",
    "REDIS_SENTINEL_USERNAME": "sentinelUser",
    "REDIS_SENTINEL_PASSWORD": "sentinelPass",
    "REDIS_USERNAME": "redisUser",
    "REDIS_PASSWORD": "redisPassword1redisPassword1",
    "CORS_ALLOWED_ORIGINS": "https://app.example.org, https://admin.example.org",
    "SMTP_HOST": "smtp.example.org",
    "SMTP_PORT": "2525",
    "SMTP_USERNAME": "mailer",
    "SMTP_PASSWORD": "smtp-pass word",
    "SMTP_FROM_ADDRESS": "secrets@example.org",
    "SMTP_FROM_NAME": "42",
    "SMTP_REQUIRE_TLS": "false",
    "SMTP_IGNORE_TLS": "false",
    "SMTP_TLS_REJECT_UNAUTHORIZED": "true",
    "SMTP_CUSTOM_CA_CERT": encoded(PEM),
    "SMTP_SECURE": "true",
    "CLIENT_ID_GITHUB_LOGIN": "Iv1.loginid",
    "CLIENT_SECRET_GITHUB_LOGIN": "githubLoginSecretValue",
    "DEFAULT_SAML_ORG_SLUG": "acme-x1y",
    "INF_APP_CONNECTION_GITHUB_APP_CLIENT_ID": "Iv2.appid",
    "INF_APP_CONNECTION_GITHUB_APP_CLIENT_SECRET": "githubAppSecretValue",
    "INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY": KEY_PEM,
    "INF_APP_CONNECTION_GITHUB_APP_SLUG": "acme-app",
    "INF_APP_CONNECTION_GITHUB_APP_ID": "123456",
    "CLIENT_ID_GITHUB_APP": "Iv3.legacyid",
    "CLIENT_SECRET_GITHUB_APP": "legacyGithubSecret",
    "CLIENT_PRIVATE_KEY_GITHUB_APP": KEY_PEM,
    "CLIENT_SLUG_GITHUB_APP": "acme-legacy",
    "CLIENT_APP_ID_GITHUB_APP": "654321",
    "INF_APP_CONNECTION_AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "INF_APP_CONNECTION_AWS_SECRET_ACCESS_KEY": "awsSecretAccessKeyValue",
    "CLIENT_ID_AWS_INTEGRATION": "AKIALEGACY",
    "CLIENT_SECRET_AWS_INTEGRATION": "legacyAwsSecret",
    "HTTPS_ENABLED": "false",
    "HOST": "0.0.0.0",
    "PORT": "8080",
    "TELEMETRY_ENABLED": "True",
    "OTEL_TELEMETRY_COLLECTION_ENABLED": "true",
    "OTEL_EXPORT_TYPE": "prometheus",
    "DISABLE_SECRET_SCANNING": "true",
    "STANDALONE_MODE": "true",
    "ALLOW_INTERNAL_IP_CONNECTIONS": "true",
    "DB_POOL_MIN": "1",
    "DB_POOL_MAX": "20",
    "DB_REPLICA_POOL_MIN": "0",
    "DB_REPLICA_POOL_MAX": "5",
    "AUDIT_LOGS_DB_POOL_MIN": "0",
    "AUDIT_LOGS_DB_POOL_MAX": "3",
    "KMS_ROOT_KEY_RETENTION_DAYS": "7",
    "JWT_AUTH_SECRET": "jwtAuthSecretValue",
    "JWT_REFRESH_SECRET": "jwtRefreshSecretValue",
    "MONGO_URL": "mongodb://u:mongoPass@old",
    "NODE_ENV": "production",
    "SALT_ROUNDS": "10 ",
    "SENTRY_DSN": "https://sentryToken@sentry.example.org/1",
    "tls.crt": PEM,
    "SMTP_NOTHING": "",
}


@pytest.fixture
def stack() -> FakeStack:
    """What a stack says before its secrets are moved in."""
    return FakeStack(kept={"ingress": ISSUER})


def secret(variables: Mapping[str, str], **more: Any) -> dict[str, Any]:
    metadata = {"name": "infisical-secrets"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(variables), **more}


def bring_in(stack: FakeStack, manifest: Any, *, overwrite: bool = False) -> int:
    """Runs the command on variables, or on the text of a manifest."""
    text = manifest if isinstance(manifest, str) else json.dumps(secret(manifest))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "old.yaml"
        file.write_text(text)
        return importing.run(stack, Namespace(file=file, overwrite=overwrite))


def loaded(stack: FakeStack) -> settings.Settings:
    return FakeStack(kept=stack.kept).settings()


def environment(stack: settings.Settings) -> dict[str, str]:
    parts = settings.environment_of(stack)
    return dict(parts.plain) | {name: value.get_secret_value() for name, value in parts.secret.items()}


def refusal(stack: FakeStack, manifest: Any) -> str:
    with pytest.raises(OperationError) as caught:
        bring_in(stack, manifest)
    assert stack.wrote == []
    return str(caught.value)


def values_of(variables: Mapping[str, str]) -> Iterator[str]:
    """What must not be seen of a manifest, piece by piece."""
    for value in variables.values():
        yield from (piece for piece in value.replace("\n", " ").split() if len(piece) > 8)
    yield from ("dbPassword1dbPassword1", "replicaPass", "redisUrlPass", "mongoPass", "sentryToken", "pass word")


# --- what becomes of everything --------------------------------------------------------------------------------------


def test_every_variable_has_its_place(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert bring_in(stack, EVERYTHING) == 0
    assert stack.kept == {
        "ingress": ISSUER,
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
            "NODE_ENV": "production",
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
                "SENTRY_DSN",
            )
        },
    }  # fmt: skip
    printed = capsys.readouterr().out
    left_out = {line.split(": ")[1] for line in printed.splitlines() if line.startswith("left out: ")}
    assert left_out == {
        "DB_ROOT_CERT", "REDIS_URL", "REDIS_CLUSTER_HOSTS", "REDIS_SENTINEL_HOSTS", "REDIS_SENTINEL_MASTER_NAME",
        "REDIS_SENTINEL_ENABLE_TLS", "REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD", "REDIS_USERNAME",
        "SMTP_SECURE", "HTTPS_ENABLED", "HOST", "PORT", "STANDALONE_MODE", "JWT_AUTH_SECRET", "JWT_REFRESH_SECRET",
        "MONGO_URL", "tls.crt", "SMTP_NOTHING",
    }  # fmt: skip
    assert f"left out: REDIS_URL: {REFUSED['REDIS_URL']}" in printed
    assert f"left out: DB_ROOT_CERT: {OWNED['DB_ROOT_CERT']}" in printed
    notes = [line.split()[1] for line in printed.splitlines() if line.startswith("note: ")]
    assert sorted(notes) == ["CORS_ALLOWED_ORIGINS", "HTTPS_ENABLED", "SITE_URL", "TELEMETRY_ENABLED"]


def test_no_variable_with_a_setting_is_forgotten_above() -> None:
    assert homes().keys() - EVERYTHING.keys() == {"ROOT_ENCRYPTION_KEY"}
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


# --- what the stack has already --------------------------------------------------------------------------------------


def test_a_value_of_the_stacks_own_stays(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.kept.update({"authSecret": Encrypted("o" * 40), "infisical": {"siteUrl": "https://new.example.org"}})
    assert bring_in(stack, {"AUTH_SECRET": "n" * 40, "SITE_URL": SITE, "SMTP_PORT": "25", "AUDIT_LIMIT": "5"}) == 1
    assert stack.kept["authSecret"] == "o" * 40
    assert stack.kept["infisical"] == {"siteUrl": "https://new.example.org"}
    assert stack.kept["extraEnvironment"] == {"AUDIT_LIMIT": "5"}
    printed = capsys.readouterr().out
    assert "1 set, 0 already set, 2 kept" in printed
    assert "--overwrite" in printed


def test_overwrite_replaces_it(stack: FakeStack) -> None:
    stack.kept.update(
        {
            "authSecret": Encrypted("o" * 40),
            "infisical": {
                "siteUrl": "https://new.example.org",
                "corsAllowedOrigins": [f"https://{n}.org" for n in "abc"],
            },
        }
    )
    changed = {"AUTH_SECRET": "n" * 40, "SITE_URL": SITE, "CORS_ALLOWED_ORIGINS": '["https://x.org"]'}
    assert bring_in(stack, changed, overwrite=True) == 0
    assert stack.kept["authSecret"] == "n" * 40
    assert stack.kept["infisical"] == {"siteUrl": SITE, "corsAllowedOrigins": ["https://x.org"]}


def test_what_was_kept_is_what_the_rest_must_fit(stack: FakeStack) -> None:
    stack.kept.update({"rootEncryptionKey": Encrypted(encoded("k" * 32))})
    said = refusal(stack, {"SITE_URL": SITE, "ENCRYPTION_KEY": EVERYTHING["ENCRYPTION_KEY"]})
    assert "- rootEncryptionKey: encryptionKey is set too" in said


def test_numbers_and_line_breaks_make_no_difference(stack: FakeStack) -> None:
    stack.kept.update(
        {
            "infisical": {"siteUrl": SITE, "pools": {"max": "20"}},
            "mail": {"host": "smtp", "fromAddress": "a@b.org", "authority": PEM.rstrip()},
        }
    )
    assert bring_in(stack, {"DB_POOL_MAX": "20", "SMTP_CUSTOM_CA_CERT": encoded(PEM)}) == 0
    assert stack.wrote == []


def test_a_section_in_the_form_of_json_text_keeps_what_it_has(stack: FakeStack) -> None:
    """`pulumi config set --path` throws away the text that it finds in the place of a section."""
    stack.kept.update(
        {
            "infisical": json.dumps({"siteUrl": SITE}),
            "extraSecrets": Encrypted(json.dumps({"ONE": "1st"})),
        }
    )
    assert bring_in(stack, {"TELEMETRY_ENABLED": "true", "DB_POOL_MAX": "20", "SECOND": "2nd value"}) == 0
    assert json.loads(stack.kept["infisical"]) == {"siteUrl": SITE, "telemetry": True, "pools": {"max": 20}}
    assert json.loads(stack.kept["extraSecrets"]) == {"ONE": "1st", "SECOND": "2nd value"}
    assert isinstance(stack.kept["extraSecrets"], Encrypted)


def test_a_variable_without_a_setting_stays_where_the_stack_has_it(stack: FakeStack) -> None:
    stack.kept.update(
        {
            "infisical": {"siteUrl": SITE},
            "extraEnvironment": {"LOG_TOKEN": "same"},
            "extraSecrets": {"NODE_ENV": Encrypted("production")},
        }
    )
    assert bring_in(stack, {"LOG_TOKEN": "same", "NODE_ENV": "production"}) == 0
    assert stack.wrote == []


# --- what is refused -------------------------------------------------------------------------------------------------


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


# --- the forms of a manifest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(secret({}, data={"SITE_URL": encoded(SITE), "ENCRYPTION_KEY": encoded("0" * 32)})),
        json.dumps(secret(SMALL), indent="\t"),
        yaml.safe_dump({"kind": "List", "items": [{"kind": "ConfigMap"}, secret(SMALL)]}),
        f"---\nkind: ConfigMap\n---\nkind: Secret\nstringData:\n  SITE_URL: {SITE}\n  ENCRYPTION_KEY: {32 * '0'}\n---",
        yaml.safe_dump(secret(SMALL, data={"SITE_URL": encoded("other")})),
        yaml.safe_dump(secret({"SITE_URL": SITE}, data={"ENCRYPTION_KEY": encoded("0" * 32 + "\n"), "BLOB": "/w=="})),
    ],
    ids=["base64", "json", "list", "documents", "stringData wins", "line break and no text"],
)  # fmt: skip
def test_every_form_of_a_secret_is_read(stack: FakeStack, text: str) -> None:
    assert bring_in(stack, text) == 0
    assert stack.kept["infisical"] == {"siteUrl": SITE}
    assert stack.kept["encryptionKey"] == "0" * 32


# --- variable by variable --------------------------------------------------------------------------------------------


def translated(**variables: str) -> Imported:
    return translate(variables, {})


@pytest.mark.parametrize(
    ("require", "ignore", "port", "tls"),
    [
        ("true", "false", "587", "required"),
        ("false", "false", "587", "opportunistic"),
        ("false", "true", "587", "off"),
        ("true", "true", "587", "off"),
        ("True", "false", "587", "opportunistic"),
        ("false", "true", "465", "required"),
    ],
)
def test_two_switches_make_one_tls(require: str, ignore: str, port: str, tls: str) -> None:
    mail = {"SMTP_HOST": "smtp", "SMTP_PORT": port, "SMTP_REQUIRE_TLS": require, "SMTP_IGNORE_TLS": ignore}
    assert translated(**mail).values["mail.tls"] == tls


def test_mail_without_a_server_is_left_out() -> None:
    imported = translated(SMTP_PORT="587", SMTP_PASSWORD="x", SMTP_REQUIRE_TLS="true")
    assert not imported.values
    assert imported.left_out.keys() == {"SMTP_PORT", "SMTP_PASSWORD", "SMTP_REQUIRE_TLS"}


@pytest.mark.parametrize("password", ["short", "has-a-dash-and-is-long-enough", "p%40ssp%40ssp%40ssp%40ss", ""])
def test_a_password_that_the_platform_does_not_take_is_generated_anew(password: str) -> None:
    imported = translated(DB_CONNECTION_URI=f"postgresql://u:{password}@h/i", REDIS_PASSWORD=password or "-")
    assert not imported.values
    assert "databasePassword" in imported.left_out["DB_CONNECTION_URI"]
    assert "redisPassword" in imported.left_out["REDIS_PASSWORD"]


@pytest.mark.parametrize("uri", ["postgresql://u:a[b]c@h/i", "not a uri", "postgresql://h/i"])
def test_an_odd_connection_uri_is_left_out(uri: str) -> None:
    assert translated(DB_CONNECTION_URI=uri).left_out.keys() == {"DB_CONNECTION_URI"}


def test_the_older_name_of_the_auth_secret_counts_where_there_is_no_newer() -> None:
    assert translated(JWT_AUTH_SECRET="j" * 32).values == {"authSecret": "j" * 32}
    both = translated(JWT_AUTH_SECRET="j" * 32, AUTH_SECRET="a" * 32)
    assert both.values == {"authSecret": "a" * 32}
    assert translated(JWT_AUTH_SECRET="j" * 32, AUTH_SECRET=" ").values == {"authSecret": "j" * 32}


def test_the_older_name_of_the_organization_counts_too() -> None:
    older = {"NEXT_PUBLIC_SAML_ORG_SLUG": "older"}
    saml = {"signOn.saml.defaultOrganization": "older", "signOn.saml.configured": True}
    assert translated(**older).values == saml
    both = translated(**older, DEFAULT_SAML_ORG_SLUG="newer")
    assert both.values["signOn.saml.defaultOrganization"] == "newer"
    assert not both.left_out


@pytest.mark.parametrize("host", [OWN_REPLICAS, "platform-db-cluster-repl", "platform-db-cluster-repl.platform-db-pg"])
def test_the_platforms_own_replicas_are_a_switch(host: str) -> None:
    replicas = json.dumps([{"DB_CONNECTION_URI": f"postgresql://u:p@{host}:5432/i"}])
    assert translated(DB_READ_REPLICAS=replicas).values == {"infisical.readReplicas": "cluster"}


def test_other_replicas_bring_their_authority() -> None:
    uri = "postgresql://u:p@platform-db-cluster-repl.elsewhere:5432/i"
    replicas = json.dumps([{"DB_CONNECTION_URI": uri, "DB_ROOT_CERT": encoded(PEM)}])
    values = translated(DB_READ_REPLICAS=replicas, DB_ROOT_CERT=encoded(KEY_PEM)).values
    assert values == {"databaseReadReplicas": [{"uri": uri, "authority": PEM}]}


@pytest.mark.parametrize("replicas", ["[1]", '[{"db_connection_uri": "x"}]', "7", '{"DB_CONNECTION_URI": "x"}'])
def test_replicas_of_another_shape_are_refused(stack: FakeStack, replicas: str) -> None:
    assert "databaseReadReplicas" in refusal(stack, {"SITE_URL": SITE, "DB_READ_REPLICAS": replicas})


def test_no_replicas_are_left_out() -> None:
    assert translated(DB_READ_REPLICAS="[]").left_out == {"DB_READ_REPLICAS": "it names none"}


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ('["https://a.org", "https://b.org"]', ["https://a.org", "https://b.org"]),
        ("https://a.org,https://b.org", ["https://a.org", "https://b.org"]),
        ('"https://a.org"', ["https://a.org"]),
        ("https://a.org", ["https://a.org"]),
    ],
)
def test_origins_become_a_list(text: str, origins: list[str]) -> None:
    assert translated(CORS_ALLOWED_ORIGINS=text).values == {"infisical.corsAllowedOrigins": origins}


@pytest.mark.parametrize(
    ("name", "value", "harmless"),
    [
        ("OTEL_EXPORT_TYPE", "otlp", True),
        ("SALT_ROUNDS", "10", True),
        ("LICENSE_OFFLINE", "true", True),
        ("AUDIT_LOG_STREAM_LIMIT", "500", True),
        ("LICENSE_KEY", "true", False),
        ("ADMIN_PIN", "1234", False),
        ("SOMETHING", "word", False),
        ("SOME_TYPE", "gXc8lAqP0wEr5TzU", False),
        ("SOME_TYPE", "a" * 21, False),
        ("POSTHOG_HOST", "https://u:p@h", False),
        ("SOME_LIMIT", "123456", False),
    ],
)
def test_in_doubt_a_variable_is_secret(name: str, value: str, harmless: bool) -> None:
    assert is_harmless(name, value) is harmless


# --- round trip ------------------------------------------------------------------------------------------------------

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_LETTERS = string.ascii_letters + string.digits
_LABEL = st.text(string.ascii_lowercase, min_size=1, max_size=8)
_LINE = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=12) | st.sampled_from(
    ["true", "007", "12", "+5", "-1", "1e3", "null", "[]", "{}", "a b"]
)
_ORIGIN = st.builds("https://{}.example.org".format, _LABEL)
_TOKEN = st.text(_PRINTABLE, min_size=32, max_size=40)
_SECRET_LINE = st.text(_PRINTABLE, min_size=1, max_size=12)
_PASSWORD = st.text(_LETTERS, min_size=16, max_size=20)
_PEM = st.sampled_from([PEM, PEM * 2, PEM.rstrip(), PEM.replace("\n", "\r\n")])
_KEY_PEM = st.sampled_from([KEY_PEM, KEY_PEM.rstrip()])
_EXTRA = st.sampled_from(["X_TYPE", "X_TOKEN", "X_ENABLED", "X_ANY", "Y", "Z_LEVEL"])


def _some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Valid ones, without "project:"."""
    pools = {"min": st.integers(0, 10), "max": st.integers(10, 1000), "auditLogsMax": st.integers(1, 9)}
    config: dict[str, Any] = {
        "ingress": ISSUER,
        "infisical": {"siteUrl": draw(_ORIGIN)}
        | draw(
            _some(
                corsAllowedOrigins=st.lists(_ORIGIN, max_size=3),
                telemetry=st.booleans(),
                allowInternalIpConnections=st.booleans(),
                pools=_some(**pools),
            )
        ),
        "signOn": {},
        "integrations": {},
    } | draw(_some(authSecret=_TOKEN, cookieSecret=_TOKEN))
    config |= draw(
        st.sampled_from([{}, {"encryptionKey": "0123456789abcdef" * 2}, {"rootEncryptionKey": encoded("k" * 32)}])
    )
    if draw(st.booleans()):
        mail = {"host": draw(_LABEL), "fromAddress": f"{draw(_LABEL)}@example.org"} | draw(_some(fromName=_LINE))
        mail["port"], mail["tls"] = draw(
            st.sampled_from([(465, "required"), (25, "off"), (25, "opportunistic"), (587, "required")])
        )
        mail |= draw(st.sampled_from([{"verify": False}, {"verify": True}])) | (
            {"authority": draw(_PEM), "verify": True} if draw(st.booleans()) else {}
        )
        if mail["tls"] != "off" and draw(st.booleans()):
            mail["username"], config["smtpPassword"] = draw(_LINE), draw(_SECRET_LINE)
        config["mail"] = mail
    if draw(st.booleans()):
        config["signOn"]["github"] = {"clientId": draw(_LINE)}
        config["githubLoginClientSecret"] = draw(_SECRET_LINE)
    if draw(st.booleans()):
        config["signOn"]["saml"] = {"defaultOrganization": draw(_LABEL), "configured": draw(st.booleans())}
    if draw(st.booleans()):
        app = {"clientId": draw(_LINE), "slug": draw(_LINE), "id": draw(st.integers(1, 10**9))}
        config["integrations"]["githubApp"] = app
        config |= {"githubAppClientSecret": draw(_SECRET_LINE), "githubAppPrivateKey": draw(_KEY_PEM)}
    if draw(st.booleans()):
        config["integrations"]["aws"] = {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}
        config["awsSecretAccessKey"] = draw(_SECRET_LINE)
    if draw(st.booleans()):
        replica = st.builds("postgresql://u:{}@{}.example.org:5432/i".format, _PASSWORD, _LABEL)
        config["databaseReadReplicas"] = [
            {"uri": uri, "authority": draw(_PEM)} for uri in draw(st.lists(replica, min_size=1, max_size=2))
        ]
    names = draw(st.lists(_EXTRA, unique=True, max_size=4))
    text = _LINE | _PEM | st.sampled_from([" spaced ", "true", "0123", "otlp"])
    config["extraEnvironment"] = {name: draw(text) for name in names[:2]}
    config["extraSecrets"] = {name: draw(text) for name in names[2:]}
    return config


@given(config=configurations())
def test_what_is_rendered_is_imported_to_the_same(config: dict[str, Any]) -> None:
    values = {f"{PROJECT}:{key}": v if isinstance(v, str) else json.dumps(v) for key, v in config.items()}
    before = settings.load(Commands(PROJECT, "dev"), values, [f"{PROJECT}:{key}" for key in config if key in SECRETS])
    stack = FakeStack(kept={"ingress": ISSUER})
    assert bring_in(stack, environment(before)) == 0
    assert environment(loaded(stack)) == environment(before)
    writes = len(stack.wrote)
    assert bring_in(stack, environment(before)) == 0
    assert len(stack.wrote) == writes
