"""The Secret of a deployment whose databases somebody else runs, brought into a stack that says so."""

from __future__ import annotations

from typing import Any

import pytest

from operations.translation import translate

EXTERNAL = {"kind": "external"}


@pytest.mark.parametrize(
    ("section", "variables", "told"),
    [
        (
            "database",
            {"DB_CONNECTION_URI": "postgresql://app:p%40ss@db.example.org:6432/vault?sslmode=require"},
            {
                "database.host": "db.example.org",
                "database.port": 6432,
                "database.name": "vault",
                "database.user": "app",
                "databasePassword": "p@ss",
            },
        ),
        (
            "redis",
            {"REDIS_URL": "rediss://app:p%2Fss@cache.example.org"},
            {
                "redis.host": "cache.example.org",
                "redis.port": 6379,
                "redis.tls": True,
                "redis.username": "app",
                "redisPassword": "p/ss",
            },
        ),
        (
            "redis",
            {
                "REDIS_SENTINEL_HOSTS": "a:26379, b:26379",
                "REDIS_SENTINEL_MASTER_NAME": "main",
                "REDIS_PASSWORD": "short!",
                "REDIS_SENTINEL_PASSWORD": "watched",
            },
            {
                "redis.sentinelHosts": ["a:26379", "b:26379"],
                "redis.tls": False,
                "redis.masterName": "main",
                "redisPassword": "short!",
                "redisSentinelPassword": "watched",
            },
        ),
    ],
)
def test_what_leads_outside_becomes_its_settings(section: str, variables: dict[str, str], told: dict[str, Any]) -> None:
    imported = translate(variables, {section: EXTERNAL})
    assert imported.values == told
    assert not imported.left_out


@pytest.mark.parametrize("variables", [{"DB_CONNECTION_URI": "::"}, {"REDIS_URL": "cache"}])
def test_what_is_no_address_is_left_out(variables: dict[str, str]) -> None:
    imported = translate(variables, {"database": EXTERNAL, "redis": EXTERNAL})
    assert imported.values == {}
    assert imported.left_out.keys() == variables.keys()


def test_a_stack_with_operators_takes_no_address() -> None:
    imported = translate({"REDIS_URL": "redis://:p@cache:6379"}, {})
    assert imported.values == {}
    assert "set redis.kind to external" in imported.left_out["REDIS_URL"]
