"""Stop Infisical while its database is replaced, and start it again where that did not come about."""

import time
from dataclasses import dataclass

from job import Pending, Report, wait
from kube import Api, Object, path

_FIELD_MANAGER = "restore"
_REPLICAS = "infisical-platform/replicas"  # how many there were: a run that follows a kill finds them stopped
_STOP_SECONDS = 120  # after the time that a pod may take to end
_GRACE_SECONDS = 30  # of a pod that says nothing of it


@dataclass(frozen=True)
class WorkloadsConfig:
    """The Deployments of Infisical, of which a chart makes one. During a switch of charts there are two."""

    namespace: str
    deployments: tuple[str, ...]


class Stopped:
    """No pod of Infisical runs inside of it. Left by an exception, it starts them again; otherwise the release does.

    kept: what the database has may no longer fit what Redis has, so that an exception starts nothing either.
    """

    def __init__(self, config: WorkloadsConfig, api: Api, report: Report, *, kept: bool = False) -> None:
        self._api, self._report = api, report
        self.kept = kept
        self._paths = [path("deployments", config.namespace, name) for name in config.deployments]
        self._replicas: dict[str, int] = {}
        self._scaled_at = 0.0

    def __enter__(self) -> "Stopped":
        try:
            self._stop()
        except BaseException as error:  # a pod that does not end, or SIGTERM: Python would not call __exit__
            self.__exit__(type(error))
            raise
        return self

    def _stop(self) -> None:
        grace = 0
        for each in self._paths:
            found = wait(lambda each=each: [self._api.find(each)], self._report, deadline_seconds=60)[0]
            if found is None:
                continue
            noted = found["metadata"].get("annotations", {}).get(_REPLICAS)
            self._replicas[each] = found["spec"].get("replicas", 1) or int(noted or 0)
            self._scale(each, 0, str(self._replicas[each]))
            self._scaled_at, grace = time.monotonic(), max(grace, _grace(found))
        for each in self._replicas:
            wait(lambda each=each: self._ended(each, grace), self._report, deadline_seconds=grace + _STOP_SECONDS)

    def keep(self) -> None:
        """Leave it stopped whatever happens from now on."""
        self.kept = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not self.kept:
            for each, replicas in self._replicas.items():
                self._scale(each, replicas, None)

    def _scale(self, each: str, replicas: int, note: str | None) -> None:
        change = {"metadata": {"annotations": {_REPLICAS: note}}, "spec": {"replicas": replicas}}
        wait(
            lambda: self._api.merge_patch(each, change, field_manager=_FIELD_MANAGER), self._report, deadline_seconds=60
        )

    def _ended(self, each: str, grace: int) -> None:
        found = self._api.get(each)
        name, status = found["metadata"]["name"], found.get("status", {})
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        left = status.get("replicas", 0) + status.get("terminatingReplicas", 0)
        if not seen or left:
            raise Pending(f"{name} still has {left} pods")
        # Before 1.35 Kubernetes counts no pod that is on its way out, and such a one still writes.
        if "terminatingReplicas" not in status and time.monotonic() - self._scaled_at < grace:
            raise Pending(f"{name} may still have pods that end, for which they have {grace} s")


def _grace(deployment: Object) -> int:
    return deployment["spec"].get("template", {}).get("spec", {}).get("terminationGracePeriodSeconds", _GRACE_SECONDS)
