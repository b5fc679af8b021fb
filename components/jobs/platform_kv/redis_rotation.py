"""Has every running Redis and Sentinel take the next password beside the present one, without a restart.

Runs before the Secret that starting pods and the operator read gets the next password. Afterwards each node accepts
both, whichever its peers, its probes, the operator or Infisical still use; one that starts later knows the next alone.
Safe to be killed anywhere: what is done already is done again, and changes nothing.
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
        """Sends commands with the first password which it takes; none for a Sentinel. Raises Pending or Failed."""
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
    """One rotation: from what the Secret holds to `following`."""

    def __init__(self, config: Config, api: Api, report: Report, following: str) -> None:
        self.config, self.api, self.report, self.following = config, api, report, following

    def check(self) -> str:
        """Raises Pending until every node takes the following password."""
        config = self.config
        resource = self.api.find(path("secrets", config.namespace, config.secret))
        if resource is None:
            return f"nothing to rotate: there is no Secret {config.secret} yet"
        present = base64.b64decode(resource["data"]["password"]).decode()
        if present == self.following:
            return f"nothing to rotate: Secret {config.secret} has the password already"
        self.report.hide = redactor([present, self.following])
        redis = self._nodes(config.replication, config.redis_port)
        sentinels = self._nodes(config.sentinel, config.sentinel_port)
        passwords = (self.following, present)
        for node in redis:
            node.call(("ACL", "SETUSER", "default", f">{self.following}"), passwords=passwords)
        for node in redis:
            # Only now: a replica logs in to its master with it. Written to the file for a container which restarts
            # in its pod: that one gets the new password in its probes, and no new file.
            node.call(("CONFIG", "SET", "masterauth", self.following), ("CONFIG", "REWRITE"), passwords=passwords)
        for node in sentinels:
            node.call(("SENTINEL", "SET", config.master_name, "auth-pass", self.following))
        return f"{len(redis)} Redis and {len(sentinels)} Sentinels take the new password beside the present one"

    def _nodes(self, app: str, port: int) -> list[Node]:
        """All pods of a StatefulSet; raises Pending while one of them is on its way up or down."""
        pods = self.api.items(path("pods", self.config.namespace), labelSelector=f"app={app}")
        if leaving := [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]:
            raise Pending(f"pod {leaving[0]} is being deleted")
        if found := [problem for pod in pods for problem in problems(pod)]:
            raise Pending("; ".join(map(str, found)))
        return [Node(pod["metadata"]["name"], Address(pod["status"]["podIP"], port)) for pod in pods]


def main(config: Config, report: Report) -> str:
    following = secret("REDIS_PASSWORD")
    report.hide = redactor([following])
    return wait(Rotation(config, Api(), report, following).check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("redis rotation", Config, main)
