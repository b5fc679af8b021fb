"""Refuse to lead Infisical to a different Redis of somebody else's, because no queue goes along by itself."""

from __future__ import annotations

import shlex

from components.base.names import INFISICAL_SECRET
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.external import ExternalRedis


def refuse_other_redis(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when Infisical would leave its Redis, unless `redis.movedFrom` names that."""
    redis = settings.redis
    before = _address(state)
    if not before or not isinstance(redis, ExternalRedis) or before == redis.moved_from or _is_same(before, redis):
        return
    key = "host" if redis.host else "sentinelHosts"
    raise Refusal(
        f"redis.{key}: this stack's queues are in {before}, and the settings lead to {redis.address}. No job goes "
        "along by itself: those that wait, such as syncs and rotations, would be lost. To stay, name that one again. "
        "Once its queues are copied, or empty (docs/external.md): "
        f"{commands.set('redis.movedFrom', shlex.quote(before))}"
    )


def _address(state: LastState) -> str:
    """Return where the last update has led Infisical, as `ExternalRedis.address` has it."""
    told = state.secret(INFISICAL_SECRET)
    if sentinels := told.get("REDIS_SENTINEL_HOSTS"):
        return f"{told.get('REDIS_SENTINEL_MASTER_NAME', '')}@{sentinels}"
    return told.get("REDIS_URL", "").rpartition("@")[2]


def _is_same(before: str, redis: ExternalRedis) -> bool:
    """Return whether it is the same server, or a group of which one Sentinel at least has stayed."""
    if redis.host:
        return before == redis.address
    name, _, hosts = before.rpartition("@")
    return name == redis.master_name and not set(hosts.split(",")).isdisjoint(redis.sentinel_hosts)
