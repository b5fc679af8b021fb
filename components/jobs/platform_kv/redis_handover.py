"""Make the first server of Redis the master before the servers change, because a StatefulSet rolls it last.

The redis-operator resets every Sentinel when it hears of changed servers. A Sentinel that was reset asks the master who
follows it and who else watches it. Where a roll begins with the master there is nobody to ask, so no fail-over begins
and clients wait until the operator has told the Sentinels, which it does once the servers are rolled.

It never fails: without it a roll takes longer for clients, and a change may be what mends Redis.
"""

import contextlib
import time
from dataclasses import dataclass

from job import Pending, Report, run, secret, wait
from kube import Api, path
from pods import problems
from redact import redactor
from redis_connection import Connection, ReplyError, pairs
from redis_failover import Servers

PREFERRED, DEFAULT = "1", "100"  # replica-priority: a fail-over takes the lowest
CLOSE_BYTES = 1 << 20  # sent in a moment, for which clients may wait


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
        self.config, self.api = config, api
        self.redis = Servers(config.redis_port, password)
        self.in_vain = False
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
        watching = list(sentinels.values())
        masters = {self._master(sentinel) for sentinel in watching}
        if masters == {first}:
            return self._leads(first, {*servers.values()} - {first})
        self._prefer(first, PREFERRED)
        if len(masters) == 1 and not self.in_vain:
            [master] = masters
            self._fail_over(master, first, watching)
        raise Pending(f"the Sentinels name {', '.join(sorted(masters))}, wanted {first}")

    def _ready(self, app: str) -> dict[str, str]:
        """The addresses of pods that are ready and stay, by name."""
        pods = self.api.items(path("pods", self.config.namespace), labelSelector=f"app={app}")
        stay = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and not problems(pod)]
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in stay}

    def _master(self, sentinel: str) -> str:
        with self._asking(sentinel) as connection:
            named = connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.config.master_name)
        return named[0] if named else "nobody"

    def _asking(self, sentinel: str) -> Connection:
        return Connection(sentinel, self.config.sentinel_port)

    def _prefer(self, server: str, priority: str) -> None:
        with self.redis.connected(server) as connection:
            connection.call("CONFIG", "SET", "replica-priority", priority)

    def _fail_over(self, master: str, first: str, sentinels: list[str]) -> None:
        """Begin it once a Sentinel has heard of the preference, for which it asks every 10 s."""
        with self._asking(sentinels[0]) as connection:
            replicas = [pairs(each) for each in connection.call("SENTINEL", "REPLICAS", self.config.master_name)]
            if not any(each["ip"] == first and each["slave-priority"] == PREFERRED for each in replicas):
                raise Pending(f"Sentinel {sentinels[0]} has not heard that {first} is preferred")
            if (behind := self.redis.behind(first, master)) > CLOSE_BYTES:
                raise Pending(f"{first} is {behind} bytes behind {master}")

            def ask() -> None:
                try:
                    connection.call("SENTINEL", "FAILOVER", self.config.master_name)
                except ReplyError as error:
                    if error.code != "INPROG":  # one that is under way deposes the master as well
                        raise

            try:
                self.redis.fail_over(master, first, ask, lambda: self._named(sentinels))
            except Pending:
                self.in_vain = True  # clients wait no second time
                raise

    def _named(self, sentinels: list[str]) -> set[str]:
        """Return the masters that those Sentinels name which answer."""
        named: set[str] = set()
        for sentinel in sentinels:
            with contextlib.suppress(OSError, ReplyError):
                named.add(self._master(sentinel))
        return named

    def _leads(self, first: str, others: set[str]) -> str:
        """Raise Pending until all others follow. One that a hand-over has left half way still takes writes."""
        with self.redis.connected(first) as connection:
            role = connection.call("ROLE")
        if role[0] != "master":
            raise Pending(f"{first} is a {role[0]}, and the Sentinels name it as master")
        for other in sorted(others):
            if self.redis.leads(other):
                self.redis.depose(other, first)
        if len(role[2]) < len(others):
            raise Pending(f"{first}: {len(role[2])} replicas attached, wanted {len(others)}")
        self._prefer(first, DEFAULT)
        return f"{self.config.replication}-0 is the master, and {len(role[2])} follow it"


def main(config: Config, report: Report) -> str:
    password = secret("REDIS_PASSWORD")
    report.hide = redactor([password])
    handover = Handover(config, Api(), password)
    return wait(handover.check, report, deadline_seconds=2 * config.patience_seconds)


if __name__ == "__main__":
    run("redis handover", Config, main)
