"""Values by themselves: names, switches, numbers, lists, groups, certificates, keys."""

from __future__ import annotations

import re

from tests.contract.infisical_rules.reading import (
    Environment,
    Violations,
    decoded,
    is_origin,
    is_pem,
    json_of,
    number_of,
)

# zodStrBool: true for exactly "true", false for everything else.
_SWITCHES = """
    ACME_DEVELOPMENT_MODE ACME_DNS_RESOLVE_RESOLVER_SERVERS_HOST_ENABLED ACME_SKIP_UPSTREAM_VALIDATION
    ALLOW_INTERNAL_IP_CONNECTIONS AUDIT_LOG_STREAMS_ENABLED BDD_NOCK_API_ENABLED CLICKHOUSE_AUDIT_LOG_ENABLED
    CLICKHOUSE_AUDIT_LOG_QUERY_ENABLED DAILY_RESOURCE_CLEAN_UP_DEVELOPMENT_MODE DATADOG_PROFILING_ENABLED
    DISABLE_AUDIT_LOG_GENERATION DISABLE_AUDIT_LOG_STORAGE DISABLE_POSTGRES_AUDIT_LOG_STORAGE
    DNS_MADE_EASY_SANDBOX_ENABLED DYNAMIC_SECRET_ALLOW_INTERNAL_IP ENABLE_MSSQL_SECRET_ROTATION_ENCRYPT FIPS_ENABLED
    GENERATE_SANITIZED_SCHEMA HTTPS_ENABLED INFISICAL_CLOUD KUBERNETES_AUTO_FETCH_SERVICE_ACCOUNT_TOKEN
    MAINTENANCE_MODE OTEL_TELEMETRY_COLLECTION_ENABLED QUEUE_WORKERS_ENABLED REDIS_SENTINEL_ENABLE_TLS
    ROTATION_DEVELOPMENT_MODE SHOULD_INIT_PG_QUEUE SHOULD_USE_DATADOG_TRACER SMTP_IGNORE_TLS SMTP_REQUIRE_TLS
    SMTP_TLS_REJECT_UNAUTHORIZED TELEMETRY_ENABLED USE_PG_QUEUE
"""
CHOICES = {
    "DISABLE_SECRET_SCANNING": ("true", "false"),
    "HSM_ENCRYPTION_STRATEGY": ("AES", "RSA_PKCS"),
    "INTERNAL_REGION": ("us", "eu"),
    "NODE_ENV": ("development", "test", "production"),
    "OTEL_EXPORT_TYPE": ("prometheus", "otlp"),
    "REDIS_CLUSTER_AWS_ELASTICACHE_DNS_LOOKUP_MODE": ("true", "false"),
    "REDIS_CLUSTER_ENABLE_TLS": ("true", "false"),
    "STANDALONE_MODE": ("true", "false"),
}
_NUMBERS = """
    AUDIT_LOGS_DB_POOL_MAX AUDIT_LOGS_DB_POOL_MIN CLIENT_APP_ID_GITHUB_APP DB_POOL_MAX DB_POOL_MIN
    DB_REPLICA_POOL_MAX DB_REPLICA_POOL_MIN HSM_SLOT KMS_ROOT_KEY_RETENTION_DAYS MAX_LEASE_LIMIT
    OTEL_OTLP_PUSH_INTERVAL PORT SALT_ROUNDS SMTP_PORT
"""
# jsonwebtoken reads a bare number in a text as milliseconds.
LIFETIMES = frozenset(f"JWT_{use}_LIFETIME" for use in ("AUTH", "INVITE", "MFA", "PROVIDER_AUTH", "REFRESH", "SIGNUP"))
LISTS = frozenset({"CORS_ALLOWED_HEADERS", "CORS_ALLOWED_ORIGINS"})
PEMS = frozenset({"DB_ROOT_CERT", "SMTP_CUSTOM_CA_CERT"})
GITHUB_APP = "INF_APP_CONNECTION_GITHUB_APP"
# All of a group, or the feature is off without a word.
GROUPS = (
    ("SMTP_USERNAME", "SMTP_PASSWORD"),
    ("CLIENT_ID_GITHUB_LOGIN", "CLIENT_SECRET_GITHUB_LOGIN"),
    ("CLIENT_ID_AWS_INTEGRATION", "CLIENT_SECRET_AWS_INTEGRATION"),
    ("INF_APP_CONNECTION_AWS_ACCESS_KEY_ID", "INF_APP_CONNECTION_AWS_SECRET_ACCESS_KEY"),
    tuple(f"{GITHUB_APP}_{part}" for part in ("CLIENT_ID", "CLIENT_SECRET", "PRIVATE_KEY", "SLUG", "ID")),
)
SWITCHES, NUMBERS = frozenset(_SWITCHES.split()), frozenset(_NUMBERS.split())
DEAD = {
    "MONGO_URL": "MongoDB is gone",
    "SMTP_SECURE": "TLS from the start follows from SMTP_PORT 465",
    "INVITE_ONLY_SIGNUP": "the admin panel has it",
    "REDIS_SENTINEL_ENABLE_TLS": "both hops stay in plain text",
    **dict.fromkeys(
        (f"JWT_{use}_SECRET" for use in ("SIGNUP", "REFRESH", "SERVICE", "MFA", "PROVIDER_AUTH")),
        "AUTH_SECRET took its place",
    ),
}


