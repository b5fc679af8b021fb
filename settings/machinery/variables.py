"""Which setting becomes which variable of Infisical's environment. Upstream: backend/src/lib/config/env.ts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Variable:
    """Annotates a setting with the variable it becomes.

    Switches become "true" or "false" (upstream takes nothing but exactly "true"), lists JSON.
    """

    name: str
    form: Literal["text", "base64"] = "text"
    since: str = ""  # the first image that reads it, where older ones are still around


# Set by the program itself, which alone knows them.
OWNED = {
    "DB_CONNECTION_URI": "it follows from the database; a password of your own is databasePassword",
    "DB_ROOT_CERT": "CertSync keeps it equal to what the database serves",
    "HTTPS_ENABLED": "it is true: the site is https only",
    "REDIS_SENTINEL_HOSTS": "it follows from Redis",
    "REDIS_SENTINEL_MASTER_NAME": "it follows from Redis",
    "REDIS_PASSWORD": "it follows from Redis; a password of your own is redisPassword",
    "SMTP_REQUIRE_TLS": "use mail.tls",
    "SMTP_IGNORE_TLS": "use mail.tls",
    "DB_READ_REPLICAS": "use infisical.readReplicas, or databaseReadReplicas for others",
    "DEFAULT_SAML_ORG_SLUG": "use signOn.saml",
    "NEXT_PUBLIC_SAML_ORG_SLUG": "use signOn.saml",
}

# Read by no image this program deploys, or by the wrong one.
REFUSED = {
    "REDIS_URL": "it would win over Sentinel, and a failover would end the service",
    "REDIS_CLUSTER_HOSTS": "it would win over Sentinel",
    "REDIS_SENTINEL_ENABLE_TLS": "it does nothing: both hops stay in plain text",
    "REDIS_SENTINEL_USERNAME": "these Sentinels have no users",
    "REDIS_SENTINEL_PASSWORD": "these Sentinels have no password",
    "REDIS_USERNAME": "Redis has the default user only",
    "DB_HOST": "DB_CONNECTION_URI wins over it",
    "DB_PORT": "DB_CONNECTION_URI wins over it",
    "DB_USER": "DB_CONNECTION_URI wins over it",
    "DB_PASSWORD": "DB_CONNECTION_URI wins over it",
    "DB_NAME": "DB_CONNECTION_URI wins over it",
    "MONGO_URL": "Infisical left MongoDB in 2024",
    "SMTP_SECURE": "it is read no more: TLS from the start follows from mail.port 465",
    "JWT_AUTH_SECRET": "authSecret took its place",
    "JWT_SIGNUP_SECRET": "authSecret took its place",
    "JWT_REFRESH_SECRET": "authSecret took its place",
    "JWT_SERVICE_SECRET": "authSecret took its place",
    "JWT_MFA_SECRET": "authSecret took its place",
    "JWT_PROVIDER_AUTH_SECRET": "authSecret took its place",
    "INVITE_ONLY_SIGNUP": "it is read no more: sign-up is switched in the admin panel",
    "HOST": "the image sets it, and the Service relies on it",
    "PORT": "the image sets it, and the Service relies on it",
    "STANDALONE_MODE": "the image sets it",
}

# Further variables of which upstream takes nothing else: another value ends Infisical, or is false in silence.
_SWITCH = (r"true|false", "true and false")
_NUMBER = (r"[0-9]{1,15}", "a number")
FORMS = {
    "CLIENT_APP_ID_GITHUB_APP": _NUMBER,
    "CORS_ALLOWED_HEADERS": (r"\[.*\]", "a JSON list"),
    "DISABLE_SECRET_SCANNING": _SWITCH,
    "HSM_SLOT": _NUMBER,
    "KMS_ROOT_KEY_RETENTION_DAYS": _NUMBER,
    "MAX_LEASE_LIMIT": _NUMBER,
    "NODE_ENV": (r"development|test|production", "development, test and production"),
    "OTEL_EXPORT_TYPE": (r"prometheus|otlp", "prometheus and otlp"),
    "OTEL_OTLP_PUSH_INTERVAL": _NUMBER,
    "OTEL_TELEMETRY_COLLECTION_ENABLED": _SWITCH,
    "SALT_ROUNDS": _NUMBER,
}
