"""The operators that the platform stands on, and which of them the stack installs itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.charts import Chart, FetchedFrom, OperatorChartSettings
from settings.machinery.types import CertificateName, ChartVersion, Image, Minutes, OperatorVersion, Section

Operator = Literal["postgres", "redis", "certManager"]
Provided = Literal["present", "install"]


class PostgresOperatorChart(OperatorChartSettings):
    """The Helm chart `postgres-operator` of Zalando."""

    version: ChartVersion = Field(
        default="1.15.1",
        description="Version of the chart. 2.0.0 and 2.0.1 salt every password anew at each sync. Patroni keeps its "
        "state in Endpoints with every version: to move it under running servers splits the database.",
    )
    repository: FetchedFrom = "https://opensource.zalando.com/postgres-operator/charts/postgres-operator"


class RedisOperatorChart(OperatorChartSettings):
    """The Helm chart `redis-operator` of OT-CONTAINER-KIT."""

    version: ChartVersion = Field(
        default="0.23.0", description="Version of the chart, which has numbers of its own. The image decides."
    )
    repository: FetchedFrom = "https://ot-container-kit.github.io/helm-charts"


class CertManagerChart(OperatorChartSettings):
    """The Helm chart `cert-manager`."""

    version: OperatorVersion = Field(
        default="v1.21.2", description="Version of the chart. Upstream writes it with a v."
    )
    repository: FetchedFrom = "https://charts.jetstack.io"


class PostgresOperatorImages(Section):
    """Images that the Zalando operator runs as, and that it runs."""

    operator: Image = Field(
        default="ghcr.io/zalando/postgres-operator:v1.15.1", description="The operator. Use the version of its chart."
    )
    spilo: Image = Field(
        default="ghcr.io/zalando/spilo-17:4.0-p3",
        description="PostgreSQL under Patroni. It has every major version up to 17, which an upgrade in place needs.",
    )
    pooler: Image = Field(
        default="registry.opensource.zalan.do/acid/pgbouncer:master-32", description="PgBouncer of the pooler."
    )


class CertManagerImages(Section):
    """Images of cert-manager's parts. Use the version of its chart."""

    controller: Image = Field(default="quay.io/jetstack/cert-manager-controller:v1.21.2", description="What issues.")
    webhook: Image = Field(
        default="quay.io/jetstack/cert-manager-webhook:v1.21.2", description="What refuses wrong certificates."
    )
    cainjector: Image = Field(
        default="quay.io/jetstack/cert-manager-cainjector:v1.21.2",
        description="What has the API server trust the webhook.",
    )
    acme_solver: Image = Field(
        default="quay.io/jetstack/cert-manager-acmesolver:v1.21.2", description="What answers ACME challenges."
    )


_PRESENT = "`present`: the cluster has it, and `make doctor` judges it. `install`: the stack installs and upgrades it, "


class OperatorSettings(Section):
    """Operators that the platform needs. Without this section the cluster has them already.

    What a stack installs serves the whole cluster, and its kinds stay when the stack goes: with them would go every
    object of these kinds, whoever made it. A cluster that runs such an operator already is refused.
    """

    postgres: Provided = Field(
        default="present",
        description=f"{_PRESENT}in namespace `networkPolicies.operators.postgres`, with the settings that this "
        "platform depends on.",
    )
    redis: Provided = Field(default="present", description=f"{_PRESENT}in namespace `networkPolicies.operators.redis`.")
    cert_manager: Provided = Field(
        default="present", description=f"{_PRESENT}in namespace cert-manager, without any ClusterIssuer."
    )
    cluster_domain: CertificateName = Field(
        default="cluster.local",
        description="Domain of the cluster's Services. Operators name what they run in full. The kubelets have it as "
        "clusterDomain.",
    )
    deadline_minutes: Minutes = Field(
        default=5, description="Minutes until each operator's pods are ready. Set more where images come slowly."
    )
    postgres_chart: PostgresOperatorChart = PostgresOperatorChart()
    redis_chart: RedisOperatorChart = RedisOperatorChart()
    cert_manager_chart: CertManagerChart = CertManagerChart()
    postgres_images: PostgresOperatorImages = PostgresOperatorImages()
    redis_image: Annotated[
        Image,
        Field(
            description="The redis-operator: 0.23, or 0.25 with redisConfigInInitContainer. 0.24.0 finds no master "
            "once restarted, and 0.26.0 attaches no server before it is ready, while ours are ready once attached."
        ),
    ] = "quay.io/opstree/redis-operator:v0.23.0"
    redis_config_in_init_container: bool = Field(
        default=False,
        description="Have the operator write the configuration of Redis and Sentinel (its feature gate "
        "GenerateConfigInInitContainer). Set it for images other than OT-CONTAINER-KIT's, whose entry point does that, "
        "and for a redis-operator of 0.25. Decide before the first `up`: a Redis that has data would read a file of "
        "another name (appendfilename) once this changes, and lose all of it. So `up` refuses that.",
    )
    cert_manager_images: CertManagerImages = CertManagerImages()

    @model_validator(mode="after")
    def _sentinels_can_restart(self) -> OperatorSettings:
        """Refuse a redis-operator that keeps a Sentinel's configuration beside an entry point that appends to it."""
        version = re.search(r":v?(\d+)\.(\d+)\.\d+", self.redis_image)
        appends = not self.redis_config_in_init_container and version and (int(version[1]), int(version[2])) >= (0, 25)
        if self.redis == "install" and appends:
            raise broken_rule(
                "redisImage",
                "0.25 and newer need redisConfigInInitContainer: true. Without it a Sentinel whose "
                'container restarts never starts again ("Duplicate master name"). Set it for a Redis without data '
                "alone, because one that has some reads a file of another name from then on (appendfilename), and "
                "otherwise stay with 0.23",
            )
        return self

    @property
    def installed(self) -> tuple[Operator, ...]:
        """Return the operators that the stack installs."""
        said: dict[Operator, Provided] = {
            "postgres": self.postgres,
            "redis": self.redis,
            "certManager": self.cert_manager,
        }
        return tuple(operator for operator, provided in said.items() if provided == "install")

    @property
    def charts(self) -> Iterator[Chart]:
        """Yield the charts of what is installed, as `make charts` and the program take any chart."""
        charts: dict[Operator, tuple[str, OperatorChartSettings]] = {
            "postgres": ("postgres-operator", self.postgres_chart),
            "redis": ("redis-operator", self.redis_chart),
            "certManager": ("cert-manager", self.cert_manager_chart),
        }
        for operator in self.installed:
            name, chart = charts[operator]
            yield chart.wanted(f"operators.{operator}Chart", name)
