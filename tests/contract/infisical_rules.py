"""What Infisical does with its environment: which values end it, and which it passes over in silence.

Written down from upstream alone, and knows nothing of this project's settings. Sources: backend/src/lib/config/env.ts,
backend/src/lib/config/redis.ts and backend/src/db/instance.ts of Infisical/infisical; node-postgres' reading of a URI.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

Environment = Mapping[str, str]
Violations = Iterator[tuple[str, str]]  # variable, what happens

# zodStrBool: true for exactly "true", false for everything else.
SWITCHES = frozenset({
    "ALLOW_INTERNAL_IP_CONNECTIONS", "HTTPS_ENABLED", "OTEL_TELEMETRY_COLLECTION_ENABLED", "REDIS_CLUSTER_ENABLE_TLS",
    "REDIS_SENTINEL_ENABLE_TLS", "SMTP_IGNORE_TLS", "SMTP_REQUIRE_TLS", "SMTP_TLS_REJECT_UNAUTHORIZED",
    "TELEMETRY_ENABLED",
})  # fmt: skip
CHOICES = {
    "DISABLE_SECRET_SCANNING": ("true", "false"),
    "STANDALONE_MODE": ("true", "false"),
    "OTEL_EXPORT_TYPE": ("prometheus", "otlp"),
    "NODE_ENV": ("development", "test", "production"),
}
NUMBERS = frozenset({
    "AUDIT_LOGS_DB_POOL_MAX", "AUDIT_LOGS_DB_POOL_MIN", "CLIENT_APP_ID_GITHUB_APP", "DB_POOL_MAX", "DB_POOL_MIN",
    "DB_REPLICA_POOL_MAX", "DB_REPLICA_POOL_MIN", "HSM_SLOT", "KMS_ROOT_KEY_RETENTION_DAYS", "MAX_LEASE_LIMIT",
    "OTEL_OTLP_PUSH_INTERVAL", "PORT", "SALT_ROUNDS", "SMTP_PORT",
})  # fmt: skip
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
DEAD = {
    "MONGO_URL": "MongoDB is gone",
    "SMTP_SECURE": "TLS from the start follows from SMTP_PORT 465",
    "INVITE_ONLY_SIGNUP": "the admin panel has it",
    "REDIS_SENTINEL_ENABLE_TLS": "both hops stay in plain text",
    **{f"JWT_{use}_SECRET": "AUTH_SECRET took its place"
       for use in ("SIGNUP", "REFRESH", "SERVICE", "MFA", "PROVIDER_AUTH")},
}  # fmt: skip


def violations(environment: Environment) -> list[str]:
    """ "VARIABLE: what happens" for everything that ends Infisical, is passed over, or undoes what it seems to do.

    The environment is the whole one, with DB_ROOT_CERT. Sorted; without a value.
    """
    return sorted({f"{name}: {what}" for rule in _RULES for name, what in rule(environment)})


def _names(environment: Environment) -> Violations:
    for name in environment:
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name, re.ASCII):
            yield name, "ignored: every variable that is read is written in capitals"
        if name in DEAD:
            yield name, f"ignored: {DEAD[name]}"


def _text(environment: Environment) -> Violations:
    for name, value in environment.items():
        if not value.strip():
            yield name, "empty: unset for some variables, and the end for others"
        if "\0" in value:
            yield name, "no process can be started with NUL in its environment"


def _switches(environment: Environment) -> Violations:
    for name in SWITCHES & environment.keys():
        if environment[name] not in ("true", "false"):
            yield name, 'false: nothing but exactly "true" is true'
    for name in CHOICES.keys() & environment.keys():
        if environment[name] not in CHOICES[name]:
            yield name, f"ends it: none of {', '.join(CHOICES[name])}"


def _numbers(environment: Environment) -> Violations:
    for name in NUMBERS & environment.keys():
        if not re.fullmatch(r"[0-9]{1,15}", environment[name], re.ASCII):
            yield name, "ends it: no number"
    if not 0 < _number(environment, "SMTP_PORT", 587) < 65536:
        yield "SMTP_PORT", "no port"
    for name, image in (("HOST", "0.0.0.0"), ("PORT", "8080")):
        if environment.get(name, image) != image:
            yield name, f"the Service and the probes find nothing: the image sets {image}"
    for pool in ("DB_POOL", "DB_REPLICA_POOL", "AUDIT_LOGS_DB_POOL"):
        low, high = _number(environment, f"{pool}_MIN", 0), _number(environment, f"{pool}_MAX", 10)
        if high < max(low, 1):
            yield f"{pool}_MAX", "ends it: the pool has no room"


def _keys(environment: Environment) -> Violations:
    """AES-256-GCM takes ENCRYPTION_KEY's characters as they are, and ROOT_ENCRYPTION_KEY decoded.

    With both, the first opens the database (resolveInstanceEncryptionKeyBuffer), each what was written under it.
    """
    key, root = environment.get("ENCRYPTION_KEY"), environment.get("ROOT_ENCRYPTION_KEY")
    if not key and not root:
        yield "ENCRYPTION_KEY", "ends the first boot: it has no key"
    if key and len(key.encode()) != 32:
        yield "ENCRYPTION_KEY", "ends the first boot in a migration: it is not 32 bytes long"
    if root and len(_decoded(root) or b"") != 32:
        yield "ROOT_ENCRYPTION_KEY", "ends it: it is not 32 bytes in base64"
    if not environment.get("AUTH_SECRET", environment.get("JWT_AUTH_SECRET")):
        yield "AUTH_SECRET", "ends it: required"
    if "COOKIE_SECRET_SIGN_KEY" not in environment:
        yield "COOKIE_SECRET_SIGN_KEY", "cookies are signed with upstream's published default"
    elif len(environment["COOKIE_SECRET_SIGN_KEY"]) < 32:
        yield "COOKIE_SECRET_SIGN_KEY", "ends it: shorter than 32 characters"


def _site(environment: Environment) -> Violations:
    site = urlsplit(environment.get("SITE_URL", ""))
    if site.scheme not in ("http", "https") or not site.hostname or site.path not in ("", "/") or site.query:
        yield "SITE_URL", "links, redirects and CORS are wrong: it is taken as it stands, as an origin"
    if site.scheme == "https" and environment.get("HTTPS_ENABLED", "false") == "false":
        yield "HTTPS_ENABLED", "cookies travel without `secure`"
    for name in ("DEFAULT_SAML_ORG_SLUG", "NEXT_PUBLIC_SAML_ORG_SLUG"):
        slug = environment.get(name)
        if slug is not None and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug, re.ASCII):
            yield name, "every login is redirected to an organisation which can't be"
    if "NEXT_PUBLIC_SAML_ORG_SLUG" in environment and "DEFAULT_SAML_ORG_SLUG" in environment:
        yield "NEXT_PUBLIC_SAML_ORG_SLUG", "ignored: DEFAULT_SAML_ORG_SLUG wins"


def _lists(environment: Environment) -> Violations:
    for name in LISTS & environment.keys():
        value = _json(environment[name])
        if value is None:
            yield name, "ends it: not JSON"
        elif not (isinstance(value, list) and all(isinstance(entry, str) for entry in value)):
            yield name, "nothing matches: no list of strings"
        elif name == "CORS_ALLOWED_ORIGINS" and not all(map(_is_origin, value)):
            yield name, "an entry matches nothing: browsers send scheme, host and port alone"


def _database(environment: Environment) -> Violations:
    if "DB_CONNECTION_URI" not in environment:
        parts = [f"DB_{part}" for part in ("USER", "PASSWORD", "HOST", "PORT", "NAME")]
        if missing := [part for part in parts if part not in environment]:
            yield "DB_CONNECTION_URI", f"ends it: without, {missing[0]} is `undefined` in the address"
    else:
        for part in ("USER", "PASSWORD", "HOST", "PORT", "NAME"):
            if f"DB_{part}" in environment:
                yield f"DB_{part}", "ignored: DB_CONNECTION_URI wins"
        for what in _uri(environment["DB_CONNECTION_URI"]):
            yield "DB_CONNECTION_URI", what
    if "DB_ROOT_CERT" not in environment:
        yield "DB_ROOT_CERT", "without, the connection is in plain text, or verified against public authorities"


def _replicas(environment: Environment) -> Violations:
    if "DB_READ_REPLICAS" not in environment:
        return
    replicas: Any = _json(environment["DB_READ_REPLICAS"])
    if replicas is None:
        yield "DB_READ_REPLICAS", "ends it: not JSON"
    elif not isinstance(replicas, list):
        yield "DB_READ_REPLICAS", "ends it: no list"
    else:
        for replica in replicas:
            if not isinstance(replica, dict) or not isinstance(replica.get("DB_CONNECTION_URI"), str):
                yield "DB_READ_REPLICAS", "ends it: an entry has no DB_CONNECTION_URI"
                continue
            if ignored := replica.keys() - {"DB_CONNECTION_URI", "DB_ROOT_CERT"}:
                yield "DB_READ_REPLICAS", f"ignored in an entry: {', '.join(sorted(ignored))}"
            if "DB_ROOT_CERT" in replica and not _is_pem(_decoded(str(replica["DB_ROOT_CERT"]))):
                yield "DB_READ_REPLICAS", "no entry's DB_ROOT_CERT verifies anything unless it is a PEM in base64"
            for what in _uri(replica["DB_CONNECTION_URI"]):
                yield "DB_READ_REPLICAS", what


def _uri(value: str) -> Iterator[str]:
    """`new URL`, then node-postgres; beside an authority, sslmode decides whether anything is verified."""
    match = re.fullmatch(
        r"postgres(ql)?://(?P<userinfo>[^/?#@\s]*)@(?P<host>[A-Za-z0-9.-]+)(:(?P<port>[0-9]{1,5}))?/(?P<database>[^/?#\s]+)"
        r"(\?(?P<query>[^#\s]*))?",
        value,
    )
    if not match or not 0 < int(match["port"] or 5432) < 65536:
        yield "ends it: no address, or a user or password in it which is not percent-encoded"
        return
    try:
        unquote_to_bytes(match["userinfo"]).decode()
    except UnicodeDecodeError:
        yield "ends it: what is percent-encoded is no UTF-8"
    if re.search(r"%(?![0-9A-Fa-f]{2})", match["userinfo"] + match["database"]):
        yield "ends it: a % which encodes nothing"
    if match["query"]:
        yield "sslmode and ssl make DB_ROOT_CERT be dropped, or nothing be verified, by one image or another"


def _redis(environment: Environment) -> Violations:
    kinds = [kind for kind in ("REDIS_URL", "REDIS_CLUSTER_HOSTS", "REDIS_SENTINEL_HOSTS") if environment.get(kind)]
    if not kinds:
        yield "REDIS_SENTINEL_HOSTS", "ends it: one of REDIS_URL, REDIS_SENTINEL_HOSTS, REDIS_CLUSTER_HOSTS is required"
        return
    for loser in kinds[1:]:
        yield loser, f"ignored: {kinds[0]} wins"
    for kind in ("REDIS_CLUSTER_HOSTS", "REDIS_SENTINEL_HOSTS"):
        for address in environment.get(kind, "").split(",") if kind in kinds else ():
            host, colon, port = address.strip().partition(":")
            if not colon:
                yield kind, "ends it: an address without a port"
            elif not host or not port.isdecimal() or not 0 < int(port) < 65536:
                yield kind, "no address: host:port,host:port"
    if kinds[0] == "REDIS_SENTINEL_HOSTS" and "REDIS_SENTINEL_MASTER_NAME" not in environment:
        yield "REDIS_SENTINEL_MASTER_NAME", "mymaster is asked for, which is hardly its name"
    for user, password in (
        ("REDIS_USERNAME", "REDIS_PASSWORD"),
        ("REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD"),
    ):
        if user in environment and password not in environment:
            yield user, f"ignored without {password}"
    if kinds[0] == "REDIS_URL":
        for name in ("REDIS_USERNAME", "REDIS_PASSWORD"):
            if name in environment:
                yield name, "ignored: REDIS_URL has its own"


def _mail(environment: Environment) -> Violations:
    smtp = sorted(name for name in environment if name.startswith("SMTP_"))
    if smtp and "SMTP_HOST" not in environment:
        yield "SMTP_HOST", f"without, no mail is sent, and {smtp[0]} is ignored"
    if "SMTP_HOST" in environment and "SMTP_FROM_ADDRESS" not in environment:
        yield "SMTP_FROM_ADDRESS", "without, every mail is refused"
    required, ignored = (
        environment.get("SMTP_REQUIRE_TLS", "true") == "true",
        environment.get("SMTP_IGNORE_TLS") == "true",
    )
    if required and ignored:
        yield "SMTP_IGNORE_TLS", "no mail is sent: TLS is required and not begun"
    if environment.get("SMTP_PORT") == "465" and (ignored or not required):
        yield "SMTP_REQUIRE_TLS", "ignored: on port 465 TLS comes first"
    if ignored and "SMTP_PASSWORD" in environment:
        yield "SMTP_IGNORE_TLS", "the password is sent in plain text"
    if "SMTP_CUSTOM_CA_CERT" in environment and environment.get("SMTP_TLS_REJECT_UNAUTHORIZED", "true") == "false":
        yield "SMTP_CUSTOM_CA_CERT", "ignored: nothing is verified"


def _groups(environment: Environment) -> Violations:
    for group in GROUPS:
        there = [name for name in group if environment.get(name, "").strip()]
        if there:
            for name in set(group) - set(there):
                yield name, f"without, {there[0]} is ignored"


def _certificates(environment: Environment) -> Violations:
    for name in PEMS & environment.keys():
        if "\n" in environment[name] or not _is_pem(_decoded(environment[name])):
            yield name, "verifies nothing: no PEM in base64, on one line"
    key = environment.get(f"{GITHUB_APP}_PRIVATE_KEY")
    if key and not _is_pem(key.encode()):
        yield f"{GITHUB_APP}_PRIVATE_KEY", "no connection is made: a PEM has line breaks"


_RULES: tuple[Callable[[Environment], Violations], ...] = (
    _names, _text, _switches, _numbers, _keys, _site, _lists, _database, _replicas, _redis, _mail, _groups,
    _certificates,
)  # fmt: skip


def _number(environment: Environment, name: str, default: int) -> int:
    value = environment.get(name, "")
    return int(value) if re.fullmatch(r"[0-9]{1,15}", value, re.ASCII) else default


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return None


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_pem(value: bytes | None) -> bool:
    lines = (value or b"").replace(b"\r\n", b"\n").strip().split(b"\n")
    return len(lines) > 2 and lines[0].startswith(b"-----BEGIN ") and lines[-1].startswith(b"-----END ")


def _is_origin(value: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", value) is not None
