"""Infisical: image, chart and environment."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from settings.machinery.types import (
    ChartRepository,
    ChartVersion,
    Digest,
    Image,
    KeyLabel,
    Memory,
    Origin,
    Section,
    SiteUrl,
    bytes_of,
)
from settings.machinery.variables import Variable

Flavour = Literal["infisical", "infisical-standalone"]
PUBLIC_CHARTS = "https://dl.cloudsmith.io/public/infisical/helm-charts/helm/charts/"


class ChartSettings(Section):
    """Where the Helm chart comes from."""

    flavour: Flavour = Field(
        default="infisical-standalone",
        description="`infisical` is the chart up to 0.4.2 (values below `backend:`), dead since May 2024 but still "
        "deployed; `infisical-standalone` is the one upstream maintains (values below `infisical:`).",
    )
    version: ChartVersion = Field(default="1.10.0", description="Pinned: another version restarts every pod.")
    digest: Digest | None = Field(
        default=None, description="SHA-256 of the chart's archive. `make charts` sets it, and checks it ever after."
    )
    repository: ChartRepository = Field(
        default=PUBLIC_CHARTS,
        description="Helm repository, or the folder of an OCI registry, from which `make charts` takes the chart.",
    )
    path: str | None = Field(default=None, min_length=1, description="Folder or archive of the chart, instead.")

    @model_validator(mode="after")
    def _version_is_of_the_flavour(self) -> ChartSettings:
        if (self.flavour == "infisical") != self.version.startswith("0."):
            raise ValueError(f"version: {self.version} is none of chart {self.flavour} (infisical ends with 0.4.2)")
        return self

    @property
    def location(self) -> str:
        """Where the chart lies. Relative to the project: it is an input of the release, on whatever machine."""
        return self.path or self.copy_location

    @property
    def copy_location(self) -> str:
        """Where `make charts` puts it."""
        return f"charts/{self.flavour}-{self.version}.tgz"


class MigrationSettings(Section):
    """What the Job that migrates the database may take. It runs before any server of another image."""

    deadline_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = Field(
        default=60,
        description="Pulling the image counts. A migration that is cut off is rolled back and begins anew.",
    )
    memory_limit: Memory = Field(
        default="2Gi", description="A release of 2024 took 443Mi on an empty database; newer ones and real data more."
    )

    @model_validator(mode="after")
    def _memory_suffices(self) -> MigrationSettings:
        if bytes_of(self.memory_limit) < bytes_of("512Mi"):
            raise ValueError("memoryLimit: below 512Mi the kernel kills a migration before it is done")
        return self


_Connections = Annotated[int, Field(ge=0, le=1000)]


class PoolSettings(Section):
    """Connections which each pod keeps to the database; unset, the image's own defaults hold (0 to 10)."""

    min: Annotated[_Connections | None, Variable("DB_POOL_MIN", since="August 2026")] = None
    max: Annotated[_Connections | None, Variable("DB_POOL_MAX", since="August 2026")] = None
    replica_min: Annotated[_Connections | None, Variable("DB_REPLICA_POOL_MIN", since="August 2026")] = None
    replica_max: Annotated[_Connections | None, Variable("DB_REPLICA_POOL_MAX", since="August 2026")] = None
    audit_logs_min: Annotated[_Connections | None, Variable("AUDIT_LOGS_DB_POOL_MIN", since="August 2026")] = None
    audit_logs_max: Annotated[_Connections | None, Variable("AUDIT_LOGS_DB_POOL_MAX", since="August 2026")] = None

    @model_validator(mode="after")
    def _there_is_room(self) -> PoolSettings:
        pairs = {
            "max": (self.min, self.max),
            "replicaMax": (self.replica_min, self.replica_max),
            "auditLogsMax": (self.audit_logs_min, self.audit_logs_max),
        }
        for name, (low, high) in pairs.items():
            if high == 0:
                raise ValueError(f"{name}: a pool without connections answers nothing")
            if low is not None and low > (10 if high is None else high):
                raise ValueError(f"{name}: it is below the minimum")
        return self


class InfisicalSettings(Section):
    """What Infisical is told through its environment, and how many of it there are."""

    site_url: Annotated[SiteUrl, Variable("SITE_URL")] = Field(
        description="The address users type. It makes links, cookies and the certificate. https only."
    )
    image: Image = Field(
        default="docker.io/infisical/infisical:v0.165.8",
        description="At least v0.151: earlier ones ignore the Redis password under Sentinel.",
    )
    replicas: Annotated[int, Field(ge=1, le=20)] = 2
    chart: ChartSettings = ChartSettings()
    migration: MigrationSettings = MigrationSettings()
    cors_allowed_origins: Annotated[tuple[Origin, ...], Variable("CORS_ALLOWED_ORIGINS")] = Field(
        default=(), description="Further origins whose pages may call the API; siteUrl always may."
    )
    read_replicas: Literal["none", "cluster"] = Field(
        default="none",
        description="`cluster` sends reads to the database's own replicas too. They may lag; Infisical doesn't check. "
        "Needs 3 instances, so that a replica is left when one pod goes.",
    )
    pools: PoolSettings = PoolSettings()
    telemetry: Annotated[bool, Variable("TELEMETRY_ENABLED")] = Field(
        default=False, description="Usage statistics for Infisical's makers."
    )
    allow_internal_ip_connections: Annotated[bool, Variable("ALLOW_INTERNAL_IP_CONNECTIONS")] = Field(
        default=False,
        description="Lets app connections and dynamic secrets reach private addresses, as those of this cluster.",
    )
    replace_encryption_key: KeyLabel | None = Field(
        default=None,
        description="The label of the encryption key that may be replaced, as the refused change prints it. See "
        "docs/runbooks/root-key-rotated.md.",
    )

    @model_validator(mode="after")
    def _image_speaks_to_sentinel(self) -> InfisicalSettings:
        tag = re.search(r":v?(\d+)\.(\d+)\.\d+(-postgres)?(@|$)", self.image)
        if tag and (int(tag[1]), int(tag[2])) < (0, 151):
            raise ValueError("image: before v0.151 it ignores the password of Redis under Sentinel")
        return self

    @property
    def host(self) -> str:
        """Host name of the site, without port."""
        return urlsplit(self.site_url).hostname or ""
