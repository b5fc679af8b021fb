"""Wait until the Zalando postgres-operator reports the cluster as Running, and name the cause when it does not.

This is the first step of the database gate. "Running" ignores the pooler and can be stale just after a change of the
custom resource, so the proof is the login of the second step. This step adds the causes that a login can't see, and
compares the pods with what was asked for, because the pods of before let anybody log in as well.
"""

import time
from dataclasses import dataclass

import database_workloads
from database_workloads import Size
from events import last_seen, latest_warning
from job import Failed, Pending, Report, run, wait
from kube import Api, Object, path
from pods import problems

FIELD_MANAGER = "platform-db-gate"
# The operator tries these again only at its next resync (resync_period, 30 minutes by default).
CREATION_FAILED = ("CreateFailed", "Invalid")
# The operator creates roles with the password that it finds in the Secret.
CREATING = ("", "Creating")
# The operator sets this on the resource, and tries no further upgrade while it is there.
UPGRADE_FAILED = "last-major-upgrade-failure"
# A role's flags as the stack declares them, and different ones that mean the same.
DECLARED, EQUIVALENT = list[str](), ["login"]


@dataclass(frozen=True)
class Config:
    """The postgresql custom resource and the database it declares, with the role that owns it.

    operator_patience_seconds: how long the resource may stay unnoticed by an operator.
    """

    namespace: str
    cluster: str
    database: str
    owner: str
    version: str
    size: Size
    operator_patience_seconds: float
    deadline_seconds: float


class DatabaseReady:
    """One wait. It remembers which statuses were seen, because an early failure does not mean what a late one means.

    The operator re-reads an existing role's password only when its declaration changes or at its next resync. So unless
    the operator creates the role during this wait, the declaration is changed to an equivalent one and back.
    """

    def __init__(self, config: Config, api: Api) -> None:
        self.config = config
        self.api = api
        self.path = path("postgresqls", config.namespace, config.cluster)
        self.name = f"postgresql {config.namespace}/{config.cluster}"
        self.started = time.monotonic()
        self.moved = False  # a status other than a failed creation was seen
        self.nudged_at: float | None = None
        self.password_read = False  # the operator has read the role's password, or is bound to
        self.written = ""  # resourceVersion after our last write
        self.small_since: float | None = None

    def check(self) -> str:
        """Return what is ready. Raises Pending until the status is Running and the role has its Secret's password."""
        resource = self.api.find(self.path)
        if resource is None:
            raise Failed(f"{self.name} does not exist")
        resource = self._restore(resource)
        status = resource.get("status", {}).get("PostgresClusterStatus", "")
        waits_for = ""
        if status in CREATION_FAILED:
            self._creation_failed(resource, status)
        else:
            self.moved = True
            self.password_read |= status in CREATING
            if status not in (*CREATING, "Updating"):
                waits_for = self._read_password(resource)
        if self.moved and not waits_for and status not in CREATING:
            self._refuse_failed_upgrade(resource)
        if status == "Running" and not waits_for:
            self._refuse_small_volumes()
            database_workloads.check(self.api, self.config.namespace, self.config.cluster, self.config.size)
            return f"ready: {self.name} is Running, and its pods and the pooler's are the ones asked for"
        patience = self.config.operator_patience_seconds
        if not status and time.monotonic() - self.started > patience:
            raise Failed(
                f"{self.name} has had no status for {patience:.0f} s: no Zalando postgres-operator acts on namespace "
                f"{self.config.namespace}; is it installed and running, and does its watched_namespace include it?"
            )
        raise Pending(f"{self.name}: status {status or 'empty'}{waits_for}{self._causes(resource)}")

    def _creation_failed(self, resource: Object, status: str) -> None:
        now = time.monotonic()
        if self.nudged_at is None and not self.moved:
            # The operator's Update completes most of a failed creation, but looks at databases only when they change.
            self._declare("databases", self.config.database, None)
            self._declare("databases", self.config.database, self.config.owner)
            self.nudged_at = now
        elif self.moved:
            raise Failed(f"{self.name}: status {status}{self._causes(resource)}")
        elif now - (self.nudged_at or now) > self.config.operator_patience_seconds:
            raise Failed(
                f"{self.name}: status {status} from an earlier attempt, and no operator took up the retry"
                f"{self._causes(resource)}"
            )

    def _refuse_failed_upgrade(self, resource: Object) -> None:
        """Raise Failed after a failed upgrade. A successful one removes the annotation, so it is never an old one."""
        failed_at = resource["metadata"].get("annotations", {}).get(UPGRADE_FAILED)
        if not failed_at:
            return
        namespace, cluster = self.config.namespace, self.config.cluster
        raise Failed(
            f"{self.name}: the upgrade to PostgreSQL {self.config.version} failed at {failed_at}, and the operator "
            f"tries no more; last_upgrade.log in the primary's pod has the whole cause{self._causes(resource)}. Set "
            "database.version back, or mend the cause and have it try again: "
            f"kubectl --namespace {namespace} annotate postgresql {cluster} {UPGRADE_FAILED}- and `pulumi up`"
        )

    def _refuse_small_volumes(self) -> None:
        """Raise Pending for a volume that has not grown, and Failed once the operator could have seen to it."""
        config, now = self.config, time.monotonic()
        found = database_workloads.small_volume(self.api, config.namespace, config.cluster, config.size)
        if not found:
            self.small_since = None
            return
        self.small_since = self.small_since or now
        raise (Failed if now - self.small_since > config.operator_patience_seconds else Pending)(found)

    def _restore(self, resource: Object) -> Object:
        """Restore the declarations that an earlier run changed, if it was killed between its two writes."""
        config, spec = self.config, resource["spec"]
        if spec.get("databases", {}).get(config.database) != config.owner:
            resource = self._declare("databases", config.database, config.owner)
        if spec.get("users", {}).get(config.owner) != DECLARED:
            resource = self._declare("users", config.owner, DECLARED)
            self.password_read = True
        return resource

    def _read_password(self, resource: Object) -> str:
        """Make the operator read the password, once. Return what is awaited, until the operator has written a status.

        Change one thing at a time: when two changes are pending, the operator sees only the second.
        """
        if resource["metadata"]["resourceVersion"] != self.written:
            if self.password_read:
                return ""
            self._declare("users", self.config.owner, EQUIVALENT)
            self._declare("users", self.config.owner, DECLARED)
            self.password_read = True
        return ", waiting for the operator to take up a changed declaration"

    def _declare(self, kind: str, name: str, declaration: str | list[str] | None) -> Object:
        change = {"spec": {kind: {name: declaration}}}
        resource = self.api.merge_patch(self.path, change, field_manager=FIELD_MANAGER)
        self.written = resource["metadata"]["resourceVersion"]
        return resource

    def _causes(self, resource: Object) -> str:
        """Return the pods that are not ready and the cluster's latest warning, as the tail of a sentence."""
        namespace = self.config.namespace
        pods = self.api.items(path("pods", namespace), labelSelector=f"cluster-name={self.config.cluster}")
        causes = [str(problem) for pod in pods for problem in problems(pod)]
        if latest := latest_warning(self.api, resource):
            # With its time, because it may be of a trouble that is over.
            causes.append(f"last warning, of {last_seen(latest)}: {latest.get('message', '')}")
        return "".join(f"; {cause}" for cause in causes)


def main(config: Config, report: Report) -> str:
    return wait(DatabaseReady(config, Api()).check, report, deadline_seconds=config.deadline_seconds, interval=1)


if __name__ == "__main__":
    run("database gate", Config, main)
