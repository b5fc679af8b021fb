"""The settings of a whole stack."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from settings.applications import ApplicationSettings
from settings.backup import BackupSettings, RestoreSettings
from settings.certificates import CertificateSettings
from settings.cluster import ClusterSettings, JobSettings
from settings.database import DatabaseSettings
from settings.escrow import EscrowSettings
from settings.external import Database, ExternalRedis, Redis
from settings.infisical import InfisicalSettings
from settings.ingress import IngressSettings
from settings.integrations import IntegrationSettings
from settings.machinery.application_types import ApplicationName
from settings.machinery.charts import Chart
from settings.machinery.forms import as_written
from settings.machinery.types import VariableName
from settings.mail import MailSettings
from settings.network_policies import NetworkPolicySettings
from settings.operators import OperatorSettings
from settings.organization import OrganizationSettings
from settings.pods import PodSettings
from settings.redis import RedisSettings
from settings.secrets import Secrets
from settings.secrets_operator import SecretsOperatorSettings
from settings.sign_on import SignOnSettings

# Sections that are turned on by being there, even when they are empty.
BY_PRESENCE = frozenset({"secretsOperator"})


class Settings(Secrets):
    """The settings of a stack, one key a subject, with the encrypted keys beside them."""

    cluster: ClusterSettings = ClusterSettings()
    database: Database = DatabaseSettings()
    redis: Redis = RedisSettings()
    certificates: CertificateSettings = CertificateSettings()
    infisical: InfisicalSettings = Field(description="It needs at least siteUrl.")
    ingress: IngressSettings = Field(description="It needs at least issuer.")
    mail: MailSettings | None = None
    sign_on: SignOnSettings = SignOnSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    extra_environment: dict[VariableName, Annotated[str, BeforeValidator(as_written)]] = Field(
        default={}, description="More variables of Infisical, in plain text."
    )
    jobs: JobSettings = JobSettings()
    network_policies: NetworkPolicySettings = NetworkPolicySettings()
    operators: OperatorSettings = OperatorSettings()
    organization: OrganizationSettings | None = None
    pods: PodSettings = PodSettings()
    secrets_operator: SecretsOperatorSettings | None = None
    applications: dict[ApplicationName, ApplicationSettings] = Field(default={})
    backup: BackupSettings | None = Field(
        default=None, description="It needs target and recipients. Without it there is no backup."
    )
    restore: RestoreSettings | None = None
    escrow: EscrowSettings | None = None

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Return the charts that the stack deploys."""
        operator = self.secrets_operator.wanted if self.secrets_operator else None
        return (self.infisical.chart.wanted, *((operator,) if operator else ()), *self.operators.charts)

    @property
    def storage_classes(self) -> tuple[str, ...]:
        """Return the StorageClasses that the stack names for what it runs itself."""
        parts = [part for part in (self.database, self.redis) if part.kind == "operator"]
        return tuple(sorted({part.storage_class for part in parts if part.storage_class}))

    @property
    def trusted(self) -> str:
        """Return the private authorities that Infisical trusts, as PEM."""
        redis = self.redis.authority if isinstance(self.redis, ExternalRedis) else None
        return "".join(f"{pem.strip()}\n" for pem in (self.infisical.authorities, redis) if pem)

    @property
    def data_from(self) -> str | None:
        """Return which restore or recovery the database's data came from, None where it is this instance's own."""
        recover = self.database.recover if self.database.kind == "operator" else None
        parts = (
            f"restore {self.restore.id}" if self.restore else "",
            f"{recover.archive} {recover.time}" if recover else "",
        )
        return "; ".join(part for part in parts if part) or None

    @property
    def proves_operator(self) -> bool:
        """Return whether the stack has a secret of its own delivered, which takes an organisation and an operator."""
        return bool(self.organization and self.secrets_operator)

    @property
    def target_namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that an application's secrets are delivered into."""
        deliveries = (delivery for each in self.applications.values() if not each.retired for delivery in each.deliver)
        return tuple(sorted({delivery.namespace for delivery in deliveries}))
