"""Why a pod is not ready, read from its status."""

from dataclasses import dataclass

from kube import Object

PULLING = frozenset({"ErrImagePull", "ImagePullBackOff"})
# Waiting reasons which come before the first start: the container has no log.
NEVER_STARTED = frozenset(
    {
        *PULLING,
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


@dataclass(frozen=True)
class PodProblem:
    """One container (or the pod itself: container is empty) which is not ready, and what its status says of it."""

    pod: str
    container: str
    reason: str
    message: str = ""
    restarts: int = 0
    waiting: bool = False

    @property
    def failing(self) -> bool:
        """It cannot start, or has been started again at least twice without becoming ready."""
        return self.reason in NEVER_STARTED or self.restarts >= 2

    def __str__(self) -> str:
        where = f"pod {self.pod}" + (f", container {self.container}" if self.container else "")
        restarts = f", {self.restarts} restarts" if self.restarts else ""
        return f"{where}: {self.reason}{f' ({self.message})' if self.message else ''}{restarts}"


def problems(pod: Object) -> list[PodProblem]:
    """Everything which keeps a pod from being ready; empty for a ready one."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True":
        return []
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return [PodProblem(name, "", scheduled.get("reason", "Unschedulable"), scheduled.get("message", ""))]
    found = [
        *(_init_problem(name, container) for container in status.get("initContainerStatuses", [])),
        *(_problem(name, container) for container in status.get("containerStatuses", [])),
    ]
    return [problem for problem in found if problem] or [PodProblem(name, "", status.get("phase", "Pending"))]


def _init_problem(pod: str, container: Object) -> PodProblem | None:
    if container.get("state", {}).get("terminated", {}).get("exitCode") == 0:
        return None
    return _problem(pod, container)


def _problem(pod: str, container: Object) -> PodProblem | None:
    if container.get("ready"):
        return None
    state, restarts = container.get("state", {}), container.get("restartCount", 0)
    for kind in ("waiting", "terminated"):
        if kind in state:
            what = state[kind]
            reason, message = what.get("reason", kind), what.get("message", "")
            if kind == "terminated":
                reason = f"{reason}, exit code {what.get('exitCode')}"
            return PodProblem(pod, container["name"], reason, message, restarts, kind == "waiting")
    return PodProblem(pod, container["name"], "running, but not ready", "", restarts)
