"""The environment of an Infisical as it may be found, and the command that moves it in."""

from __future__ import annotations

import base64
import json
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import settings
from operations import importing
from operations.errors import OperationError
from tests.tools.fake_stack import FakeStack

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
    "TRUSTED_PROXY_CIDRS": "10.0.0.0/8, 192.0.2.7/32",
    "NODE_OPTIONS": "--max-old-space-size=1024 --dns-result-order=ipv4first",
    "HOST": "0.0.0.0",
    "NODE_EXTRA_CA_CERTS": "/etc/corp.pem",
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
    "LICENSE_KEY": "licenceKeyValue",
    "SENTRY_DSN": "https://sentryToken@sentry.example.org/1",
    "tls.crt": PEM,
    "SMTP_NOTHING": "",
}


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
