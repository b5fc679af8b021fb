"""Forms of variables that have no setting. With a different value, Infisical ends, or takes it for something else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from settings.machinery.forms import pem

# A request goes through one of these. The names in lower case are no variables of a stack.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class VariableForm:
    """What a variable accepts, in words and as a check."""

    words: str
    accepts: Callable[[str], bool]


def _text(pattern: str, words: str) -> VariableForm:
    return VariableForm(words, lambda value: re.fullmatch(pattern, value, re.ASCII) is not None)


def _json(words: str, shape: Callable[[object], bool]) -> VariableForm:
    """Return the form of a variable that upstream parses as JSON and then uses without a look at its shape."""

    def accepts(value: str) -> bool:
        try:
            return shape(json.loads(value, parse_constant=_refuse))
        except (ValueError, RecursionError):
            return False

    return VariableForm(words, accepts)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _is_list(value: object, entry: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and all(map(entry, cast("list[object]", value)))


def _is_object(value: object, entry: Callable[[object], bool]) -> bool:
    return isinstance(value, dict) and all(map(entry, cast("dict[str, object]", value).values()))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_detection(value: object) -> bool:
    return _is_object(value, _is_text) and cast("dict[str, str]", value).keys() == {"secretPath", "projectId"}


def _is_certificate(value: str) -> bool:
    """Return whether a text is the PEM of certificates in base64, wrapped or not, as Node decodes it."""
    check = cast("Callable[[str], str]", pem("CERTIFICATE").func)
    try:
        check(base64.b64decode("".join(value.split()), validate=True).decode("ascii"))
    except ValueError:
        return False
    return True


_SWITCH = _text(r"true|false", "true and false")
_NUMBER = _text(r"[0-9]{1,15}", "a number")
_ADDRESS = _text(r"https?://[^\s/]\S*", "an address that begins with https:// or http://")
# A number without a unit counts milliseconds, so nobody could log in.
_TIME = _text(r"[0-9]{1,9}(\.[0-9]{1,9})?[smhdwy]", "a time with its unit, such as 15m or 10d")
_SWITCHES = """
    ACME_DEVELOPMENT_MODE ACME_DNS_RESOLVE_RESOLVER_SERVERS_HOST_ENABLED ACME_SKIP_UPSTREAM_VALIDATION
    AUDIT_LOG_STREAMS_ENABLED BDD_NOCK_API_ENABLED CLICKHOUSE_AUDIT_LOG_ENABLED CLICKHOUSE_AUDIT_LOG_QUERY_ENABLED
    DAILY_RESOURCE_CLEAN_UP_DEVELOPMENT_MODE DATADOG_PROFILING_ENABLED DISABLE_AUDIT_LOG_GENERATION
    DISABLE_AUDIT_LOG_STORAGE DISABLE_POSTGRES_AUDIT_LOG_STORAGE DISABLE_SECRET_SCANNING DNS_MADE_EASY_SANDBOX_ENABLED
    DYNAMIC_SECRET_ALLOW_INTERNAL_IP ENABLE_MSSQL_SECRET_ROTATION_ENCRYPT FIPS_ENABLED GENERATE_SANITIZED_SCHEMA
    INFISICAL_CLOUD KUBERNETES_AUTO_FETCH_SERVICE_ACCOUNT_TOKEN MAINTENANCE_MODE OTEL_TELEMETRY_COLLECTION_ENABLED
    QUEUE_WORKERS_ENABLED REDIS_CLUSTER_AWS_ELASTICACHE_DNS_LOOKUP_MODE REDIS_CLUSTER_ENABLE_TLS
    ROTATION_DEVELOPMENT_MODE SHOULD_INIT_PG_QUEUE SHOULD_USE_DATADOG_TRACER USE_PG_QUEUE
"""
_NUMBERS = """
    CLIENT_APP_ID_GITHUB_APP KMS_ROOT_KEY_RETENTION_DAYS MAX_LEASE_LIMIT OTEL_OTLP_PUSH_INTERVAL PIT_CHECKPOINT_WINDOW
    PIT_TREE_CHECKPOINT_WINDOW SALT_ROUNDS
"""
_TIMES = """
    JWT_AUTH_LIFETIME JWT_INVITE_LIFETIME JWT_MFA_LIFETIME JWT_PROVIDER_AUTH_LIFETIME JWT_REFRESH_LIFETIME
    JWT_SIGNUP_LIFETIME
"""
FORMS: Mapping[str, VariableForm] = {
    **dict.fromkeys(_SWITCHES.split(), _SWITCH),
    **dict.fromkeys(_NUMBERS.split(), _NUMBER),
    **dict.fromkeys(_TIMES.split(), _TIME),
    **dict.fromkeys(PROXIES, _ADDRESS),
    "ACME_DEVELOPMENT_HTTP01_CHALLENGE_HOST_OVERRIDES": _json(
        "a JSON object of texts", lambda value: _is_object(value, _is_text)
    ),
    "AUDIT_LOGS_DB_ROOT_CERT": VariableForm("the PEM of an authority in base64, from `base64 ca.crt`", _is_certificate),
    "CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS": _json(
        "a JSON object of texts, numbers and switches",
        lambda value: _is_object(value, lambda entry: isinstance(entry, str | int | float)),
    ),
    "CLICKHOUSE_URL": _ADDRESS,
    "CORS_ALLOWED_HEADERS": _json("a JSON list of texts", lambda value: _is_list(value, _is_text)),
    "INTERNAL_REGION": _text(r"us|eu", "us and eu"),
    "NODE_ENV": _text(r"production", "production"),
    "OTEL_EXPORT_OTLP_ENDPOINT": _ADDRESS,
    "OTEL_EXPORT_TYPE": _text(r"prometheus|otlp", "prometheus and otlp"),
    "PARAMS_FOLDER_SECRET_DETECTION_ENTROPY": _text(r"[0-9]{1,3}(\.[0-9]{1,9})?", "a number"),
    "PARAMS_FOLDER_SECRET_DETECTION_PATHS": _json(
        'a JSON list of objects with "secretPath" and "projectId"', lambda value: _is_list(value, _is_detection)
    ),
}

_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@,]*@")
_PARAMETER = re.compile(
    r"://\S*[?&;](pass(word|wd)?|pwd|token|secret|api[_-]?key|access[_-]?key|sig(nature)?)=.", re.IGNORECASE
)
_SECRET_NAME = re.compile(
    r"CLIENT_(SECRET|PRIVATE_KEY)_.+|.+_(SECRET|PASSWORD|TOKEN|CREDENTIAL|PRIVATE_KEY|API_KEY|ACCESS_KEY)"
    r"|LICENSE_(SERVER_)?KEY(_OFFLINE)?",
    re.ASCII,
)


def why_secret(name: str, value: str) -> str:
    """Return why a variable may not stand in plain text, empty when it may."""
    if _LOGIN.search(value) or (name in PROXIES and "@" in value):
        return "its address contains a login"
    if _PARAMETER.search(value):
        return "its address contains a password or a token"
    if "PRIVATE KEY-----" in value:
        return "it contains a private key"
    if name not in FORMS and _SECRET_NAME.fullmatch(name):
        return "it is a secret by its name"
    return ""
