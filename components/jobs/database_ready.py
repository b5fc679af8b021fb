"""Waits until the Zalando postgres-operator reports the cluster as Running, and names the cause when it does not.

First step of the database gate. "Running" ignores the pooler and can be stale just after a change of the custom
resource: the proof is the login of the second step. What this one adds are the causes which a login cannot see.
"""

import time
from dataclasses import dataclass

from job import Failed, Pending, Report, run, wait
from kube import Api, Object, path
from pods import troubles

FIELD_MANAGER = "platform-db-gate"
# The operator tries these again only at its next resync (resync_period, 30 minutes by default).
CREATION_FAILED = ("CreateFailed", "Invalid")


@dataclass(frozen=True)
class Config:
    """The postgresql custom resource and the database it declares, with the role that owns it.

    operator_patience_seconds: how long the resource may stay unnoticed by an operator.
    """

    namespace: str
    cluster: str
    database: str
    owner: str
    operator_patience_seconds: float
    deadline_seconds: float


class DatabaseReady:
    """One wait: remembers which statuses were seen, as a failure means something else at the start than later on."""

    def __init__(self, config: Config, api: Api) -> None:
        self.config = config
        self.api = api
        self.path = path("postgresqls", config.namespace, config.cluster)
        self.name = f"postgresql {config.namespace}/{config.cluster}"
        self.started = time.monotonic()
        self.moved = False  # a status other than a failed creation was seen
        self.nudged_at: float | None = None

    def check(self) -> str:
        """Raises Pending until the status is Running."""
        resource = self.api.find(self.path)
        if resource is None:
            raise Failed(f"{self.name} does not exist")
        if resource["spec"].get("databases", {}).get(self.config.database) != self.config.owner:
            self._declare(self.config.owner)  # an earlier run was killed between its two writes
        status = resource.get("status", {}).get("PostgresClusterStatus", "")
        if status == "Running":
            return f"ready: {self.name} is Running"
        if status in CREATION_FAILED:
            self._creation_failed(resource, status)
        else:
            self.moved = True
        patience = self.config.operator_patience_seconds
        if not status and time.monotonic() - self.started > patience:
            raise Failed(
                f"{self.name} has had no status for {patience:.0f} s: no Zalando postgres-operator acts on namespace "
                f"{self.config.namespace}; is it installed and running, and does its watched_namespace include it?"
            )
        raise Pending(f"{self.name}: status {status or 'empty'}{self._causes(resource)}")

    def _creation_failed(self, resource: Object, status: str) -> None:
        now = time.monotonic()
        if self.nudged_at is None and not self.moved:
            # The operator's Update makes up for most of a failed creation; databases it looks at only when they change.
            self._declare(None)
            self._declare(self.config.owner)
            self.nudged_at = now
        elif self.moved:
            raise Failed(f"{self.name}: status {status}{self._causes(resource)}")
        elif now - (self.nudged_at or now) > self.config.operator_patience_seconds:
            raise Failed(
                f"{self.name}: status {status} from an earlier attempt, and no operator took up the retry"
                f"{self._causes(resource)}"
            )

    def _declare(self, owner: str | None) -> None:
        change = {"spec": {"databases": {self.config.database: owner}}}
        self.api.merge_patch(self.path, change, field_manager=FIELD_MANAGER)

    def _causes(self, resource: Object) -> str:
        """Pods which are not ready and the latest warning about the cluster, as the tail of a sentence."""
        namespace = self.config.namespace
        pods = self.api.items(path("pods", namespace), labelSelector=f"cluster-name={self.config.cluster}")
        causes = [str(trouble) for pod in pods for trouble in troubles(pod)]
        warnings = self.api.items(
            path("events", namespace), fieldSelector=f"involvedObject.uid={resource['metadata']['uid']},type=Warning"
        )
        if warnings:
            latest = max(warnings, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
            causes.append(f"last warning: {latest.get('message', '')}")
        return "".join(f"; {cause}" for cause in causes)


def main(config: Config, report: Report) -> str:
    return wait(DatabaseReady(config, Api()).check, report, deadline_seconds=config.deadline_seconds, interval=1)


if __name__ == "__main__":
    run("database gate", Config, main)
