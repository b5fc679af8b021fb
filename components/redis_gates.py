"""Say what is done and waited for while Redis changes, so that clients hardly notice.

The redis-operator resets every Sentinel when it hears of changed servers, and a Sentinel that was reset learns from the
master whom it could promote. So the master is the first server by then, which a StatefulSet rolls last.

It changes the Sentinels when it looks and the servers are ready, be they those of before. Told of both at once, it
replaced all Sentinels within seconds of the master. So it hears of the Sentinels once the servers are rolled.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulumi import Input

from components.base.names import REDIS_REPLICATION, REDIS_SENTINEL, SENTINEL_STATEFUL_SET
from components.base.pod import SecretKey, Step
from components.base.ports import REDIS_PORT, SENTINEL_PORT
from components.base.rbac import PolicyRule
from components.redis_specs import AUTH, MASTER_GROUP, workloads
from settings.redis import RedisSettings

_HANDOVER_SECONDS = 60  # a Sentinel hears of a preference within 10 s, and begins no second fail-over for 20 s
_OPERATOR_PATIENCE_SECONDS = 90  # after an error it tries again in 60
_LIST_PODS = PolicyRule(group="", resource="pods", verbs=["list"])
# Where the servers and the Sentinels are found: the label "app" of their pods, and their ports.
_PODS = {
    "replication": REDIS_REPLICATION,
    "redis_port": REDIS_PORT,
    "sentinel": SENTINEL_STATEFUL_SET,
    "sentinel_port": SENTINEL_PORT,
    "master_name": MASTER_GROUP,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSteps:
    """The steps of PlatformKv's gates."""

    redis: RedisSettings
    namespace: str
    image: str  # with Python
    deadline_seconds: int

    def learn(self, password: SecretKey) -> Step:
        """Have every running Redis and Sentinel take the new password beside the old one."""
        return Step(
            name="rotation",
            image=self.image,
            script="platform_kv/redis_rotation.py",
            rules=(PolicyRule(group="", resource="secrets", verbs=["get"], names=[AUTH]), _LIST_PODS),
            config={
                "namespace": self.namespace,
                **_PODS,
                "secret": AUTH,
                "deadline_seconds": self.deadline_seconds,
            },
            env={"REDIS_PASSWORD": password},
        )

    def hand_over(self) -> Step:
        """Make the first server the master, without a lost write, because a roll of a StatefulSet ends with it.

        The password is that of the servers' own Secret, whose name stays: a rotation is no reason for a fail-over.
        """
        return Step(
            name="handover",
            image=self.image,
            script="platform_kv/redis_handover.py",
            rules=(_LIST_PODS,),
            config={
                "namespace": self.namespace,
                **_PODS,
                "patience_seconds": _HANDOVER_SECONDS,
            },
            env={"REDIS_PASSWORD": SecretKey(secret=AUTH, key="password")},
        )

    def rolled(self, config_map: Input[str]) -> Step:
        """Wait until the servers that run are those that are asked for."""
        servers, _ = workloads(self.redis)
        return Step(
            name="servers",
            image=self.image,
            script="platform_kv/redis_rolled.py",
            rules=_watching(REDIS_REPLICATION),
            config={
                "namespace": self.namespace,
                "workloads": [servers],
                "operator_patience_seconds": _OPERATOR_PATIENCE_SECONDS,
                "deadline_seconds": self.deadline_seconds,
            },
            env={"CONFIG_MAP": config_map},
        )

    def ready(self, config_map: Input[str], password: SecretKey) -> Step:
        """Ask every Sentinel, the master and its replicas."""
        return Step(
            name="redis",
            image=self.image,
            script="platform_kv/redis_ready.py",
            rules=_watching(REDIS_REPLICATION, SENTINEL_STATEFUL_SET),
            config={
                "namespace": self.namespace,
                "workloads": workloads(self.redis),
                "sentinels_host": f"{REDIS_SENTINEL}-sentinel-headless.{self.namespace}.svc",
                "sentinel_port": SENTINEL_PORT,
                "sentinels": self.redis.sentinels,
                "master_name": MASTER_GROUP,
                "replicas": self.redis.instances - 1,
                "operator_patience_seconds": _OPERATOR_PATIENCE_SECONDS,
                "deadline_seconds": self.deadline_seconds,
            },
            env={"CONFIG_MAP": config_map, "REDIS_PASSWORD": password},
        )


def _watching(*statefulsets: str) -> tuple[PolicyRule, ...]:
    return (
        PolicyRule(group="apps", resource="statefulsets", verbs=["get"], names=list(statefulsets)),
        _LIST_PODS,
        PolicyRule(group="", resource="events", verbs=["list"]),
        PolicyRule(group="", resource="persistentvolumeclaims", verbs=["list"]),
    )
