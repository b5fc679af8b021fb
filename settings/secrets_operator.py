"""The operator that copies secrets from Infisical into Kubernetes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.machinery.charts import PUBLIC_CHARTS, Chart, FetchedFrom, OperatorChartSettings
from settings.machinery.types import (
    DnsLabel,
    Image,
    Memory,
    Minutes,
    OperatorVersion,
    Section,
)
from settings.resources import require_memory

CHART = "secrets-operator"


class SecretsOperatorChart(OperatorChartSettings):
    """The Helm chart `secrets-operator`, which deploys Infisical's own operator."""

    version: OperatorVersion = Field(
        default="v0.11.5", description="Version of the chart. Upstream writes it with a v."
    )
    repository: FetchedFrom = PUBLIC_CHARTS


class SecretsOperatorSettings(Section):
    """The operator that copies secrets from Infisical into Kubernetes. An empty section is enough: `{}`."""

    kind: Literal["infisical", "externalSecrets"] = Field(
        default="infisical",
        description="`infisical` installs Infisical's own operator. `externalSecrets` installs nothing, and delivers "
        "through the External Secrets Operator that your cluster has already.",
    )
    namespace: DnsLabel = Field(
        default="infisical-secrets-operator",
        description="Namespace of the operator, and of the accounts by which it logs in. A different one deploys the "
        "operator anew.",
    )
    chart: SecretsOperatorChart = SecretsOperatorChart()
    image: Image = Field(
        default="docker.io/infisical/kubernetes-operator:v0.11.5",
        description="Image of Infisical's operator. Use the version of the chart.",
    )
    memory_limit: Memory = Field(
        default="256Mi",
        description="Memory of the operator. It holds every Secret of the namespaces that get something.",
    )
    deadline_minutes: Minutes = Field(
        default=5, description="Minutes until the operator's pods are ready. Set more where images come slowly."
    )
    delivery_minutes: Minutes = Field(
        default=3,
        description="Minutes until every delivered Secret has the values that the stack asks for. Set more for many "
        "deliveries: the operator brings them up to date one after the other.",
    )

    refresh_seconds: Annotated[int, Field(ge=5, le=86400)] = Field(
        default=30,
        description="Seconds until a value that somebody changes in Infisical is in the cluster. Each delivery asks "
        "the server this often.",
    )

    @model_validator(mode="after")
    def _memory_suffices(self) -> SecretsOperatorSettings:
        require_memory(self.memory_limit, "64Mi", "The operator takes 60Mi before it has read a Secret")
        return self

    @property
    def wanted(self) -> Chart | None:
        """Return the chart, as `make charts` and the program take any chart. None where nothing is installed."""
        if self.kind != "infisical":
            return None
        return self.chart.wanted("secretsOperator.chart", CHART)
