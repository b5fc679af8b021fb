"""Find what needs a Secret as long as it is there, whoever has made it, and what ends that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from operations.cluster import Object, outcome_of
from operations.moving import consumers
from operations.moving.mentions import mentions

KINDS = (*consumers.KINDS, "ReplicaSet.v1.apps")
_ROLLED = ("Deployment", "StatefulSet", "DaemonSet")

# switch: the step points it elsewhere. roll: it is being replaced. restart: nothing replaces it by itself. finish: it
# ends by itself. anew: nobody can change it. maker: what makes it has to be changed. annotation: it may name it.
# delete, partition, paused: a strategy, a partition or a pause of its workload keeps it as it is.
End = Literal["switch", "roll", "restart", "finish", "anew", "maker", "annotation", "delete", "partition", "paused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """An object that names a Secret, and that starts something with it at any time."""

    secret: str
    object: str  # kind/name
    maker: str  # kind/name of what it comes from in the end, its own where nothing makes it
    end: End
    annotation: str = ""  # that has the name

    @property
    def passes(self) -> bool:
        """Return whether it goes without anybody doing anything more."""
        return self.end in ("roll", "finish")


def holders_of(objects: Sequence[Object]) -> list[Holder]:
    """Return what holds each Secret. What comes from an object that names the same Secret goes with that."""
    named = {_name(each): each for each in objects}
    found: list[Holder] = []
    for each in objects:
        if not _over(each):
            maker = _maker(each, named)
            end = _end(each, named.get(maker))
            secrets = sorted({reference.secret for reference in consumers.references(each)})
            found += [Holder(secret=secret, object=_name(each), maker=maker, end=end) for secret in secrets]
            found += [
                Holder(secret=word, object=_name(each), maker=maker, end="annotation", annotation=key)
                for word, key in mentions(each)
            ]
    directly = {(holder.secret, holder.object) for holder in found}
    return [each for each in found if each.object == each.maker or (each.secret, each.maker) not in directly]


def _name(found: Object) -> str:
    return f"{found['kind'].lower()}/{found['metadata']['name']}"


def _over(found: Object) -> bool:
    """Return whether it starts nothing any more. Of a Deployment's ReplicaSets, the old ones stay without a pod."""
    match found["kind"]:
        case "Pod":
            return (found.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        case "Job":
            return bool(outcome_of(found))
        case "ReplicaSet":
            return bool(found["metadata"].get("ownerReferences")) and found["spec"].get("replicas") == 0
        case _:
            return False


def _maker(found: Object, named: Mapping[str, Object]) -> str:
    """Return the end of the chain of owners, as far as it can be followed: a Deployment, or a custom resource."""
    seen: list[str] = []
    name = _name(found)
    at: Object | None = found
    while at is not None and name not in seen:
        seen.append(name)
        owners: list[Object] = at["metadata"].get("ownerReferences") or []
        owner = next((each for each in owners if each.get("controller")), owners[0] if owners else None)
        if owner is None:
            break
        name = f"{owner['kind'].lower()}/{owner['name']}"
        at = named.get(name)
    return name


def _end(found: Object, maker: Object | None) -> End:
    if maker is None:
        return "maker"
    kind = maker["kind"]
    if maker is found:
        return "anew" if kind in consumers.FIXED else "maker" if kind == "ReplicaSet" else "switch"
    if kind in _ROLLED:
        return "roll" if "deletionTimestamp" in found["metadata"] else _replaced(found, maker)
    return "finish" if kind in ("CronJob", "Job") else "anew"


def _replaced(found: Object, workload: Object) -> End:
    spec = workload["spec"]
    if spec.get("paused"):
        return "paused"
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return "delete"
    if _number(found, spec) < _partition(spec):
        return "partition"
    return "roll" if _rolls(workload) else "restart"


def _number(found: Object, spec: Object) -> int:
    """Return the place of a StatefulSet's pod among the others, which its name ends with."""
    last = found["metadata"]["name"].rpartition("-")[2]
    return int(last) - (spec.get("ordinals") or {}).get("start", 0) if last.isdecimal() else 0


def _partition(spec: Object) -> int:
    """Return how many of a StatefulSet's pods an update leaves alone, the first ones."""
    return ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0


def _rolls(workload: Object) -> bool:
    spec, status = workload["spec"], workload.get("status") or {}
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return True
    if workload["kind"] == "DaemonSet":
        return status.get("updatedNumberScheduled", 0) < status.get("desiredNumberScheduled", 0)
    wanted = max(spec.get("replicas", 1), status.get("replicas", 0)) - _partition(spec)
    return status.get("updatedReplicas", 0) < wanted