def names(environment: Environment) -> Violations:
    for name in environment:
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name, re.ASCII):
            yield name, "ignored: every variable that is read is written in capitals"
        if name in DEAD:
            yield name, f"ignored: {DEAD[name]}"


def text(environment: Environment) -> Violations:
    for name, value in environment.items():
        if not value.strip():
            yield name, "empty: unset for some variables, and the end for others"
        if "\0" in value:
            yield name, "no process can be started with NUL in its environment"


def switches(environment: Environment) -> Violations:
    for name in SWITCHES & environment.keys():
        if environment[name] not in ("true", "false"):
            yield name, 'false: nothing but exactly "true" is true'
    for name in CHOICES.keys() & environment.keys():
        if environment[name] not in CHOICES[name]:
            yield name, f"ends it: none of {', '.join(CHOICES[name])}"


def numbers(environment: Environment) -> Violations:
    for name in NUMBERS & environment.keys():
        if not re.fullmatch(r"[0-9]{1,15}", environment[name], re.ASCII):
            yield name, "ends it: no number"
    if not 0 < number_of(environment, "SMTP_PORT", 587) < 65536:
        yield "SMTP_PORT", "no port"
    for name, heard in (("HOST", ("0.0.0.0", "::")), ("PORT", ("8080",))):
        if environment.get(name, heard[0]) not in heard:
            yield name, f"the Service and the probes find nothing: the image sets {heard[0]}"
    for pool in ("DB_POOL", "DB_REPLICA_POOL", "AUDIT_LOGS_DB_POOL"):
        low, high = number_of(environment, f"{pool}_MIN", 0), number_of(environment, f"{pool}_MAX", 10)
        if high < max(low, 1):
            yield f"{pool}_MAX", "ends it: the pool has no room"


def lists(environment: Environment) -> Violations:
    for name in LISTS & environment.keys():
        value = json_of(environment[name])
        if value is None:
            yield name, "ends it: not JSON"
        elif not (isinstance(value, list) and all(isinstance(entry, str) for entry in value)):
            yield name, "nothing matches: no list of strings"
        elif name == "CORS_ALLOWED_ORIGINS" and not all(map(is_origin, value)):
            yield name, "an entry matches nothing: browsers send scheme, host and port alone"


def objects(environment: Environment) -> Violations:
    """JSON.parse, and a cast: the shape is looked at by whoever uses it."""
    for name in ("ACME_DEVELOPMENT_HTTP01_CHALLENGE_HOST_OVERRIDES", "CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS"):
        value = json_of(environment.get(name, "{}"))
        if not isinstance(value, dict):
            yield name, "ends it, or nothing is found in it: no JSON object"
        elif any(isinstance(entry, dict | list) or entry is None for entry in value.values()):
            yield name, "an entry is of no use: no plain value"
    name = "PARAMS_FOLDER_SECRET_DETECTION_PATHS"
    paths = json_of(environment.get(name, "[]"))
    if not isinstance(paths, list):
        yield name, "ends it, or nothing is found in it: no JSON list"
    elif not all(isinstance(path, dict) and {"secretPath", "projectId"} <= path.keys() for path in paths):
        yield name, "an entry matches no path: it needs secretPath and projectId"


def lifetimes(environment: Environment) -> Violations:
    for name in LIFETIMES & environment.keys():
        if re.fullmatch(r"\s*[0-9.]*\s*", environment[name], re.ASCII):
            yield name, "milliseconds: nobody stays logged in"
        elif not re.match(r"\s*[0-9]", environment[name], re.ASCII):
            yield name, "no token can be signed: no time"


def metrics(environment: Environment) -> Violations:
    if environment.get("OTEL_TELEMETRY_COLLECTION_ENABLED") != "true":
        return
    kind = environment.get("OTEL_EXPORT_TYPE")
    if kind is None:
        yield "OTEL_EXPORT_TYPE", "ends it: metrics have to go somewhere"
    if kind == "otlp" and not re.match(r"https?://\S", environment.get("OTEL_EXPORT_OTLP_ENDPOINT", "")):
        yield "OTEL_EXPORT_OTLP_ENDPOINT", "ends it, or metrics go to the pod itself: no address"


def groups(environment: Environment) -> Violations:
    for group in GROUPS:
        there = [name for name in group if environment.get(name, "").strip()]
        if there:
            for name in set(group) - set(there):
                yield name, f"without, {there[0]} is ignored"


def certificates(environment: Environment) -> Violations:
    for name in PEMS & environment.keys():
        if "\n" in environment[name] or not is_pem(decoded(environment[name])):
            yield name, "verifies nothing: no PEM in base64, on one line"
    key = environment.get(f"{GITHUB_APP}_PRIVATE_KEY")
    if key and not is_pem(key.encode()):
        yield f"{GITHUB_APP}_PRIVATE_KEY", "no connection is made: a PEM has line breaks"
