"""Translate the variables that lead an Infisical to databases that somebody else runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from settings.external import ExternalDatabase, ExternalRedis

_SCHEMES = {"redis": False, "rediss": True}


def outside(variables: Mapping[str, str], existing: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings that each variable says of a database which the stack has of kind external.

    `existing` is what the stack has already. A variable that says nothing of such a database is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    if _is_external(existing, "database"):
        found |= _database(variables)
    if _is_external(existing, "redis"):
        found |= _redis(variables)
    return {name: settings for name, settings in found.items() if settings}


def _is_external(existing: Mapping[str, Any], section: str) -> bool:
    value = existing.get(section)
    return isinstance(value, Mapping) and "external" in value.values()


def _database(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    address = _address(variables.get("DB_CONNECTION_URI", ""))
    if not address:
        return {}
    default = ExternalDatabase.model_fields["port"].default
    told = {
        "database.host": address.hostname,
        "database.port": address.port or default,
        "database.name": address.path.removeprefix("/"),
        "database.user": unquote(address.username or ""),
        "databasePassword": unquote(address.password or ""),
    }
    return {"DB_CONNECTION_URI": {key: value for key, value in told.items() if value}}


def _redis(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    address = _address(variables.get("REDIS_URL", ""))
    if address and address.scheme in _SCHEMES:
        told = {
            "redis.host": address.hostname,
            "redis.port": address.port or ExternalRedis.model_fields["port"].default,
            "redis.tls": _SCHEMES[address.scheme],
            "redis.username": unquote(address.username or "") or None,
            "redisPassword": unquote(address.password or "") or None,
        }
        return {"REDIS_URL": {key: value for key, value in told.items() if value is not None}}
    given = {name: value.strip() for name, value in variables.items()}
    hosts = [host.strip() for host in given.get("REDIS_SENTINEL_HOSTS", "").split(",") if host.strip()]
    singles = {
        "REDIS_SENTINEL_MASTER_NAME": "redis.masterName",
        "REDIS_USERNAME": "redis.username",
        "REDIS_PASSWORD": "redisPassword",
        "REDIS_SENTINEL_PASSWORD": "redisSentinelPassword",
    }
    if not hosts:
        return {}
    return {
        "REDIS_SENTINEL_HOSTS": {"redis.sentinelHosts": hosts, "redis.tls": False},
        **{name: {key: given[name]} for name, key in singles.items() if given.get(name)},
    }


def _address(text: str) -> Any:
    """Return an address with a host, None for anything else."""
    try:
        address = urlsplit(text.strip())
        int(address.port or 0)  # ValueError where it is no number
    except ValueError:
        return None
    return address if address.hostname else None
