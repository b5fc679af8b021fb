"""Backups of the database: where they are kept, who can open them, how long they stay; and the restore of one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.types import (
    AuthoritiesPem,
    BackupName,
    BucketEndpoint,
    BucketName,
    BucketPrefix,
    CertificatePem,
    Cron,
    DnsName,
    HostName,
    Image,
    Memory,
    OpenPgpPublicKey,
    OverwriteToken,
    PostgresName,
    RestoreId,
    Section,
)


class VolumeTarget(Section):
    """A volume of the cluster. It survives a lost database, and dies with the cluster or its storage."""

    kind: Literal["volume"] = "volume"
    size: Memory = Field(
        default="10Gi", description="Size of the volume. A backup takes a fraction of the database's size."
    )
    storage_class: DnsName | None = Field(
        default=None,
        description="StorageClass of the volume. Choose one on different disks than the database's. Default: the "
        "cluster's default class.",
    )


class BucketTarget(Section):
    """An S3-compatible bucket. It needs the encrypted keys backupAccessKey and backupSecretKey."""

    kind: Literal["bucket"] = "bucket"
    endpoint: BucketEndpoint = Field(description="Address of the service, as https://host[:port].")
    name: BucketName = Field(description="Name of the bucket. Its owner can read no backup.")
    region: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")] = Field(
        default="us-east-1", description="Region. It is part of every signature; most services take us-east-1."
    )
    prefix: BucketPrefix | None = Field(
        default=None,
        description="Beginning of every object's name, as in platform/. Two stacks must not share one. Default: none, "
        "or cluster.namePrefix and a slash.",
    )
    addressing: Literal["path", "virtual"] = Field(
        default="path",
        description="Where the bucket's name stands: in the path, which every service takes, or in the host.",
    )
    point_in_time: bool = Field(
        default=False,
        description="Also archive each change of the database to the bucket (WAL-G, in the database's own pods), so "
        "that it can be brought back to any moment. Not rehearsed here: no test of this project can run WAL-G, so "
        "recover once on a cluster of your own before you rely on it. The archive is not encrypted to the recipients. "
        "Turning it on replaces the servers' pods, one after the other.",
    )
    authority: CertificatePem | None = Field(
        default=None,
        description="PEM of the authority that signed the service's certificate. Default: the public ones.",
    )
    lock_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None,
        description="Days for which the bucket must refuse to delete a backup (object lock, COMPLIANCE), whoever asks. "
        "The bucket must have been created with object lock. With more than retention.days a backup is hidden at its "
        "time, and stays in the bucket, and on its bill, until the lock ends.",
    )


class RetentionSettings(Section):
    """How long backups stay. The newest one that a rehearsal has restored stays in any case."""

    days: Annotated[int, Field(ge=1, le=3650, description="Backups younger than this stay.")] = 30
    at_least: Annotated[int, Field(ge=1, le=1000, description="As many of the newest stay, however old they are.")] = 7


def _somebody(recipients: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(recipients) <= 9:
        raise ValueError("Name one to nine recipients. Without one nobody outside of the cluster could open a backup")
    return recipients


class BackupSettings(Section):
    """Backups that are encrypted, read back, and restored into a server of their own every week."""

    image: Image = Field(
        default="ghcr.io/zalando/spilo-17:4.0-p3",
        description="Image of the database's own pods (Spilo), which has PostgreSQL's programs of every major version, "
        "GnuPG and Python. Name the one that your postgres-operator uses, so that nodes have it already.",
    )
    schedule: Cron = Field(default="17 2 * * *", description="When a backup is made, in the cluster's time zone.")
    rehearsal_schedule: Cron = Field(
        default="47 3 * * 0",
        description="When the newest backup is restored into a PostgreSQL of its own, counted, checked and opened with "
        "the encryption key.",
    )
    target: Annotated[VolumeTarget | BucketTarget, Field(discriminator="kind")] = Field(
        description="Where backups are kept."
    )
    recipients: Annotated[tuple[OpenPgpPublicKey, ...], AfterValidator(_somebody)] = Field(
        description="OpenPGP public keys (`gpg --armor --export FINGERPRINT`), one in each. Each owner can open every "
        "backup. Keep the private halves out of the cluster. RSA keys can be used for a restore in any image.",
    )
    retention: RetentionSettings = RetentionSettings()
    deadline_minutes: Annotated[int, Field(ge=5, le=1440)] = Field(
        default=60, description="How long a backup or a rehearsal may take."
    )
    memory_limit: Memory = Field(
        default="1Gi", description="Memory limit of the Jobs. A rehearsal runs a PostgreSQL in it."
    )


class OtherServer(Section):
    """The PostgreSQL of an Infisical that moves in. Its role's password is the encrypted key restorePassword."""

    host: HostName = Field(description="Name of the server, as postgresql.infisical-old.svc. Its port is opened.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=5432, description="Port of the server.")
    name: PostgresName = Field(description="Name of the database. Infisical's own chart calls it infisicalDB.")
    user: PostgresName = Field(description="Role that owns the tables. Infisical's own chart calls it infisical.")
    tls: bool = Field(
        default=True,
        description="Encrypt, and verify the server's certificate. The PostgreSQL of Infisical's own chart can't; with "
        "false anybody on the way reads names and log-ins. Values are encrypted by Infisical.",
    )
    authority: AuthoritiesPem | None = Field(
        default=None, description="PEM of the authority that signed the server's certificate. It belongs to tls."
    )

    @model_validator(mode="after")
    def _tls_comes_with_an_authority(self) -> OtherServer:
        if self.tls and not self.authority:
            raise broken_rule("authority", "required, unless tls is false. No server is trusted unverified")
        if self.authority and not self.tls:
            raise broken_rule("authority", "without tls nothing would use it")
        return self


class RestoreSettings(Section):
    """A backup to bring the database back to, or a server to take one from. It is done once per id, and may stay."""

    id: RestoreId = Field(description="Name of this restore, as in 2026-11-26. A different one restores again.")
    source: BackupName | None = Field(
        default=None,
        alias="from",
        description="`latest`, or the name of a backup, as its last line says it, or the identifier at its end.",
    )
    server: OtherServer | None = Field(
        default=None,
        description="In the place of `from`: the PostgreSQL of an Infisical that moves in, which nobody uses then. "
        "It is backed up, the backup is rehearsed with the stack's key, and then restored.",
    )
    overwrite: OverwriteToken | None = Field(
        default=None,
        description="Confirmation that what is in the database now may go. A refused restore says what that is, and "
        "prints the value.",
    )

    @model_validator(mode="after")
    def _has_exactly_one_source(self) -> RestoreSettings:
        if bool(self.source) == bool(self.server):
            raise broken_rule("from", "set either from or server")
        return self
