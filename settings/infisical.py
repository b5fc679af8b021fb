"""Infisical's image, chart and environment."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from settings.affinity import Affinity
from settings.machinery.broken_rule import broken_rule
from settings.machinery.charts import PUBLIC_CHARTS, ArchiveDigest, Chart, FetchedFrom, OwnChart
from settings.machinery.types import (
    AuthoritiesPem,
    ChartVersion,
    Cpu,
    Image,
    KeyLabel,
    Memory,
    Minutes,
    Origin,
    Section,
    SiteUrl,
    bytes_of,
)
from settings.machinery.variables import Variable
from settings.resources import requests_fit_limits, require_memory

_HEAP = 0.75  # of the memory; the rest is for code, buffers and threads
Flavour = Literal["infisical", "infisical-standalone"]


class ChartSettings(Section):
    """The Helm chart that deploys Infisical."""

    flavour: Flavour = Field(
        default="infisical-standalone",
        description="Name of the chart. Upstream maintains `infisical-standalone` (values below `infisical:`). "
        "`infisical` (values below `backend:`) ended with 0.4.2 in May 2024, but is still deployed.",
    )
    version: ChartVersion = Field(
        default="1.10.0", description="Version of the chart. A different one restarts every pod."
    )
    digest: ArchiveDigest = None
    repository: FetchedFrom = PUBLIC_CHARTS
    path: OwnChart = None

    @model_validator(mode="after")
    def _version_is_of_the_flavour(self) -> ChartSettings:
        if (self.flavour == "infisical") != self.version.startswith("0."):
            raise broken_rule(
                "version",
                f"chart {self.flavour} has no version {self.version}. Versions of infisical begin with 0, "
                "those of infisical-standalone don't",
            )
        return self

    @property
    def wanted(self) -> Chart:
        """Return the chart, as `make charts` and the program take any chart."""
        return Chart(
            key="infisical.chart",
            name=self.flavour,
            version=self.version,
            digest=self.digest,
            repository=self.repository,
            path=self.path,
        )


def node_options(memory_limit: str, image: str) -> str:
    """Return Node's options for a container: a heap that its memory limit has room for.

    They take the place of the image's own: a heap of 2 GiB or more, and in the image for FIPS 140 the switch for it.
    """
    heap = int(bytes_of(memory_limit) * _HEAP / 2**20)
    return f"--max-old-space-size={heap}" + (" --force-fips" if is_for_fips(image) else "")


def is_for_fips(image: str) -> bool:
    """Return whether an image is the one for FIPS 140, by its repository's last part and its tag."""
    return "fips" in image.partition("@")[0].rpartition("/")[2]


class MigrationSettings(Section):
    """Limits of the Job that migrates the database before servers of a different image start."""

    deadline_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = Field(
        default=60,
        description="Minutes that a migration may take, including the pull of its image. One that takes longer is "
        "killed and rolled back. Set more for a large database.",
    )
    memory_limit: Memory = Field(
        default="2Gi",
        description="Memory of the migration. A release of 2024 took 443Mi on an empty database. Newer releases and "
        "real data take more.",
    )

    @model_validator(mode="after")
    def _memory_suffices(self) -> MigrationSettings:
        require_memory(self.memory_limit, "512Mi", "With less, the kernel kills a migration before it is done")
        return self


_Connections = Annotated[int, Field(ge=0, le=1000)]


class PoolSettings(Section):
    """Connections that each pod keeps to the database. Without a value, the image's own defaults apply (0 to 10)."""

    min: Annotated[_Connections | None, Variable("DB_POOL_MIN", since="August 2026")] = None
    max: Annotated[_Connections | None, Variable("DB_POOL_MAX", since="August 2026")] = None
    replica_min: Annotated[_Connections | None, Variable("DB_REPLICA_POOL_MIN", since="August 2026")] = None
    replica_max: Annotated[_Connections | None, Variable("DB_REPLICA_POOL_MAX", since="August 2026")] = None
    audit_logs_min: Annotated[_Connections | None, Variable("AUDIT_LOGS_DB_POOL_MIN", since="August 2026")] = None
    audit_logs_max: Annotated[_Connections | None, Variable("AUDIT_LOGS_DB_POOL_MAX", since="August 2026")] = None

    @model_validator(mode="after")
    def _maximum_has_room_for_the_minimum(self) -> PoolSettings:
        pairs = {
            "max": (self.min, self.max),
            "replicaMax": (self.replica_min, self.replica_max),
            "auditLogsMax": (self.audit_logs_min, self.audit_logs_max),
        }
        for name, (low, high) in pairs.items():
            if high == 0:
                raise broken_rule(name, "set at least 1, because Infisical can't answer without a connection")
            if low is not None and low > (10 if high is None else high):
                raise broken_rule(name, "set at least the minimum of the same pool. Without a value, the maximum is 10")
        return self


