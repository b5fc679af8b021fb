"""Which settings become which variables of Infisical. Upstream reads them in backend/src/lib/config/env.ts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Variable:
    """The variable that a setting becomes.

    Switches become "true" or "false", because upstream takes only exactly "true". Lists become JSON, or text with
    commas.
    """

    name: str
    form: Literal["text", "base64", "commas"] = "text"
    since: str = ""  # date of the first image that reads it, when older ones are still in use


# Variables that the program sets itself, and what a user can do. Each text is a sentence.
OWNED = {
    "DB_CONNECTION_URI": "For a password of your own, set databasePassword. For a database of your own, set "
    "database.kind to external",
    "DB_ROOT_CERT": "CertSync keeps it equal to what the database serves",
    "HTTPS_ENABLED": "It is true, because the site is https only",
    "REDIS_SENTINEL_HOSTS": "It follows from the settings of Redis",
    "REDIS_SENTINEL_MASTER_NAME": "It follows from the settings of Redis",
    "REDIS_PASSWORD": "For a password of your own, set redisPassword",
    "REDIS_USERNAME": "Set redis.username of an external Redis. The stack's own has the default user only",
    "REDIS_SENTINEL_PASSWORD": "Set redisSentinelPassword for an external Redis. The stack's own Sentinels have none",
    "SMTP_REQUIRE_TLS": "Set mail.tls",
    "SMTP_IGNORE_TLS": "Set mail.tls",
    "DB_READ_REPLICAS": "Set infisical.readReplicas, or databaseReadReplicas for servers of your own",
    "DEFAULT_SAML_ORG_SLUG": "Set signOn.saml",
    "NEXT_PUBLIC_SAML_ORG_SLUG": "Set signOn.saml",
    "NODE_EXTRA_CA_CERTS": "Set infisical.authorities",
    "HOST": "Set infisical.ipv6 where Services get IPv6 addresses",
}

# Variables that do nothing here, or harm. Each text says why, and what to use in their place.
REFUSED = {
    "REDIS_URL": "it would win over Sentinel, and a failover would end the service. For a Redis of your own, set "
    "redis.kind to external",
    "REDIS_CLUSTER_HOSTS": "it would win over Sentinel",
    "REDIS_SENTINEL_ENABLE_TLS": "it does nothing. The connections to Redis and Sentinel stay unencrypted",
    "REDIS_SENTINEL_USERNAME": "these Sentinels have no users",
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
    "PORT": "the image sets it, and the Service relies on it",
    "STANDALONE_MODE": "the image sets it",
    "REDIS_READ_REPLICAS": "Sentinel knows the replicas. Infisical would read from these even after they are gone",
    "INFISICAL_RUN_MODES": "every pod does all the work here, so no pod would do what this leaves out",
    "QUEUE_WORKER_PROFILE": "every pod does all the work here, so no pod would do what this leaves out",
    "BCRYPT_SALT_ROUND": "Infisical doesn't start with it. Set SALT_ROUNDS instead",
    "NODE_TLS_REJECT_UNAUTHORIZED": "it switches verification off for every connection, even to the database",
    **dict.fromkeys(
        ("SSL_CERT_FILE", "SSL_CERT_DIR"),
        "the pod has no file of yours that it could name. Set infisical.authorities",
    ),
    "TNS_ADMIN": "the pod has no file of yours that it could name",
    **dict.fromkeys(
        ("HSM_LIB_PATH", "HSM_PIN", "HSM_KEY_LABEL", "HSM_SLOT", "HSM_ENCRYPTION_STRATEGY"),
        "the pod has no library of an HSM",
    ),
}
