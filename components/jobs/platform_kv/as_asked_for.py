"""Whether Redis and its Sentinels are the ones that the stack asks for, and not those of before.

The custom resources have no status that tells, so this compares the StatefulSets that the redis-operator makes of them.
"""

import hashlib
import json
import time
from dataclasses import dataclass

from job import Failed, Pending
from kube import Api, Object, path
from workloads import amount, causes, container, pods_of, unfinished


@dataclass(frozen=True)
class Wanted:
    """A StatefulSet of the redis-operator.

    affinity: as JSON. storage: of each volume. commands: the digest of what starts a server and of its probes.
    """

    statefulset: str
    replicas: int
    image: str
    memory_limit: str
    memory_request: str | None = None
    cpu_limit: str | None = None
    cpu_request: str | None = None
    affinity: str | None = None
    storage: str | None = None
    commands: str | None = None


class AsAskedFor:
    """One wait: remembers since when the operator could have acted."""

    def __init__(self, api: Api, namespace: str, parts: tuple[Wanted, ...], config_map: str, patience: float) -> None:
        self.api, self.namespace, self.parts, self.config_map = api, namespace, parts, config_map
        self.patience = patience
        self.idle_since = time.monotonic()

    def check(self) -> None:
        """Raise Pending until each part is as asked for and rolled out; Failed when no operator makes it so.

        The operator makes or changes the Sentinels when Redis is complete, so its time counts anew for each part.
        """
        for part in self.parts:
            name = f"StatefulSet {self.namespace}/{part.statefulset}"
            found = self.api.find(path("statefulsets", self.namespace, part.statefulset))
            if difference := self._difference(part, found):
                self._wait_for_the_operator(f"{name} {difference}")
            if found and part.storage:
                self._refuse_small_volumes(part, found)
            if found and (progress := unfinished(found)):
                self.idle_since = time.monotonic()
                pods = pods_of(self.api, self.namespace, found)
                raise Pending(f"{name}: {progress}{causes(self.api, found, pods)}")

    def _refuse_small_volumes(self, part: Wanted, found: Object) -> None:
        """Raise Failed for a volume that is smaller than asked for, which the operator will not see.

        It grows the volumes that are there and notes that it has. The template never changes, so a server that is added
        later, or made anew without its volume, gets one of the size of before.
        """
        template = found["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
        own = {f"{template}-{part.statefulset}-{number}" for number in range(part.replicas)}
        claims = path("persistentvolumeclaims", self.namespace)
        for claim in self.api.items(claims, labelSelector=f"app={part.statefulset}"):
            claimed, size = claim["metadata"]["name"], claim["spec"]["resources"]["requests"]["storage"]
            if claimed in own and amount(size) < amount(part.storage):
                change = json.dumps({"spec": {"resources": {"requests": {"storage": part.storage}}}})
                raise Failed(
                    f"PersistentVolumeClaim {self.namespace}/{claimed} has {size}, wanted {part.storage}: it was made "
                    "after the others were grown, and the redis-operator grows volumes once for each size. Grow it: "
                    f"kubectl patch pvc -n {self.namespace} {claimed} --type merge -p '{change}'"
                )

    def _wait_for_the_operator(self, seen: str) -> None:
        waited = time.monotonic() - self.idle_since
        if waited <= self.patience:
            raise Pending(seen)
        raise Failed(
            f"{seen}: no redis-operator has acted on namespace {self.namespace} for {waited:.0f} s; is it installed "
            "and running, does its WATCH_NAMESPACE include it, and what does its log say?"
        )

    def _difference(self, part: Wanted, found: Object | None) -> str:
        """Return what the operator has not made as asked for yet."""
        if found is None:
            return "does not exist"
        pod = found["spec"]["template"]["spec"]
        redis = container(pod, part.statefulset)
        volumes = pod.get("volumes", [])
        config_maps = [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
        seen: dict[str, tuple[object, object]] = {
            "image": (redis["image"], part.image),
            "replicas": (found["spec"].get("replicas", 1), part.replicas),
            "affinity": (pod.get("affinity") or None, json.loads(part.affinity) if part.affinity else None),
        }
        if part.commands:
            seen["commands"] = (_commands(pod, redis, part.statefulset), part.commands)
        amounts = _sizes(redis, part)
        if part.storage:
            amounts["storage"] = (_storage(found), part.storage)
            if self.config_map not in config_maps:
                seen["configuration"] = (", ".join(config_maps) or "none", self.config_map)
        differs = {what for what, (there, asked) in seen.items() if there != asked}
        # An amount that is not there is no number, and equal to none.
        differs |= {what for what, pair in amounts.items() if pair[0] != pair[1] and amount(pair[0]) != amount(pair[1])}
        for what, (there, asked) in (seen | amounts).items():
            if what in differs:
                return f"has {what} {there or 'none'}, wanted {asked or 'none'}"
        return ""


def _sizes(redis: Object, part: Wanted) -> dict[str, tuple[object, object]]:
    """What the container requests and may use, and what it should."""
    resources = redis.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    return {
        "memory limit": (limits.get("memory"), part.memory_limit),
        "memory request": (requests.get("memory"), part.memory_request),
        "CPU limit": (limits.get("cpu"), part.cpu_limit),
        "CPU request": (requests.get("cpu"), part.cpu_request),
    }


def _commands(pod: Object, redis: Object, statefulset: str) -> str:
    """The digest of what starts a server and of its probes, as components/base/content.py makes it."""
    containers: list[Object] = pod.get("initContainers", [])
    nothing: Object = {}
    start = next((each for each in containers if each["name"] == f"init{statefulset}"), nothing)
    probes: list[Object] = [redis.get(probe, {}).get("exec", {}) for probe in ("readinessProbe", "livenessProbe")]
    commands = [each.get("command") for each in (start, *probes)]
    return hashlib.sha256(json.dumps(commands).encode()).hexdigest()[:12]


def _storage(found: Object) -> str:
    """The size of its volumes as the operator has it: that of the template, or what it has grown them to."""
    asked = found["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    grown = found["metadata"].get("annotations", {}).get("storageCapacity", "0")
    return grown if amount(grown) > amount(asked) else asked
