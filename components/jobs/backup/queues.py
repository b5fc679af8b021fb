"""Empty Redis, whose queues and caches belong to the data that is replaced."""

import os
from dataclasses import dataclass

from external_redis import ExternalRedis, connected
from job import Pending, Report, wait
from redis_connection import Connection, ReplyError

_EMPTY_SECONDS = 180  # the data are restored by then, and a fail-over of Redis takes up to a minute


@dataclass(frozen=True)
class QueuesConfig:
    """The Sentinels that know the master, or `external` in their place. Redis' password is in REDIS_PASSWORD."""

    sentinel_host: str = ""
    sentinel_port: int = 0
    master_name: str = ""
    external: ExternalRedis | None = None


def master(config: QueuesConfig) -> tuple[str, int]:
    """Return the address of the master, which has taken the password. Raises Pending."""
    if config.external:
        where, connection = connected(config.external)
        connection.close()
        return where.host, where.port
    try:
        with Connection(config.sentinel_host, config.sentinel_port) as sentinel:
            found = sentinel.call("SENTINEL", "get-master-addr-by-name", config.master_name)
        if not found:
            raise Pending(f"Sentinel knows no master {config.master_name}")
        host, port = str(found[0]), int(found[1])
        with _connected(host, port) as redis:
            role = redis.call("ROLE")[0]
    except (OSError, ReplyError) as error:
        raise Pending(f"Redis: {error}") from error
    if role != "master":
        raise Pending(f"Redis {host}:{port} is {role}")
    return host, port


def empty(config: QueuesConfig, report: Report) -> None:
    """Delete everything that Redis has."""

    def flush() -> None:
        if config.external:
            where, connection = connected(config.external)
            with connection:
                try:
                    connection.call("FLUSHDB")  # nothing but what Infisical has: services may refuse FLUSHALL
                except (OSError, ReplyError) as error:
                    raise Pending(f"Redis {where}: {error}") from error
            return
        host, port = master(config)
        try:
            with _connected(host, port) as redis:
                redis.call("FLUSHALL")
        except (OSError, ReplyError) as error:
            raise Pending(f"Redis {host}:{port}: {error}") from error

    wait(flush, report, deadline_seconds=_EMPTY_SECONDS)


def _connected(host: str, port: int) -> Connection:
    return Connection(host, port, os.environ.get("REDIS_PASSWORD"))
