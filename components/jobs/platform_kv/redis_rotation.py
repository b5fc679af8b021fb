"""Have every running Redis and Sentinel take the new password beside the current one, without a restart.

This runs before the new password reaches the Secret that the operator and starting pods read. Afterwards each node
accepts both passwords, because its peers, its probes, the operator and Infisical may still use either. A node that
starts later knows only the new one. A kill does no harm anywhere: the next run repeats each command without effect.
"""

import base64
from dataclasses import dataclass

from job import Failed, Pending, Report, run, secret, wait
from kube import Api, path
from pods import problems
from redact import redactor
from redis_connection import Address, Connection, ReplyError, refused


@dataclass(frozen=True)
class Config:
    """secret: what starting pods read, under "password". replication, sentinel: the pods' label "app"."""

    namespace: str
    secret: str
    replication: str
    redis_port: int
    sentinel: str
    sentinel_port: int
    master_name: str
    deadline_seconds: float


@dataclass(frozen=True)
class Node:
    """A Redis or a Sentinel."""

    pod: str
    address: Address

    def __str__(self) -> str:
        return f"pod {self.pod} ({self.address})"

    def call(self, *commands: tuple[str, ...], passwords: tuple[str, ...] = ()) -> None:
        """Send commands with the first password that the node takes; a Sentinel has none. Raises Pending or Failed."""
        try:
            with self._connection(passwords) as connection:
                for command in commands:
                    connection.call(*command)
        except ReplyError as error:
            raise Pending(f"{self}: {error}") from error
        except OSError as error:
            raise Pending(f"{self}: {error}") from error

    def _connection(self, passwords: tuple[str, ...]) -> Connection:
        if not passwords:
            return Connection(self.address.host, self.address.port)
        for password in passwords:
            try:
                return Connection(self.address.host, self.address.port, password)
            except ReplyError as error:
                if not refused(error):
                    raise
        raise Failed(
            f"{self} takes neither the new password nor the one it should have been started with: delete the pod, "
            "which then starts with the latter, and run `pulumi up` again"
        )


class Rotation:
    """One rotation from the Secret's password to `new`."""

    def __init__(self, config: Config, api: Api, report: Report, new: str) -> None:
        self.config, self.api, self.report, self.new = config, api, report, new

    def check(self) -> str:
        """Return what was done. Raises Pending until every node takes the new password."""
        config = self.config
        resource = self.api.find(path("secrets", config.namespace, config.secret))
        if resource is None:
            return f"nothing to rotate: there is no Secret {config.secret} yet"
        current = base64.b64decode(resource["data"]["password"]).decode()
        if current == self.new:
            return f"nothing to rotate: Secret {config.secret} has the password already"
        self.report.hide = redactor([current, self.new])
        redis = self._nodes(config.replication, config.redis_port)
        sentinels = self._nodes(config.sentinel, config.sentinel_port)
        passwords = (self.new, current)
        for node in redis:
            node.call(("ACL", "SETUSER", "default", f">{self.new}"), passwords=passwords)
        for node in redis:
            # Only now, because a replica logs in to its master with it. CONFIG REWRITE is for a container that restarts
            # in its pod: its probes get the new password, and its configuration file stays.
            node.call(("CONFIG", "SET", "masterauth", self.new), ("CONFIG", "REWRITE"), passwords=passwords)
        for node in sentinels:
            node.call(("SENTINEL", "SET", config.master_name, "auth-pass", self.new))
        return f"{len(redis)} Redis and {len(sentinels)} Sentinels take the new password beside the current one"

    def _nodes(self, app: str, port: int) -> list[Node]:
        """Return all pods of a StatefulSet. Raises Pending while one of them is on its way up or down."""
        pods = self.api.items(path("pods", self.config.namespace), labelSelector=f"app={app}")
        if leaving := [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]:
            raise Pending(f"pod {leaving[0]} is being deleted")
        if found := [problem for pod in pods for problem in problems(pod)]:
            raise Pending("; ".join(map(str, found)))
        return [Node(pod["metadata"]["name"], Address(pod["status"]["podIP"], port)) for pod in pods]


def main(config: Config, report: Report) -> str:
    new = secret("REDIS_PASSWORD")
    report.hide = redactor([new])
    return wait(Rotation(config, Api(), report, new).check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("redis rotation", Config, main)
