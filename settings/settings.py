"""The settings of a whole stack."""

from __future__ import annotations

from pydantic import Field

from settings.certificates import CertificateSettings
from settings.cluster import ClusterSettings, JobSettings
from settings.database import DatabaseSettings
from settings.infisical import InfisicalSettings
from settings.ingress import IngressSettings
from settings.integrations import IntegrationSettings
from settings.machinery.types import VariableName
from settings.mail import MailSettings
from settings.redis import RedisSettings
from settings.secrets import Secrets
from settings.sign_on import SignOnSettings


class Settings(Secrets):
    """The settings of a stack, one key a subject, with the encrypted keys beside them."""

    cluster: ClusterSettings = ClusterSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    certificates: CertificateSettings = CertificateSettings()
    infisical: InfisicalSettings = Field(description="It needs at least siteUrl.")
    ingress: IngressSettings = Field(description="It needs at least issuer.")
    mail: MailSettings | None = None
    sign_on: SignOnSettings = SignOnSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    extra_environment: dict[VariableName, str] = Field(
        default={}, description="More variables of Infisical, in plain text."
    )
    jobs: JobSettings = JobSettings()
