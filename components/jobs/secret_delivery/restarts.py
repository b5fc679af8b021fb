"""Has workloads restarted for their Secret, where the operator has not done it.

It restarts only in the pass that changes a Secret, and only what has its annotation then. What it could not restart in
that pass, because somebody changed it at the same moment, it never comes back to. So what it writes into a workload is
compared with what it has written into the Secret.
Infisical/kubernetes-operator v0.11.5, internal/services/infisicalstaticsecret: handler.go:245, reconciler.go:575.
"""

from collections.abc import Iterator

from delivery_wish import Delivery, texts, workload_path
from kube import Api, Object, path

RELOAD = "secrets.infisical.com/auto-reload"
_MANAGER = "infisical-platform"
_VERSION = "secrets.infisical.com/version"  # of a Secret: what it has, as a checksum
_HAS = "secrets.infisical.com/managed-secret."  # of a workload and of its pods: the version that they have of a Secret
_ALWAYS = "9"  # later than every time


class Restarts:
    """The workloads of all deliveries.

    annotated: those that got the operator's annotation in this look; begun: those that were restarted in any.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.annotated: list[str] = []
        self.begun: list[str] = []

    def follow(self, delivery: Delivery, secret: Object | None) -> Iterator[str]:
        """Have the workloads of a delivery follow its Secret, and yield what can't be."""
        for workload in delivery.restarts or ():
            where = workload_path(delivery.namespace, workload)
            found = self._api.find(where)
            if found is None:
                yield f'{workload} is not in {delivery.namespace} yet: give it the annotation {RELOAD}: "true"'
                continue
            if texts(found["metadata"], "annotations").get(RELOAD) != "true":
                self._write(where, {RELOAD: "true"}, {})
                self.annotated.append(f"{workload} of {delivery.namespace}")
            elif secret and self._restarted(where, found, delivery.secret, secret):
                self.begun.append(f"{workload} is restarted for {delivery.name}")
            if not takers(found["spec"]["template"]["spec"], delivery.secret):
                yield f"{workload} doesn't use {delivery.name} by env, envFrom or a volume: it won't be restarted"

    def _restarted(self, where: str, workload: Object, name: str, secret: Object) -> bool:
        """Restart a workload that lacks the version of its Secret, unless its pods can't be older than that.

        Such pods have waited for the Secret, or were made after it. The workload alone is told the version then.
        """
        template: Object = workload["spec"]["template"]
        version = texts(secret["metadata"], "annotations").get(_VERSION)
        told = [texts(each.get("metadata", {}), "annotations").get(_HAS + name) for each in (workload, template)]
        if not version or version in told or not takers(template["spec"], name):
            return False
        selector: dict[str, str] = workload["spec"]["selector"].get("matchLabels", {})
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        pods = self._api.items(path("pods", workload["metadata"]["namespace"]), labelSelector=labels)
        older = any(may_be_older(pod, name, last_written(secret)) for pod in pods)
        self._write(where, {_HAS + name: version}, {_HAS + name: version} if older else {})
        return older

    def _write(self, where: str, own: dict[str, str], of_pods: dict[str, str]) -> None:
        change: Object = {"metadata": {"annotations": own}}
        if of_pods:
            change["spec"] = {"template": {"metadata": {"annotations": of_pods}}}
        self._api.merge_patch(where, change, field_manager=_MANAGER)


def takers(pod: Object, name: str) -> set[str]:
    """Return the containers that take the Secret, as far as the operator sees it: it sees no projected volume."""
    containers: list[Object] = [*pod["containers"], *pod.get("initContainers", [])]
    if any(each.get("secret", {}).get("secretName") == name for each in pod.get("volumes", [])):
        return {each["name"] for each in containers}
    return {each["name"] for each in containers if _refers(each, name)}


def _refers(container: Object, name: str) -> bool:
    if any(each.get("secretRef", {}).get("name") == name for each in container.get("envFrom", [])):
        return True
    references = [each.get("valueFrom", {}).get("secretKeyRef", {}) for each in container.get("env", [])]
    return any(each.get("name") == name for each in references)


def last_written(secret: Object) -> str:
    """Return since when a Secret has had its data, at the latest.

    An update owns what it changes. So who adopts a Secret and changes no value is not who has written its data.
    """
    entries: list[Object] = secret["metadata"].get("managedFields", [])
    times = [each.get("time") for each in entries if "f:data" in each.get("fieldsV1", {})]
    return max((each for each in times if each), default=_ALWAYS)


def may_be_older(pod: Object, name: str, written: str) -> bool:
    """Return whether a container that takes the Secret has started before that moment, and is not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    taking, status = takers(pod["spec"], name), pod.get("status", {})
    for each in (*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])):
        states: list[Object | None] = [each.get("state", {}).get(name) for name in ("running", "terminated")]
        started = [state.get("startedAt") or "" for state in states if state]
        if each["name"] in taking and any("" < moment <= written for moment in started):
            return True
    return False
