"""Infisical: image, chart and environment."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from settings.types import Image, Section, SiteUrl

PUBLIC_CHARTS = "https://dl.cloudsmith.io/public/infisical/helm-charts/helm/charts/"


class ChartSettings(Section):
    """Where the Helm chart comes from."""

    flavour: Literal["infisical", "infisical-standalone"] = Field(
        default="infisical-standalone",
        description="`infisical` is the chart up to 0.4.2 (values below `backend:`), dead since May 2024 but still "
        "deployed; `infisical-standalone` is the one upstream maintains (values below `infisical:`).",
    )
    version: str = Field(
        default="1.10.0",
        pattern=r"\A[0-9]+\.[0-9]+\.[0-9]+\z",
        description="Pinned: another version restarts every pod.",
    )
    repository: str = Field(
        default=PUBLIC_CHARTS,
        pattern=r"\A(https|oci)://\S+\z",
        description="Helm repository, or the folder of an OCI registry.",
    )
    path: str | None = Field(default=None, min_length=1, description="Folder or archive of the chart, instead.")

    @model_validator(mode="after")
    def _version_is_of_the_flavour(self) -> ChartSettings:
        if (self.flavour == "infisical") != self.version.startswith("0."):
            raise ValueError(f"version: {self.version} is none of chart {self.flavour} (infisical ends with 0.4.2)")
        return self


class InfisicalSettings(Section):
    """What Infisical is told through its environment, and how many of it there are."""

    site_url: SiteUrl = Field(description="The address users type. It makes links, cookies and the certificate.")
    image: Image = Field(
        default="docker.io/infisical/infisical:v0.165.8",
        description="At least v0.151: earlier ones ignore the Redis password under Sentinel.",
    )
    replicas: Annotated[int, Field(ge=1, le=20)] = 2
    chart: ChartSettings = ChartSettings()
    cors_allowed_origins: tuple[SiteUrl, ...] = Field(
        default=(), description="Further origins whose pages may call the API; siteUrl always may."
    )
    read_replicas: bool = Field(
        default=False, description="Send reads to the database's replicas too. They may lag; Infisical doesn't check."
    )
    telemetry: bool = False

    @property
    def host(self) -> str:
        """Host name of the site, without port."""
        return urlsplit(self.site_url).hostname or ""

    @property
    def https(self) -> bool:
        """Whether browsers reach the site over TLS."""
        return self.site_url.startswith("https://")
