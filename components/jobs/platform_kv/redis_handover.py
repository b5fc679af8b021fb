"""Make the first server of Redis the master before the servers change, because a StatefulSet rolls it last.

The redis-operator resets every Sentinel when it hears of changed servers. A Sentinel that was reset asks the master who
follows it and who else watches it. Where a roll begins with the master there is nobody to ask, so no fail-over begins
and clients wait until the operator has told the Sentinels, which it does once the servers are rolled.

It never fails: without it a roll takes longer for clients and loses nothing, and a change may be what mends Redis.
"""

import time
from dataclasses import dataclass

from job import Pending, Report, run, secret, wait
from kube import Api, path
from pods import problems
from redact import redactor
from redis_connection import Connection, ReplyError, pairs

PREFERRED, DEFAULT = "1", "100"  # replica-priority: a fail-over takes the lowest


@dataclass(frozen=True)
class Config:
    """replication, sentinel: the pods' label "app"."""

    namespace: str
    replication: str
    redis_port: int
    sentinel: str
    sentinel_port: int
    master_name: str
    patience_seconds: float


class Handover:
    """One fail-over to the first server, unless it leads already."""

    def __init__(self, config: Config, api: Api, password: str) -> None:
        self.config, self.api, self.password = config, api, password
        self.end = time.monotonic() + config.patience_seconds

    def check(self) -> str:
        """Return what was done, or why it was not. Raises Pending for as long as there is patience."""
        try:
            return self._hand_over()
        except (Pending, ReplyError, OSError) as reason:
            if time.monotonic() < self.end:
                raise Pending(str(reason)) from reason
            return f"the roll may begin with the master, and clients wait longer: {reason}"

    def _hand_over(self) -> str:
        config = self.config
        servers, sentinels = self._ready(config.replication), self._ready(config.sentinel)
        if not servers or not sentinels:
            return "nothing to hand over: there are no servers or no Sentinels yet"
        first = servers.get(f"{config.replication}-0")
        if not first:
            raise Pending(f"pod {config.replication}-0 is not ready")
        named = {sentinel: self._master(sentinel) for sentinel in sentinels.values()}
        masters = set(named.values())
        if masters == {first}:
            return self._leads(first, followers=len(servers) - 1)
        self._prefer(first, PREFERRED)
        asked, master = next(iter(named.items()))
        if master != first:
            self._fail_over(asked, first)
        raise Pending(f"the Sentinels name {', '.join(sorted(masters))}, wanted {first}")

    def _ready(self, app: str) -> dict[str, str]:
        """The addresses of pods that are ready and stay, by name."""
        pods = self.api.items(path("pods", self.config.namespace), labelSelector=f"app={app}")
        stay = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and not problems(pod)]
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in stay}

    def _master(self, sentinel: str) -> str:
        with Connection(sentinel, self.config.sentinel_port) as connection:
            named = connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.config.master_name)
        return named[0] if named else "nobody"

    def _prefer(self, server: str, priority: str) -> None:
        with Connection(server, self.config.redis_port, self.password) as connection:
            connection.call("CONFIG", "SET", "replica-priority", priority)

    def _fail_over(self, sentinel: str, first: str) -> None:
        """Begin it once the Sentinel has heard of the preference, for which it asks every 10 s."""
        with Connection(sentinel, self.config.sentinel_port) as connection:
            replicas = [pairs(each) for each in connection.call("SENTINEL", "REPLICAS", self.config.master_name)]
            if not any(each["ip"] == first and each["slave-priority"] == PREFERRED for each in replicas):
                raise Pending(f"Sentinel {sentinel} has not heard that {first} is preferred")
            connection.call("SENTINEL", "FAILOVER", self.config.master_name)

    def _leads(self, first: str, followers: int) -> str:
        with Connection(first, self.config.redis_port, self.password) as connection:
            role = connection.call("ROLE")
        attached = len(role[2]) if role[0] == "master" else 0
        if attached < followers:
            raise Pending(f"{first}: {attached} replicas attached, wanted {followers}")
        self._prefer(first, DEFAULT)
        return f"{self.config.replication}-0 is the master, and {attached} follow it"


def main(config: Config, report: Report) -> str:
    password = secret("REDIS_PASSWORD")
    report.hide = redactor([password])
    handover = Handover(config, Api(), password)
    return wait(handover.check, report, deadline_seconds=2 * config.patience_seconds)


if __name__ == "__main__":
    run("redis handover", Config, main)
