"""Redis under Sentinel, run by the OT-CONTAINER-KIT redis-operator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from settings.machinery.types import Cpu, DnsName, Image, Memory, Section, bytes_of

MEMORY_REQUEST = "64Mi"  # of each Redis and Sentinel


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
    password_rotation: Annotated[
        int, Field(ge=1, description="Raise it to have a new password generated. See docs/rotation.md.")
    ] = 1

    @model_validator(mode="after")
    def _it_decides_and_survives(self) -> RedisSettings:
        if bytes_of(self.memory_limit) < bytes_of(MEMORY_REQUEST):
            raise ValueError(f"memoryLimit: each Redis and Sentinel asks its node for {MEMORY_REQUEST}, so not less")
        if self.sentinels % 2 == 0:
            raise ValueError(f"sentinels: {self.sentinels} is even, so a network split can leave no majority")
        if self.quorum > self.sentinels:
            raise ValueError(f"quorum: {self.quorum} of {self.sentinels} Sentinels can never agree")
        if self.max_memory_mib * 2**20 > 0.8 * bytes_of(self.memory_limit):
            raise ValueError("maxMemoryMib: above 80 % of memoryLimit the kernel kills Redis before it refuses a write")
        return self
