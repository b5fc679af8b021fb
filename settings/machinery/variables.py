"""Which settings become which variables of Infisical. Upstream reads them in backend/src/lib/config/env.ts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Variable:
    """The variable that a setting becomes.

    Switches become "true" or "false", because upstream takes only exactly "true". Lists become JSON.
    """

    name: str
    form: Literal["text", "base64"] = "text"
    since: str = ""  # date of the first image that reads it, when older ones are still in use


# Variables that the program sets itself, and what a user can do. Each text is a sentence.
OWNED = {
    "DB_CONNECTION_URI": "For a password of your own, set databasePassword",
    "DB_ROOT_CERT": "CertSync keeps it equal to what the database serves",
    "HTTPS_ENABLED": "It is true, because the site is https only",
    "REDIS_SENTINEL_HOSTS": "It follows from the settings of Redis",
    "REDIS_SENTINEL_MASTER_NAME": "It follows from the settings of Redis",
    "REDIS_PASSWORD": "For a password of your own, set redisPassword",
    "SMTP_REQUIRE_TLS": "Set mail.tls",
    "SMTP_IGNORE_TLS": "Set mail.tls",
    "DB_READ_REPLICAS": "Set infisical.readReplicas, or databaseReadReplicas for servers of your own",
    "DEFAULT_SAML_ORG_SLUG": "Set signOn.saml",
    "NEXT_PUBLIC_SAML_ORG_SLUG": "Set signOn.saml",
}

# Variables that do nothing here, or harm. Each text says why, and what to use in their place.
REFUSED = {
    "REDIS_URL": "it would win over Sentinel, and a failover would end the service",
    "REDIS_CLUSTER_HOSTS": "it would win over Sentinel",
    "REDIS_SENTINEL_ENABLE_TLS": "it does nothing. The connections to Redis and Sentinel stay unencrypted",
    "REDIS_SENTINEL_USERNAME": "these Sentinels have no users",
    "REDIS_SENTINEL_PASSWORD": "these Sentinels have no password",
    "REDIS_USERNAME": "Redis has the default user only",
    "DB_HOST": "DB_CONNECTION_URI wins over it",
    "DB_PORT": "DB_CONNECTION_URI wins over it",
    "DB_USER": "DB_CONNECTION_URI wins over it",
    "DB_PASSWORD": "DB_CONNECTION_URI wins over it",
    "DB_NAME": "DB_CONNECTION_URI wins over it",
    "MONGO_URL": "Infisical left MongoDB in 2024",
    "SMTP_SECURE": "Infisical no longer reads it. Set mail.port to 465 for TLS from the start",
    "JWT_AUTH_SECRET": "authSecret took its place. Set that",
    "JWT_SIGNUP_SECRET": "authSecret took its place. Set that",
    "JWT_REFRESH_SECRET": "authSecret took its place. Set that",
    "JWT_SERVICE_SECRET": "authSecret took its place. Set that",
    "JWT_MFA_SECRET": "authSecret took its place. Set that",
    "JWT_PROVIDER_AUTH_SECRET": "authSecret took its place. Set that",
    "INVITE_ONLY_SIGNUP": "Infisical no longer reads it. Switch sign-up off in the admin panel",
    "HOST": "the image sets it, and the Service relies on it",
    "PORT": "the image sets it, and the Service relies on it",
    "STANDALONE_MODE": "the image sets it",
    "REDIS_READ_REPLICAS": "Sentinel knows the replicas. Infisical would read from these even after they are gone",
    "INFISICAL_RUN_MODES": "every pod does all the work here, so no pod would do what this leaves out",
    "QUEUE_WORKER_PROFILE": "every pod does all the work here, so no pod would do what this leaves out",
    "BCRYPT_SALT_ROUND": "Infisical doesn't start with it. Set SALT_ROUNDS instead",
    "NODE_TLS_REJECT_UNAUTHORIZED": "it switches verification off for every connection, even to the database",
    **dict.fromkeys(
        ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "TNS_ADMIN"),
        "the pod has no file of yours that it could name",
    ),
    **dict.fromkeys(
        ("HSM_LIB_PATH", "HSM_PIN", "HSM_KEY_LABEL", "HSM_SLOT", "HSM_ENCRYPTION_STRATEGY"),
        "the pod has no library of an HSM",
    ),
}

# Forms of more variables. With a different value Infisical ends, or silently takes it for false.
_SWITCH = (r"true|false", "true and false")
_NUMBER = (r"[0-9]{1,15}", "a number")
_SWITCHES = """
    ACME_DEVELOPMENT_MODE ACME_DNS_RESOLVE_RESOLVER_SERVERS_HOST_ENABLED ACME_SKIP_UPSTREAM_VALIDATION
    BDD_NOCK_API_ENABLED CLICKHOUSE_AUDIT_LOG_ENABLED CLICKHOUSE_AUDIT_LOG_QUERY_ENABLED
    DAILY_RESOURCE_CLEAN_UP_DEVELOPMENT_MODE DATADOG_PROFILING_ENABLED DISABLE_AUDIT_LOG_GENERATION
    DISABLE_AUDIT_LOG_STORAGE DISABLE_SECRET_SCANNING DNS_MADE_EASY_SANDBOX_ENABLED DYNAMIC_SECRET_ALLOW_INTERNAL_IP
    ENABLE_MSSQL_SECRET_ROTATION_ENCRYPT GENERATE_SANITIZED_SCHEMA INFISICAL_CLOUD
    KUBERNETES_AUTO_FETCH_SERVICE_ACCOUNT_TOKEN MAINTENANCE_MODE OTEL_TELEMETRY_COLLECTION_ENABLED
    QUEUE_WORKERS_ENABLED REDIS_CLUSTER_AWS_ELASTICACHE_DNS_LOOKUP_MODE REDIS_CLUSTER_ENABLE_TLS
    ROTATION_DEVELOPMENT_MODE SHOULD_INIT_PG_QUEUE SHOULD_USE_DATADOG_TRACER USE_PG_QUEUE
"""
_NUMBERS = """
    CLIENT_APP_ID_GITHUB_APP KMS_ROOT_KEY_RETENTION_DAYS MAX_LEASE_LIMIT OTEL_OTLP_PUSH_INTERVAL PIT_CHECKPOINT_WINDOW
    PIT_TREE_CHECKPOINT_WINDOW SALT_ROUNDS
"""
FORMS = {
    **dict.fromkeys(_SWITCHES.split(), _SWITCH),
    **dict.fromkeys(_NUMBERS.split(), _NUMBER),
    "ACME_DEVELOPMENT_HTTP01_CHALLENGE_HOST_OVERRIDES": (r"\{.*\}", "a JSON object"),
    "CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS": (r"\{.*\}", "a JSON object"),
    "CORS_ALLOWED_HEADERS": (r"\[.*\]", "a JSON list"),
    "INTERNAL_REGION": (r"us|eu", "us and eu"),
    "NODE_ENV": (r"production", "production"),
    "OTEL_EXPORT_TYPE": (r"prometheus|otlp", "prometheus and otlp"),
    "PARAMS_FOLDER_SECRET_DETECTION_ENTROPY": (r"[0-9]{1,3}(\.[0-9]{1,9})?", "a number"),
    "PARAMS_FOLDER_SECRET_DETECTION_PATHS": (r"\[.*\]", "a JSON list"),
}
