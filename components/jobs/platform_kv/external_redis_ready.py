"""Wait until a Redis that somebody else runs is usable as Infisical will use it, and name the cause when it is not.

What Redis says of itself comes from INFO, because managed services allow no CONFIG. Redis Enterprise tells its
maxmemory-policy in neither (sidekiq/sidekiq#5712), so what is not told is left to whoever set it up.
"""

import os
import re
from dataclasses import dataclass

from external_redis import ExternalRedis, connected
from job import Failed, Pending, Report, run, secret, wait
from redact import redactor
from redis_connection import Connection, ReplyError, pairs

POLICY = "noeviction"
OLDEST = (6, 2)
_PROBE = "infisical-platform:gate"


@dataclass(frozen=True)
class Config:
    """Where Redis is."""

    redis: ExternalRedis
    deadline_seconds: float


def main(config: Config, report: Report) -> str:
    # A server that does not know AUTH repeats its arguments in the error.
    report.hide = redactor(filter(None, (secret("REDIS_PASSWORD"), os.environ.get("SENTINEL_PASSWORD"))))

    def check() -> str:
        where, connection = connected(config.redis)
        with connection:
            try:
                return f"ready: {where} takes the password and writes{_judged(connection, config.redis)}"
            except (ReplyError, OSError) as error:
                raise Pending(f"redis {where}: {error}") from error

    return wait(check, report, deadline_seconds=config.deadline_seconds)


def _judged(connection: Connection, config: ExternalRedis) -> str:
    """Return what is said of a Redis that Infisical can use. Raises Failed for one that no waiting mends."""
    connection.call("PING")
    facts = dict(re.findall(r"^(\w+):(.*?)\r?$", connection.call("INFO", "everything"), re.MULTILINE))
    version, policy = facts.get("redis_version", ""), facts.get("maxmemory_policy") or _configured(connection)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if facts.get("cluster_enabled") == "1":
        raise Failed(
            "it is a Redis Cluster, whose keys Infisical's queues can't be spread over; switch cluster mode off"
        )
    if numbers and numbers < OLDEST:
        raise Failed(f"Redis {version} is older than 6.2, which Infisical's queues need")
    if policy and policy != POLICY:
        raise Failed(
            f"maxmemory-policy is {policy}, and Infisical's queues lose jobs unless it is {POLICY}; it is a parameter "
            "of the service"
        )
    if facts.get("role", "master") != "master":
        raise Pending("it is a replica, which takes no writes; name the primary")
    connection.call("SET", _PROBE, "1", "PX", "1000")
    secured = "TLS verified" if config.trust else "without TLS"
    told = f"maxmemory-policy {POLICY}" if policy else f"which tells no maxmemory-policy: it has to be {POLICY}"
    return f", Redis {version}, {told}, {secured}"


def _configured(connection: Connection) -> str:
    """Return the policy as it is configured, empty where the service tells nobody."""
    try:
        return pairs(connection.call("CONFIG", "GET", "maxmemory-policy")).get("maxmemory-policy", "")
    except ReplyError:
        return ""


if __name__ == "__main__":
    run("redis gate", Config, main)
