"""Settings of databases that somebody else runs, with a different value, and what each changes."""

from __future__ import annotations

from typing import Any

from tests.unit.changes import CORPORATE, ENVIRONMENT, INFISICAL_PODS, change
from tests.unit.harness import EXTERNAL_DATABASE, EXTERNAL_SENTINELS

HOSTED: dict[str, Any] = {
    "database": EXTERNAL_DATABASE,
    "databasePassword": "p" * 20,
    "redis": {"kind": "external", "host": "redis.example.org"},
    "redisPassword": "r" * 20,
}
WATCHED: dict[str, Any] = {**HOSTED, "redis": EXTERNAL_SENTINELS}

_LOGIN, _REDIS_LOGIN = "Job/platform-db-login", f"{ENVIRONMENT} Job/platform-kv-login"
_DATABASE = f"{_LOGIN} {ENVIRONMENT} Secret/infisical-migration-uri"
_INFISICAL = "NetworkPolicy/infisical-secrets-policies-infisical"
_PORT = f"{_INFISICAL} {_INFISICAL}-migration NetworkPolicy/platform-db-policies-platform-db-login"
_REDIS_PORT = f"{_INFISICAL} NetworkPolicy/platform-kv-policies-platform-kv-login"

HOSTS = (
    change("database.host", "other.example.org", _DATABASE),
    change("database.port", 6543, f"{_DATABASE} {_PORT}"),
    change("database.name", "another", _DATABASE),
    change("database.movedFrom", "old.example.org:5432/infisical", _LOGIN),
    change("database.user", "another_user", f"{_DATABASE} Secret/platform-db-external"),
    change(
        "database.authority",
        CORPORATE,
        f"{ENVIRONMENT} Secret/platform-db-external Secret/platform-db-login-secret",
    ),
    change("redis.host", "cache.example.org", _REDIS_LOGIN),
    change("redis.port", 6380, f"{_REDIS_LOGIN} {_REDIS_PORT}"),
    change("redis.movedFrom", "old.example.org:6379", "", None),
    change("redis.tls", False, _REDIS_LOGIN, "redis://"),
    change("redis.username", "somebody", _REDIS_LOGIN),
    change(
        "redis.authority",
        CORPORATE,
        f"{INFISICAL_PODS} Job/platform-kv-login Secret/platform-kv-login-secret ConfigMap/infisical-authorities",
    ),
)
WATCHERS = (
    change("redis.sentinelHosts", ["a.example.org:26379"], f"{_REDIS_LOGIN} {_REDIS_PORT}", "a.example.org:26379"),
    change("redis.masterName", "queen", _REDIS_LOGIN),
    change("redisSentinelPassword", "watched", f"{_REDIS_LOGIN} Secret/platform-kv-login-secret"),
)
