"""Rules over databases that somebody else runs, and the secrets that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from pydantic import SecretStr

from settings.external import Database, ExternalRedis, Redis
from settings.machinery.finding import Finding
from settings.machinery.types import PASSWORD
from settings.operators import OperatorSettings

Findings = Iterator[Finding]


def database_password_fits(database: Database, database_password: SecretStr | None) -> Findings:
    """Require the password of an external database, and one that every shell of the operator's takes otherwise."""
    yield from _password("database", database.kind == "external", "databasePassword", database_password)


def redis_password_fits(redis: Redis, redis_password: SecretStr | None) -> Findings:
    """Require the password of an external Redis, and one that every shell of the operator's takes otherwise."""
    yield from _password("redis", redis.kind == "external", "redisPassword", redis_password)


def _password(section: str, external: bool, key: str, password: SecretStr | None) -> Findings:
    if external and not password:
        yield Finding(key, f"required, but not set. {section}.kind is external, and nothing is generated for it", "set")
    elif password and not external:
        try:
            cast("Callable[[str], object]", PASSWORD.func)(password.get_secret_value())
        except ValueError as error:
            reason = str(error)
            yield Finding(key, f"{reason[:1].lower()}{reason[1:]}")


def sentinels_are_there(redis: Redis, redis_sentinel_password: SecretStr | None) -> Findings:
    """Refuse a password of Sentinels that have none."""
    if redis_sentinel_password and not (isinstance(redis, ExternalRedis) and redis.sentinel_hosts):
        yield Finding("redisSentinelPassword", "redis.sentinelHosts is not set, so nothing would use it", "remove")


def installed_operators_are_used(operators: OperatorSettings, database: Database, redis: Redis) -> Findings:
    """Refuse to install an operator that would have nothing to run: it serves the whole cluster, and stays."""
    for key, section, server in (("postgres", "database", database), ("redis", "redis", redis)):
        if key in operators.installed and server.kind == "external":
            yield Finding(f"operators.{key}", f"{section}.kind is external, so nothing here would need it", "remove")


EXTERNAL_RULES: tuple[Callable[..., Findings], ...] = (
    database_password_fits,
    redis_password_fits,
    sentinels_are_there,
    installed_operators_are_used,
)
