"""Migrate Infisical's database before any of its servers starts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pulumi import Alias, ComponentResource, Input, ResourceOptions, create_urn
from pulumi_kubernetes import core, meta

from components.base.job import run_once
from components.base.names import type_token
from components.base.pod import SecretKey, Step, pod_template
from components.base.scripts import scripts_map
from components.databases import Database
from components.infisical_secrets import InfisicalSecrets
from settings import Settings
from settings.infisical import MigrationSettings, node_options

_URI = "DB_CONNECTION_URI"
_QUIET_SECONDS = 15  # upstream's servers wait as long before they take a lock over


@dataclass(frozen=True, kw_only=True, slots=True)
class InfisicalMigrationArgs:
    """The release that the database is brought to, and what the migration may use."""

    image: str
    settings: MigrationSettings
    secrets: InfisicalSecrets  # some migrations need the keys: they change encrypted data
    restored: str | None  # the restore that the data may come from, which the migration follows
    audit_logs: str | None  # address of the audit log's own database, which is migrated too
    database: Database  # its primary, because migrations' session parameters would stay behind in the pooler

    @classmethod
    def of(cls, settings: Settings, database: Database, secrets: InfisicalSecrets) -> InfisicalMigrationArgs:
        """Build the arguments from the stack's settings."""
        infisical = settings.infisical
        return cls(
            image=infisical.image,
            settings=infisical.migration,
            secrets=secrets,
            restored=settings.restore.id if settings.restore else None,
            audit_logs=settings.audit_logs.address if settings.audit_logs else None,
            database=database,
        )


class InfisicalMigration(ComponentResource):
    """Create a Job that brings the database to the image's release, in that image, and the Secret with its address.

    It runs for a different image, for a different database of the audit log and after a failure, and never for a
    different password: the Secret has a fixed name, so a rotation changes no pod. Its script deals with a database
    that is ahead of the image, and with the lock of a migration that was killed.
    """

    def __init__(self, name: str, args: InfisicalMigrationArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("InfisicalMigration"), name, None, opts)
        namespace = args.secrets.ref.namespace
        address = core.v1.Secret(
            f"{name}-uri",
            metadata=meta.v1.ObjectMetaArgs(name=f"{name}-uri", namespace=namespace),
            string_data={_URI: args.database.uri(args.database.primary)},
            opts=ResourceOptions(parent=self),
        )
        step = Step(
            name="migration",
            image=args.image,
            script="infisical_migration/migrate.mjs",
            config={
                "image": args.image,
                "deadline_seconds": args.settings.deadline_minutes * 60,
                "quiet_seconds": _QUIET_SECONDS,
            },
            env={
                _URI: SecretKey(secret=address.metadata.name, key=_URI),
                "HOME": "/tmp",  # npm writes its log there
                # Not those of the servers, which have a limit of their own.
                "NODE_OPTIONS": node_options(args.settings.memory_limit, args.image),
            },
            env_from=args.secrets.ref.name,
            memory_limit=args.settings.memory_limit,
        )
        scripts = scripts_map(f"{name}-scripts", namespace, [step.script], parent=self)
        # Before this component existed, the Job belonged to the release.
        formerly = Alias(parent=create_urn("infisical", type_token("InfisicalRelease")))
        run_once(
            name,
            namespace,
            pod_template(
                step,
                job=name,
                scripts_map=scripts.metadata.name,
                annotations=_annotations(args),
            ),
            args.settings.deadline_minutes * 60,
            parent=self,
            aliases=[formerly],
        )
        self.register_outputs({"image": args.image})


def _annotations(args: InfisicalMigrationArgs) -> dict[str, Input[str]]:
    """Return what makes the Job run again. A server makes no table for the audit log when its own database has all."""
    audit_logs = args.audit_logs and hashlib.sha256(args.audit_logs.encode()).hexdigest()[:16]  # the address is secret
    named = {"infisical-platform/restore": args.restored, "infisical-platform/audit-logs": audit_logs}
    return {name: value for name, value in named.items() if value}
