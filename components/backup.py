"""Back the database up on a schedule, and prove that backups can be restored and read."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_kubernetes import core, meta

from components.backup_store import BackupStore
from components.base.job import run_on_schedule, run_once
from components.base.names import type_token
from components.base.scripts import scripts_map
from components.databases import Database
from components.infisical_secrets import InfisicalSecrets
from settings import Settings
from settings.backup import BackupSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupArgs:
    """When backups are made and rehearsed, of what, and the keys that a rehearsal has to open them with."""

    backup: BackupSettings
    image: str  # Infisical's, which a restore compares with its own
    database: Database
    store: BackupStore
    secrets: InfisicalSecrets

    @classmethod
    def of(cls, settings: Settings, database: Database, secrets: InfisicalSecrets) -> BackupArgs | None:
        """Build the arguments from the stack's settings, None for a stack without backups."""
        if not settings.backup:
            return None
        assert database.backups
        return cls(
            backup=settings.backup,
            image=settings.infisical.image,
            database=database,
            store=database.backups,
            secrets=secrets,
        )


class Backup(ComponentResource):
    """Create a backup and rehearse it in each `up` that changes what they depend on, and both on a schedule.

    Creates two Jobs, one after the other, two CronJobs with the same pods, and a Secret with the encryption keys, which
    a rehearsal needs to prove that the key fits. `up` ends once the first backup was restored and read.
    """

    summary: Output[dict[str, str]]

    def __init__(self, name: str, args: BackupArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Backup"), name, None, opts)
        backup, store, namespace = args.backup, args.store, args.database.login.namespace
        label = args.secrets.key_label
        keys = core.v1.Secret(
            f"{name}-keys",
            metadata=meta.v1.ObjectMetaArgs(name="backup-keys", namespace=namespace),
            string_data=args.secrets.encryption_keys,
            opts=ResourceOptions(parent=self),
        )
        config = {"database": args.database.login.config, "image": args.image, "retention": store.retention}
        dump = store.step("backup", "backup/back_up.py", config, label=label)
        rehearsal = store.rehearsal(keys, label)
        scripts = scripts_map(f"{name}-scripts", namespace, [dump.script, rehearsal.script], parent=self)
        after = list(store.ready)
        for step, schedule in ((dump, backup.schedule), (rehearsal, backup.rehearsal_schedule)):
            job = f"{name}-{step.name}" if step is rehearsal else name
            template = store.template(step, job, scripts)
            done = run_once(job, namespace, template, store.deadline_seconds, parent=self, depends_on=after)
            after = [done]
            run_on_schedule(job, namespace, schedule, template, store.deadline_seconds, parent=self, depends_on=after)
        archive = args.database.archive
        self.summary = Output.all(label, archive.path if archive else "", store.passphrase_label).apply(
            lambda found: (
                {"beforeThisChange": store.identifier, "keyLabel": found[0], "passphraseLabel": found[2]}
                | _where(store)
                | ({"archive": found[1]} if archive else {})
            )
        )
        self.register_outputs({"key_label": label})

    @classmethod
    def wanted(cls, name: str, args: BackupArgs | None, opts: ResourceOptions) -> Backup | None:
        """Create them for a stack that has backups."""
        return cls(name, args, opts) if args else None


def _where(store: BackupStore) -> dict[str, str]:
    """Return what a restore elsewhere needs to find the backups again."""
    return {key: str(value) for key, value in store.target.items()}
