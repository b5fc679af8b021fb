"""Choose between the databases that the stack runs itself and those that somebody else runs."""

from __future__ import annotations

from pulumi import ResourceOptions

from components.external_db import ExternalDb, ExternalDbArgs
from components.external_kv import ExternalKv, ExternalKvArgs
from components.platform_db import PlatformDb, PlatformDbArgs
from components.platform_kv import PlatformKv, PlatformKvArgs
from components.stack_identity import StackIdentity
from settings import Settings

Database = PlatformDb | ExternalDb
Redis = PlatformKv | ExternalKv


def database_of(name: str, settings: Settings, identity: StackIdentity, opts: ResourceOptions) -> Database:
    """Create the database that a stack's settings ask for."""
    if settings.database.kind == "external":
        return ExternalDb(name, ExternalDbArgs.of(settings, identity), opts)
    return PlatformDb(name, PlatformDbArgs.of(settings, identity), opts)


def redis_of(name: str, settings: Settings, identity: StackIdentity, opts: ResourceOptions) -> Redis:
    """Create the Redis that a stack's settings ask for."""
    if settings.redis.kind == "external":
        return ExternalKv(name, ExternalKvArgs.of(settings, identity), opts)
    return PlatformKv(name, PlatformKvArgs.of(settings, identity), opts)
