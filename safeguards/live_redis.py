"""Refuse what a Redis that is there can't follow: another writer of its configuration, and smaller volumes.

The redis-operator does as it is told, and the data is behind a file of another name, or Redis takes no further change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.base.names import REDIS_REPLICATION
from components.operator_values import RELEASES
from safeguards import made
from safeguards.cluster import LiveCluster
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.machinery.types import bytes_of

_GATE = "GenerateConfigInInitContainer"
_WRITER = "init-config"  # what the operator calls the init container that its feature gate adds
_KEY = "operators.redisConfigInInitContainer"


def refuse_other_files(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when the operator that the stack has installed would write another configuration from now on."""
    release = state.outputs("kubernetes:helm.sh/v3:Release", RELEASES["redis"])
    if state.outputs(*made.REDIS) and release:
        gates: Mapping[str, bool] = release.get("values", {}).get("featureGates", {})
        _compare(settings, bool(gates.get(_GATE)), commands)


def refuse_live_redis_change(settings: Settings, cluster: LiveCluster, commands: Commands) -> None:
    """Raise Refusal for what the servers that are there can't follow, whatever the state knows of them."""
    redis = settings.redis
    if redis.kind == "external":
        return
    namespace = settings.cluster.names.redis
    servers = cluster.statefulset(namespace, REDIS_REPLICATION)
    if not servers:
        return
    containers = servers["spec"]["template"]["spec"].get("initContainers") or ()
    _compare(settings, any(each["name"] == _WRITER for each in containers), commands)
    template = _template(servers)
    if not template:  # somebody else's, without volumes
        return
    volume = f"{template['metadata']['name']}-"
    claims = {each["metadata"]["name"]: _asked(each) for each in cluster.claims(namespace, REDIS_REPLICATION)}
    own = {f"{namespace}/{name}": size for name, size in claims.items() if name.startswith(volume)}
    if reason := _smaller(redis.storage, _all_have(servers, template), own, commands):
        raise Refusal(f"redis.storage: {reason}")


def _compare(settings: Settings, before: bool, commands: Commands) -> None:
    after = settings.operators.redis_config_in_init_container
    if "redis" not in settings.operators.installed or after == before:
        return
    back = commands.set(_KEY, str(before).lower())
    if not before:
        back += ", and operators.redisImage to one of 0.23, which needs no such thing"
    raise Refusal(
        f"{_KEY}: this stack has a Redis, whose configuration {_writer(before)} writes. {_writer(after).capitalize()} "
        "writes one with a file of another name (appendfilename), so Redis would begin without the data that it has, "
        f"and Infisical's queues with it. Set it back: {back}. For the other one, deploy a new stack and move the data"
    )


def _writer(operator: bool) -> str:
    return "the operator" if operator else "the image's entry point"


def _smaller(wanted: str, all_have: float, claims: Mapping[str, str], commands: Commands) -> str:
    """Return why the volumes can't follow, empty where they can. `claims` are their sizes by name.

    The operator shrinks nothing where it is told what is in the StatefulSet's template, which never changes, or what it
    has noted once all had grown (0.23, HandlePVCResizing). So a growth that failed may be taken back to these.
    """
    back = commands.set("redis.storage", _text(all_have))
    if bytes_of(wanted) < all_have:
        least = f"{wanted} is less than the {_text(all_have)} of every volume, and no volume shrinks"
        return f"{least}. Set it back: {back}"
    largest = max(claims, key=lambda name: _bytes(claims[name]), default=None)
    if bytes_of(wanted) == all_have or largest is None or _bytes(claims[largest]) <= bytes_of(wanted):
        return ""
    size = _text(_bytes(claims[largest]))
    return (
        f"PersistentVolumeClaim {largest} has grown to {size} already, and no volume shrinks to {wanted}: the "
        "redis-operator would fail at it, and with it at every later change of Redis. Have the others grow too: "
        f"{commands.set('redis.storage', size)}. Where they can't, the operator leaves all of them as they are with: "
        f"{back}"
    )


def _template(servers: Mapping[str, Any]) -> Mapping[str, Any]:
    templates: Sequence[Mapping[str, Any]] = servers["spec"].get("volumeClaimTemplates") or ()
    return next((each for each in templates if each["metadata"]["name"] != "node-conf"), dict[str, Any]())


def _all_have(servers: Mapping[str, Any], template: Mapping[str, Any]) -> float:
    noted: Mapping[str, str] = servers["metadata"].get("annotations") or {}
    return max(_bytes(_asked(template)), float(noted.get("storageCapacity") or 0))  # empty until they grow


def _asked(claim: Mapping[str, Any]) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _bytes(quantity: str) -> float:
    return bytes_of(quantity) if quantity[-1:].isalpha() else float(quantity)


def _text(size: float) -> str:
    """Return a size as the stack file has it, in the largest unit of which it is a whole number."""
    for power, unit in reversed([*enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), 1)]):
        if size % 1024**power == 0:
            return f"{size / 1024**power:.0f}{unit}"
    return f"{size / 1000:.15g}k"
