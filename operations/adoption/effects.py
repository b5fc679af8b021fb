"""Say what a difference does to what runs, and which setting keeps it from being one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from operations.drift.compare import quantity


class Effect(StrEnum):
    """What `up` does to an object that is there, mildest first."""

    NOTHING = "nothing"
    CHANGED = "is changed, and nothing restarts"
    RUNS = "runs again"
    REISSUED = "a certificate is issued anew"
    ROLLED = "pods are replaced, one by one"
    FAILOVER = "servers restart one by one, with a fail-over"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A field that the stack would change: spec.numberOfInstances."""

    path: str
    live: Any
    wanted: Any


_POOLER = re.compile(r"spec\.(connectionPooler|enableConnectionPooler)\b")
# What the operators do without a restart.
_QUIET: Mapping[str, re.Pattern[str]] = {
    "postgresql": re.compile(
        r"spec\.(users|databases|teamId|preparedDatabases|enable\w+LoadBalancer|patroni|volume\.size"
        r"|numberOfInstances)\b"
    ),
    "RedisReplication": re.compile(r"spec\.(pdb|clusterSize|storage\.keepAfterDelete)\b"),
    "RedisSentinel": re.compile(r"spec\.(pdb|clusterSize)\b"),
}
_RESTARTS = {"postgresql": Effect.FAILOVER, "RedisReplication": Effect.FAILOVER, "RedisSentinel": Effect.ROLLED}


def _sizes(resources: str, section: str) -> Mapping[str, str]:
    """Return the settings of what each container of a part gets."""
    names = {"requests.cpu": "cpuRequest", "requests.memory": "memoryRequest"}
    names |= {"limits.cpu": "cpuLimit", "limits.memory": "memoryLimit"}
    return {f"{resources}.{path}": f"{section}.{name}" for path, name in names.items()}


SETTINGS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {
        "spec.numberOfInstances": "database.instances",
        "spec.postgresql.version": "database.version",
        "spec.volume.size": "database.storage",
        "spec.volume.storageClass": "database.storageClass",
        **_sizes("spec.resources", "database"),
        **_sizes("spec.connectionPooler.resources", "database.pooler"),
        "spec.connectionPooler.numberOfInstances": "database.pooler.instances",
        "spec.connectionPooler.mode": "database.pooler.mode",
    },
    "RedisReplication": {
        "spec.clusterSize": "redis.instances",
        "spec.kubernetesConfig.image": "redis.image",
        **_sizes("spec.kubernetesConfig.resources", "redis"),
        "spec.storage.volumeClaimTemplate.spec.resources.requests.storage": "redis.storage",
        "spec.storage.volumeClaimTemplate.spec.storageClassName": "redis.storageClass",
    },
    "RedisSentinel": {
        "spec.clusterSize": "redis.sentinels",
        "spec.kubernetesConfig.image": "redis.sentinelImage",
        **_sizes("spec.kubernetesConfig.resources", "redis.sentinel"),
        "spec.redisSentinelConfig.quorum": "redis.quorum",
    },
}


def differences(live: Any, wanted: Any, path: str = "") -> list[Difference]:
    """Return the leaves of `wanted` that `live` has otherwise. Lists are compared as a whole."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        found: list[Difference] = []
        for key, value in wanted.items():
            found += differences(live.get(key), value, f"{path}.{key}" if path else str(key))
        return found
    return [] if live == wanted else [Difference(path=path, live=live, wanted=wanted)]


def effect_of(kind: str, difference: Difference) -> Effect:
    """Return what one difference does."""
    if loses_data(difference):
        return Effect.REFUSED
    if kind == "Certificate":
        return Effect.REISSUED if difference.path.startswith("spec.") else Effect.CHANGED
    if kind in ("Deployment", "StatefulSet") and difference.path.startswith("spec.template"):
        return Effect.ROLLED
    if kind in ("Job", "CronJob"):
        return Effect.RUNS if kind == "Job" else Effect.CHANGED
    if kind not in _RESTARTS or difference.path.startswith("metadata.labels"):
        return Effect.CHANGED
    if _POOLER.match(difference.path):
        return Effect.ROLLED
    return Effect.CHANGED if _QUIET[kind].match(difference.path) else _RESTARTS[kind]


def loses_data(difference: Difference) -> bool:
    """Return whether no operator can do this without losing data: it would ignore it, or make a volume anew."""
    path, live, asked = difference.path, difference.live, difference.wanted
    if live is None:
        return False
    if path in ("spec.volume.size", _CLAIM + "resources.requests.storage"):
        after, before = quantity(str(asked)), quantity(str(live))
        return after is None or before is None or after < before  # what can't be compared is not changed either
    if path == "spec.postgresql.version":
        return int(asked) < int(live)
    return path in ("spec.volume.storageClass", _CLAIM + "storageClassName")


def worst(effects: Sequence[Effect]) -> Effect:
    """Return the effect that a reader has to know of first."""
    order = list(Effect)
    return max(effects, key=order.index, default=Effect.NOTHING)


def keeps(kind: str, found: Sequence[Difference]) -> Mapping[str, str]:
    """Return the settings, and their values, with which the stack says what is there."""
    known = SETTINGS.get(kind, {})
    return {known[each.path]: str(each.live) for each in found if each.path in known and each.live is not None}


def unsaid(kind: str, live: Mapping[str, Any], asked: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the setting of a StorageClass that is there and that the stack doesn't say.

    An apply leaves it, and the next `up` would take it for a change of the class, which it refuses.
    """
    path = _CLASSES.get(kind, "")
    found = _at(live, path)
    return {SETTINGS[kind][path]: str(found)} if found and not _at(asked, path) else {}


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


_CLAIM = "spec.storage.volumeClaimTemplate.spec."
_CLASSES = {"postgresql": "spec.volume.storageClass", "RedisReplication": _CLAIM + "storageClassName"}
