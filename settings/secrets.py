"""What a stack keeps encrypted. Each secret is a key at the top, because one inside an object loses its mark."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import unquote

from pydantic import Field, SecretStr, field_validator

from settings.machinery.cluster_types import RegistryCredentials
from settings.machinery.types import (
    AdminPassword,
    BackupPassphrase,
    Base64Key,
    CertificatePem,
    EncryptionKey,
    GeneratedName,
    GeneratedValue,
    OpenPgpPrivateKey,
    PrivateKeyPem,
    SecretLine,
    Section,
    SigningKey,
    VariableName,
)
from settings.machinery.variables import Variable

AUDIT_LOGS = "AUDIT_LOGS_DB_CONNECTION_URI"
_PART = r"([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"  # of a URI, RFC 3986
_URI = re.compile(
    rf"postgres(ql)?://{_PART}(:{_PART})?@(?P<host>[A-Za-z0-9.-]+)(:(?P<port>[0-9]{{1,5}}))?/(?P<database>{_PART})"
)


def _is_text(encoded: str) -> bool:
    try:
        unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


class ReadReplica(Section):
    """A PostgreSQL server outside of the platform that replicates its database."""

    uri: SecretStr = Field(description="Address as postgresql://user:password@host:port/database, without sslmode.")
    authority: CertificatePem | None = Field(
        default=None,
        description="PEM of the authority that signed the server's certificate. Default: the platform's own authority.",
    )

    @field_validator("uri")
    @classmethod
    def _has_login_and_no_parameters(cls, uri: SecretStr) -> SecretStr:
        address, question_mark, _ = uri.get_secret_value().partition("?")
        match = _URI.fullmatch(address)
        if not match or not 0 < int(match["port"] or 5432) < 65536 or not _is_text(address):
            raise ValueError("write postgresql://user:password@host:port/database with the password percent-encoded")
        if question_mark:
            raise ValueError(
                "leave out everything from the question mark on, because sslmode would switch the verification off"
            )
        return uri

    @property
    def host(self) -> str:
        """Return the host name of the server."""
        return self._parts()["host"]

    @property
    def port(self) -> int:
        """Return the port of the server."""
        return int(self._parts()["port"] or 5432)

    @property
    def address(self) -> str:
        """Return host:port/database, without the login."""
        return f"{self.host}:{self.port}/{self._parts()['database']}"

    def _parts(self) -> re.Match[str]:
        match = _URI.fullmatch(self.uri.get_secret_value())
        assert match
        return match


class Secrets(Section):
    """Encrypted settings. Infisical's keys and the passwords of both databases are generated once when not given."""

    encryption_key: Annotated[EncryptionKey | None, Variable("ENCRYPTION_KEY")] = Field(
        default=None,
        description="The key that encrypts everything that users store. Set it when you bring your own data. "
        "Otherwise it is generated once.",
    )
    root_encryption_key: Annotated[Base64Key | None, Variable("ROOT_ENCRYPTION_KEY")] = Field(
        default=None,
        description="The key of a deployment that has ROOT_ENCRYPTION_KEY. Set both keys only where both are deployed: "
        "Infisical then opens the database with encryptionKey, and what older releases wrote with this one.",
    )
    auth_secret: Annotated[SigningKey | None, Variable("AUTH_SECRET")] = Field(
        default=None,
        description="The key that signs sessions. A different one logs everybody out. Generated if not given.",
    )
    cookie_secret: Annotated[SigningKey | None, Variable("COOKIE_SECRET_SIGN_KEY")] = Field(
        default=None,
        description="The key that signs cookies. Generated if not given, because upstream's own default is public.",
    )
    database_password: SecretLine | None = Field(
        default=None,
        description="Password of the role infisical_user, 16 to 128 letters and digits. Generated if not given. With "
        "an external database it is required, and is what the server has.",
    )
    redis_password: SecretLine | None = Field(
        default=None,
        description="Password of Redis, 16 to 128 letters and digits. Generated if not given. With an external Redis "
        "it is required, and is what the server has.",
    )
    redis_sentinel_password: SecretLine | None = Field(
        default=None, description="Password of the Sentinels in redis.sentinelHosts, if they have one."
    )
    admin_password: AdminPassword | None = Field(
        default=None, description="First password of organization.admin. Generated once if not given."
    )
    organization_token: SecretLine | None = Field(
        default=None,
        description="Token of an admin identity of an instance that was set up long ago. The instance is then adopted, "
        "and never set up. Remove the key once it is.",
    )
    registry_credentials: RegistryCredentials | None = Field(
        default=None,
        description="Log-ins to registries with private images, as docker's config.json has them. Every pod of the "
        "stack gets them.",
    )
    database_read_replicas: tuple[ReadReplica, ...] = Field(
        default=(),
        description="PostgreSQL servers outside of the platform that Infisical reads from, in place of the platform's "
        "replicas.",
    )
    smtp_password: Annotated[SecretLine | None, Variable("SMTP_PASSWORD")] = Field(
        default=None, description="Password of the SMTP server. Set it together with mail.username."
    )
    github_login_client_secret: Annotated[SecretLine | None, Variable("CLIENT_SECRET_GITHUB_LOGIN")] = Field(
        default=None, description="Secret of the OAuth app in signOn.github. Set both together."
    )
    github_app_client_secret: Annotated[SecretLine | None, Variable("INF_APP_CONNECTION_GITHUB_APP_CLIENT_SECRET")] = (
        Field(default=None, description="Client secret of the App in integrations.githubApp.")
    )
    github_app_private_key: Annotated[PrivateKeyPem | None, Variable("INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY")] = (
        Field(default=None, description="Private key of the App in integrations.githubApp, a PEM with its line breaks.")
    )
    aws_secret_access_key: Annotated[SecretLine | None, Variable("INF_APP_CONNECTION_AWS_SECRET_ACCESS_KEY")] = Field(
        default=None, description="Secret of the access key in integrations.aws. Set both together."
    )
    backup_access_key: SecretLine | None = Field(
        default=None,
        description="Access key of the bucket in backup.target. It may write, read and list, and need not delete.",
    )
    backup_secret_key: SecretLine | None = Field(
        default=None, description="Secret of backupAccessKey. Set both together."
    )
    backup_passphrase: BackupPassphrase | None = Field(
        default=None,
        description="What the cluster opens its own backups with. Generated once if not given. Set it to go on with "
        "the backups of a stack whose state is lost.",
    )
    restore_identity: OpenPgpPrivateKey | None = Field(
        default=None,
        description="Private key of one of backup.recipients, without a passphrase of its own. Set it only while you "
        "restore a backup of a stack whose state is lost, and remove it afterwards.",
    )
    restore_password: SecretLine | None = Field(
        default=None, description="Password of the role in restore.server. Remove it with that section."
    )
    generated_values: dict[GeneratedName, GeneratedValue] = Field(
        default={},
        description="What a state that is lost made for applications ({generate: …}), or this one for a different "
        "environment. Keep it: the stack makes other values. `make import-secrets` takes it from an escrow or from the "
        "cluster.",
    )
    extra_secrets: dict[VariableName, SecretStr] = Field(
        default={}, description="More variables of Infisical. Their values are secret."
    )

    @property
    def audit_logs(self) -> ReadReplica | None:
        """Return the audit log's own database, which has the form of a replica. None without one."""
        uri = self.extra_secrets.get(AUDIT_LOGS)
        return ReadReplica(uri=uri) if uri else None


SECRETS = frozenset(Secrets.by_key())
STRUCTURED = frozenset({"databaseReadReplicas", "extraSecrets", "generatedValues"})  # others are never parsed
