"""PostgreSQL under the Zalando operator, behind PgBouncer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from settings.affinity import DatabaseAffinity
from settings.machinery.broken_rule import broken_rule
from settings.machinery.types import ArchiveId, Cpu, DnsName, Memory, Minutes, Moment, Section
from settings.resources import requests_fit_limits
from settings.shared_database import SharedDatabase


class PoolerSettings(Section):
    """PgBouncer, run by the operator beside the database."""

    instances: Annotated[int, Field(ge=1, le=10, description="Number of pods. Two survive the loss of a node.")] = 2
    mode: Literal["transaction", "session"] = Field(
        default="transaction",
        description="Mode of PgBouncer. `transaction` needs far fewer connections, and is safe "
        "because migrations bypass the pooler.",
    )

    cpu_request: Cpu | None = Field(
        default=None, description="CPU that each pod requests. Default: the operator's, 500m unless it is configured."
    )
    cpu_limit: Cpu | None = Field(default=None, description="CPU limit of each pod. Default: the operator's, 1 core.")
    memory_request: Memory | None = Field(
        default=None, description="Memory that each pod requests. Default: the operator's, 100Mi."
    )
    memory_limit: Memory | None = Field(
        default=None, description="Memory limit of each pod. Default: the operator's, 100Mi."
    )

    _requests_fit_limits = model_validator(mode="after")(requests_fit_limits)

    @property
    def connections(self) -> int:
        """Return how many connections to the server all pods together have for Infisical's role.

        Unless it is configured differently, the operator (1.15, connection_pooler.go) divides 60 among the pods. Half
        of a pod's share is its pool, and half of the pool is added as a reserve.
        """
        pool = 60 // self.instances // 2
        return self.instances * (pool + pool // 2)


class RecoverySettings(Section):
    """An archive that a new database begins from, instead of empty. A database that is there never looks at it."""

    archive: ArchiveId = Field(
        description="Identifier of the archive: the part before /wal/ of `archive` in the output `backup`, which the "
        "escrow has, too."
    )
    time: Moment = Field(
        description="Until when changes are taken from it. Name a moment that has been archived already, a minute ago "
        "or more: where the archive ends before the moment, Spilo takes everything that is in it instead, unsaid."
    )


class DatabaseSettings(Section):
    """The `postgresql` custom resource."""

    kind: Literal["operator"] = Field(default="operator", description="The Zalando operator runs it.")
    version: Annotated[Literal["14", "15", "16", "17"], BeforeValidator(str)] = Field(
        default="15",
        description="Major version of PostgreSQL. A higher one upgrades the data in place, and there is no way back "
        "(docs/runbooks/postgres-upgraded.md).",
    )
    instances: Annotated[
        int, Field(ge=1, le=9, description="Number of servers. One is the primary, the others are replicas.")
    ] = 2
    synchronous: bool = Field(
        default=False,
        description="Answer a commit only when a replica has it too, so that a fail-over loses nothing that was "
        "acknowledged, even when the primary's disk is gone for good. Each commit then waits for the network.",
    )
    storage: Memory = Field(
        default="10Gi", description="Size of each instance's volume. It can grow, but never shrink."
    )
    storage_class: DnsName | None = Field(
        default=None, description="StorageClass of the volumes. Default: the cluster's default class."
    )
    cpu_request: Cpu = Field(default="250m", description="CPU that each server requests from its node.")
    cpu_limit: Cpu = Field(
        default="2", description="CPU limit of each server. The operator raises a lower value to 250m."
    )
    memory_request: Memory = Field(default="512Mi", description="Memory that each server requests from its node.")
    memory_limit: Memory = Field(
        default="2Gi", description="Memory limit of each server. The operator raises a lower value to 250Mi."
    )
    affinity: DatabaseAffinity | None = Field(
        default=None,
        description="`nodeAffinity` of servers and poolers, in Kubernetes' own words. The operator has one for both, "
        "and poolers that run get it when something else of theirs changes. It decides itself which pods keep apart.",
    )
    deadline_minutes: Minutes = Field(
        default=10,
        description="Minutes until the operator has made the database and Infisical's log-in works, once pods start. "
        "Set more where volumes attach slowly, or where an upgrade in place has much data to go through.",
    )
    pooler: PoolerSettings = PoolerSettings()
    shared: SharedDatabase = Field(
        default=SharedDatabase(),
        description="What others have in the same PostgreSQL cluster. Without it everything of theirs stays as it is.",
    )
    recover: RecoverySettings | None = Field(
        default=None,
        description="Recovery to a point in time: docs/runbooks/point-in-time.md. Not rehearsed here, as "
        "backup.target.pointInTime says.",
    )
    password_rotation: Annotated[
        int, Field(ge=1, description="Add 1 to generate a new password. See docs/rotation.md.")
    ] = 1

    _requests_fit_limits = model_validator(mode="after")(requests_fit_limits)

    @model_validator(mode="after")
    def _a_lost_replica_holds_up_nobody(self) -> DatabaseSettings:
        if self.synchronous and self.instances < 3:
            raise broken_rule(
                "synchronous",
                "set instances to at least 3. With a single replica, commits wait whenever it restarts, "
                "and are no longer synchronous while it is away",
            )
        return self
