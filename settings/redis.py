"""Redis under Sentinel, run by the OT-CONTAINER-KIT redis-operator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from settings.types import Cpu, DnsName, Image, Memory, Section


class RedisSettings(Section):
    """The `RedisReplication` and `RedisSentinel` custom resources."""

    instances: Annotated[int, Field(ge=2, le=9, description="One master, the rest replicas.")] = 3
    sentinels: Annotated[int, Field(ge=3, le=9, description="Odd, so that a split has a majority.")] = 3
    quorum: Annotated[int, Field(ge=2, le=9, description="Sentinels that must agree that the master is gone.")] = 2
    image: Image = Field(default="quay.io/opstree/redis:v7.0.15", description="Redis 6.2 or newer.")
    sentinel_image: Image = "quay.io/opstree/redis-sentinel:v7.0.15"
    storage: Memory = Field(default="2Gi", description="Volume of each instance: queues live here, so it persists.")
    storage_class: DnsName | None = Field(default=None, description="Default: the cluster's default class.")
    cpu_request: Cpu = "100m"
    memory_limit: Memory = "512Mi"
    max_memory_mib: Annotated[
        int,
        Field(
            ge=32,
            description="maxmemory in MiB, about 75 % of memoryLimit: with noeviction a full Redis refuses writes, "
            "without this limit the kernel would kill it instead.",
        ),
    ] = 384

    @model_validator(mode="after")
    def _sentinels_can_decide(self) -> RedisSettings:
        if self.sentinels % 2 == 0:
            raise ValueError(f"sentinels: {self.sentinels} is even, so a network split can leave no majority")
        if self.quorum > self.sentinels:
            raise ValueError(f"quorum: {self.quorum} of {self.sentinels} Sentinels can never agree")
        return self
