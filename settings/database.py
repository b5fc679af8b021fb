"""PostgreSQL under the Zalando operator, behind PgBouncer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from settings.machinery.types import Cpu, DnsName, Memory, Section, bytes_of, cores_of


class PoolerSettings(Section):
    """PgBouncer, which the operator runs beside the cluster."""

    instances: Annotated[int, Field(ge=1, le=10, description="Pods; two survive the loss of a node.")] = 2
    mode: Literal["transaction", "session"] = Field(
        default="transaction",
        description="Migrations go to the primary, so transaction pooling is safe and needs far fewer connections.",
    )

    @property
    def connections(self) -> int:
        """Connections of Infisical's role to the server, over all pods.

        The operator (1.15, connection_pooler.go) divides 60, unless it is configured otherwise: half of a pod's share
        is its pool, and half of that the reserve.
        """
        pool = 60 // self.instances // 2
        return self.instances * (pool + pool // 2)


class DatabaseSettings(Section):
    """The `postgresql` custom resource."""

    version: Annotated[Literal["14", "15", "16", "17"], BeforeValidator(str)] = Field(
        default="15", description="Major version. Infisical needs 14 or newer; a higher one upgrades in place, once."
    )
    instances: Annotated[int, Field(ge=1, le=9, description="One primary, the rest replicas.")] = 2
    storage: Memory = Field(default="10Gi", description="Volume of each instance. It can grow, never shrink.")
    storage_class: DnsName | None = Field(default=None, description="Default: the cluster's default class.")
    cpu_request: Cpu = "250m"
    cpu_limit: Cpu = Field(default="2", description="The operator raises anything below 250m by itself.")
    memory_request: Memory = "512Mi"
    memory_limit: Memory = Field(default="2Gi", description="The operator raises anything below 250Mi by itself.")
    pooler: PoolerSettings = PoolerSettings()
    password_rotation: Annotated[
        int, Field(ge=1, description="Raise it to have a new password generated. See docs/rotation.md.")
    ] = 1

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> DatabaseSettings:
        if cores_of(self.cpu_request) > cores_of(self.cpu_limit):
            raise ValueError("cpuRequest: it is above cpuLimit, which no node can grant")
        if bytes_of(self.memory_request) > bytes_of(self.memory_limit):
            raise ValueError("memoryRequest: it is above memoryLimit, which no node can grant")
        return self