class InfisicalSettings(Section):
    """Infisical itself: its address, image, number of pods and connections."""

    site_url: Annotated[SiteUrl, Variable("SITE_URL")] = Field(
        description="The https address that users type. Links, cookies and the certificate are made from it."
    )
    image: Image = Field(
        default="docker.io/infisical/infisical:v0.165.8",
        description="Image of Infisical, v0.151 or newer. Earlier ones don't log in to Redis under Sentinel. The image "
        "for FIPS 140 is only for a database that an ordinary image has made: on an empty one it takes no key that "
        "this program has.",
    )
    replicas: Annotated[int, Field(ge=1, le=20, description="Number of pods.")] = 2
    cpu_request: Cpu = Field(default="350m", description="CPU that each pod requests from its node.")
    cpu_limit: Cpu | None = Field(
        default=None,
        description="CPU limit of each pod. Default: none, so that a pod starts fast. A quota for limits needs one.",
    )
    memory_request: Memory = Field(
        default="768Mi",
        description="Memory that each pod requests from its node. A release of 2025 takes 700 MiB at rest.",
    )
    memory_limit: Memory = Field(
        default="2Gi",
        description="Memory limit of each pod. Node's heap gets three quarters of it (NODE_OPTIONS). The image itself "
        "allows a heap of 2 GiB whatever the limit is, and the kernel would kill the pod before the heap is full.",
    )
    drain_seconds: Annotated[int, Field(ge=0, le=300)] = Field(
        default=10,
        description="Seconds that a pod goes on serving once it is to end. Meanwhile every proxy leaves it, so a roll "
        "fails no request. Set 0 for a chart of your own whose container has a different name, and for Kubernetes "
        "before 1.30.",
    )
    affinity: Affinity | None = Field(
        default=None,
        description="Nodes and neighbours of Infisical's pods, in Kubernetes' own words. They prefer nodes of their "
        "own in any case (`pods.spread`). Their label is app: infisical-standalone, and app: infisical with the older "
        "chart.",
    )
    deadline_minutes: Minutes = Field(
        default=15,
        description="Minutes until a rollout is done: up to four batches of pods, each of which may wait two minutes "
        "for a mail relay that doesn't answer. Set more where nodes or images come slowly.",
    )
    chart: ChartSettings = ChartSettings()
    migration: MigrationSettings = MigrationSettings()
    cors_allowed_origins: Annotated[tuple[Origin, ...], Variable("CORS_ALLOWED_ORIGINS")] = Field(
        default=(), description="More origins whose pages may call the API. siteUrl is always allowed."
    )
    read_replicas: Literal["none", "cluster"] = Field(
        default="none",
        description="`cluster` sends reads to the database's replicas too. A replica may lag, and Infisical doesn't "
        "check for that. This needs 3 database instances, so that one replica is left when a pod is lost.",
    )
    pools: PoolSettings = PoolSettings()
    telemetry: Annotated[bool, Variable("TELEMETRY_ENABLED")] = Field(
        default=False, description="Whether Infisical sends usage statistics to its makers."
    )
    allow_internal_ip_connections: Annotated[bool, Variable("ALLOW_INTERNAL_IP_CONNECTIONS")] = Field(
        default=False,
        description="Let app connections and dynamic secrets reach private addresses, such as those of this cluster.",
    )
    authorities: AuthoritiesPem | None = Field(
        default=None,
        description="PEM of private authorities that Infisical trusts beside the public ones (NODE_EXTRA_CA_CERTS): of "
        "your identity provider, Git server or proxy, for example. Databases and the mail relay have settings of their "
        "own.",
    )
    ipv6: bool = Field(
        default=False,
        description="Listen on IPv6 too (HOST). The image listens on IPv4 alone, so nothing reaches it where Services "
        "get IPv6 addresses. A node that has IPv6 switched off can't do it.",
    )
    replace_encryption_key: KeyLabel | None = Field(
        default=None,
        description="Label of the encryption key that may be replaced, as the refused change prints it. See "
        "docs/runbooks/root-key-rotated.md.",
    )

    _requests_fit_limits = model_validator(mode="after")(requests_fit_limits)

    @model_validator(mode="after")
    def _memory_suffices(self) -> InfisicalSettings:
        require_memory(self.memory_limit, "256Mi", "No release of Infisical starts with less")
        return self

    @model_validator(mode="after")
    def _image_speaks_to_sentinel(self) -> InfisicalSettings:
        tag = re.search(r":v?(\d+)\.(\d+)\.\d+(-postgres)?(@|$)", self.image)
        if tag and (int(tag[1]), int(tag[2])) < (0, 151):
            raise broken_rule("image", "set v0.151 or newer. Earlier ones don't log in to Redis under Sentinel")
        return self

    @property
    def host(self) -> str:
        """Return the host name of the site, without port."""
        return urlsplit(self.site_url).hostname or ""
