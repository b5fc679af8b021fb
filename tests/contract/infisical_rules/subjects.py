"""Values together: the keys, the site, the database, Redis, mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from tests.contract.infisical_rules.reading import (
    Environment,
    Violations,
    decoded,
    is_pem,
    json_of,
)


def keys(environment: Environment) -> Violations:
    """AES-256-GCM takes ENCRYPTION_KEY's characters as they are, and ROOT_ENCRYPTION_KEY decoded.

    With both, the first opens the database (resolveInstanceEncryptionKeyBuffer), each what was written under it.
    """
    key, root = environment.get("ENCRYPTION_KEY"), environment.get("ROOT_ENCRYPTION_KEY")
    if not key and not root:
        yield "ENCRYPTION_KEY", "ends the first boot: it has no key"
    if key and len(key.encode()) != 32:
        yield "ENCRYPTION_KEY", "ends the first boot in a migration: it is not 32 bytes long"
    if root and len(decoded(root) or b"") != 32:
        yield "ROOT_ENCRYPTION_KEY", "ends it: it is not 32 bytes in base64"
    if not environment.get("AUTH_SECRET", environment.get("JWT_AUTH_SECRET")):
        yield "AUTH_SECRET", "ends it: required"
    if "COOKIE_SECRET_SIGN_KEY" not in environment:
        yield "COOKIE_SECRET_SIGN_KEY", "cookies are signed with upstream's published default"
    elif len(environment["COOKIE_SECRET_SIGN_KEY"]) < 32:
        yield "COOKIE_SECRET_SIGN_KEY", "ends it: shorter than 32 characters"


def site(environment: Environment) -> Violations:
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


def database(environment: Environment) -> Violations:
    if "DB_CONNECTION_URI" not in environment:
        parts = [f"DB_{part}" for part in ("USER", "PASSWORD", "HOST", "PORT", "NAME")]
        if missing := [part for part in parts if part not in environment]:
            yield "DB_CONNECTION_URI", f"ends it: without, {missing[0]} is `undefined` in the address"
    else:
        for part in ("USER", "PASSWORD", "HOST", "PORT", "NAME"):
            if f"DB_{part}" in environment:
                yield f"DB_{part}", "ignored: DB_CONNECTION_URI wins"
        for what in uri(environment["DB_CONNECTION_URI"]):
            yield "DB_CONNECTION_URI", what
    if "DB_ROOT_CERT" not in environment:
        yield "DB_ROOT_CERT", "without, the connection is in plain text, or verified against public authorities"


def replicas(environment: Environment) -> Violations:
    if "DB_READ_REPLICAS" not in environment:
        return
    replicas: Any = json_of(environment["DB_READ_REPLICAS"])
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
            if "DB_ROOT_CERT" in replica and not is_pem(decoded(str(replica["DB_ROOT_CERT"]))):
                yield "DB_READ_REPLICAS", "no entry's DB_ROOT_CERT verifies anything unless it is a PEM in base64"
            for what in uri(replica["DB_CONNECTION_URI"]):
                yield "DB_READ_REPLICAS", what


def uri(value: str) -> Iterator[str]:
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


_REDIS = ("REDIS_URL", "REDIS_CLUSTER_HOSTS", "REDIS_SENTINEL_HOSTS")  # the first that is set wins


def redis(environment: Environment) -> Violations:
    kinds = [kind for kind in _REDIS if environment.get(kind)]
    if not kinds:
        yield "REDIS_SENTINEL_HOSTS", "ends it: one of REDIS_URL, REDIS_SENTINEL_HOSTS, REDIS_CLUSTER_HOSTS is required"
        return
    for loser in kinds[1:]:
        yield loser, f"ignored: {kinds[0]} wins"
    for kind in ({*kinds} - {"REDIS_URL"}) | ({"REDIS_READ_REPLICAS"} & environment.keys()):
        for what in _addresses(environment[kind]):
            yield kind, what
    if kinds[0] == "REDIS_SENTINEL_HOSTS" and "REDIS_SENTINEL_MASTER_NAME" not in environment:
        yield "REDIS_SENTINEL_MASTER_NAME", "mymaster is asked for, which is hardly its name"


def redis_login(environment: Environment) -> Violations:
    for user, password in (
        ("REDIS_USERNAME", "REDIS_PASSWORD"),
        ("REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD"),
    ):
        if user in environment and password not in environment:
            yield user, f"ignored without {password}"
    if environment.get("REDIS_URL"):
        for name in ("REDIS_USERNAME", "REDIS_PASSWORD"):
            if name in environment:
                yield name, "ignored: REDIS_URL has its own"


def _addresses(value: str) -> Iterator[str]:
    for address in value.split(","):
        host, colon, port = address.strip().partition(":")
        if not colon:
            yield "ends it: an address without a port"
        elif not host or not port.isdecimal() or not 0 < int(port) < 65536:
            yield "no address: host:port,host:port"


def mail(environment: Environment) -> Violations:
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
