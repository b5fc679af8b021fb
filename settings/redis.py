"""Redis under Sentinel, run by the OT-CONTAINER-KIT redis-operator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.affinity import Affinity
from settings.machinery.broken_rule import broken_rule
from settings.machinery.types import Cpu, DnsName, Image, Memory, Minutes, Section, bytes_of
from settings.resources import refuse_exceeding, requests_fit_limits


class SentinelSettings(Section):
    """What each Sentinel gets. Default: what each Redis gets."""

    cpu_request: Cpu | None = Field(default=None, description="CPU that each Sentinel requests from its node.")
    cpu_limit: Cpu | None = Field(default=None, description="CPU limit of each Sentinel.")
    memory_request: Memory | None = Field(default=None, description="Memory that each Sentinel requests.")
    memory_limit: Memory | None = Field(
        default=None, description="Memory limit of each Sentinel, which holds no data: 128Mi suffices for a big Redis."
    )
    affinity: Affinity | None = Field(default=None, description="Nodes and neighbours of each Sentinel.")


class RedisSettings(Section):
    """Redis, and the Sentinels that watch it. Each setting reaches the operator's custom resources."""

    kind: Literal["operator"] = Field(default="operator", description="The redis-operator runs it.")
    instances: Annotated[
        int, Field(ge=2, le=9, description="Number of Redis servers. One is the master, the others are replicas.")
    ] = 3
    sentinels: Annotated[
        int,
        Field(
            ge=3,
            le=9,
            description="Number of Sentinels. It is odd, so that one side of a network split has a majority.",
        ),
    ] = 3
    quorum: Annotated[int, Field(ge=2, le=9, description="How many Sentinels must agree that the master is gone.")] = 2
    image: Image = Field(default="quay.io/opstree/redis:v7.0.15", description="Image of Redis 6.2 or newer.")
    sentinel_image: Image = Field(default="quay.io/opstree/redis-sentinel:v7.0.15", description="Image of Sentinel.")
    storage: Memory = Field(
        default="2Gi",
        description="Size of each instance's volume, at least three times maxMemoryMib. Infisical's queues are on it.",
    )
    storage_class: DnsName | None = Field(
        default=None, description="StorageClass of the volumes. Default: the cluster's default class."
    )
    cpu_request: Cpu = Field(default="100m", description="CPU that each Redis and Sentinel requests from its node.")
    cpu_limit: Cpu | None = Field(
        default=None, description="CPU limit of each Redis and Sentinel. Default: none. A quota for limits needs one."
    )
    memory_request: Memory = Field(default="64Mi", description="Memory that each Redis and Sentinel requests.")
    memory_limit: Memory = Field(default="512Mi", description="Memory limit of each Redis and Sentinel.")
    affinity: Affinity | None = Field(
        default=None,
        description="Nodes and neighbours of each Redis and Sentinel, in Kubernetes' own words. For neighbours of its "
        "own kind, Redis has the label app: platform-kv, and Sentinel app: platform-kv-sentinel-sentinel.",
    )
    deadline_minutes: Minutes = Field(
        default=5,
        description="Minutes until every Redis is as asked for, and as many until it has a master that every Sentinel "
        "agrees on, each counted once pods start. Set more where volumes attach slowly, or where Redis has much to "
        "load. Each Redis above three adds a minute.",
    )
    sentinel: SentinelSettings = SentinelSettings()
    max_memory_mib: Annotated[
        int,
        Field(
            ge=32,
            description="Redis' maxmemory in MiB. Set about 75 % of memoryLimit. A full Redis then refuses writes; "
            "without this limit the kernel would kill it.",
        ),
    ] = 384
    password_rotation: Annotated[
        int, Field(ge=1, description="Add 1 to generate a new password. See docs/rotation.md.")
    ] = 1

    @property
    def each_sentinel(self) -> SentinelSettings:
        """Return what each Sentinel gets, with what is not said taken from Redis."""
        of_redis = {name: getattr(self, name) for name in SentinelSettings.model_fields}
        said = {name: value for name, value in self.sentinel if value}
        return SentinelSettings.model_construct(**(of_redis | said))

    _requests_fit_limits = model_validator(mode="after")(requests_fit_limits)

    @model_validator(mode="after")
    def _requests_of_sentinels_fit_limits(self) -> RedisSettings:
        refuse_exceeding(self.each_sentinel, of="sentinel")
        return self

    @model_validator(mode="after")
    def _sentinels_are_odd(self) -> RedisSettings:
        if self.sentinels % 2 == 0:
            reason = f"set an odd number. With {self.sentinels}, a network split can leave no majority"
            raise broken_rule("sentinels", reason)
        return self

    @model_validator(mode="after")
    def _quorum_is_reachable(self) -> RedisSettings:
        if self.quorum > self.sentinels:
            reason = f"set at most {self.sentinels}, the number of Sentinels. {self.quorum} can never agree"
            raise broken_rule("quorum", reason)
        return self

    @model_validator(mode="after")
    def _memory_is_more_than_the_data(self) -> RedisSettings:
        if self.max_memory_mib * 2**20 > 0.8 * bytes_of(self.memory_limit):
            raise broken_rule(
                "maxMemoryMib",
                "set at most 80 % of memoryLimit. With more, the kernel kills Redis before Redis refuses a write",
            )
        return self

    @model_validator(mode="after")
    def _volume_holds_the_log(self) -> RedisSettings:
        needed = 3 * self.max_memory_mib
        if bytes_of(self.storage) < needed * 2**20:
            raise broken_rule(
                "storage",
                f"set at least {needed}Mi, 3 times maxMemoryMib. The log of changes takes as much as the "
                "data, as much again until it is rewritten, and a copy meanwhile. On a full disk Redis refuses writes",
            )
        return self
