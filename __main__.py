"""Infisical on Kubernetes: settings, providers, then the parts in the order in which they come up."""

from pathlib import Path

import safeguards
from components.application_secrets import ApplicationSecrets, ApplicationSecretsArgs
from components.backup import Backup, BackupArgs
from components.base.logical_names import APPLICATION_SECRETS, DATABASE, INFISICAL_SECRETS, REDIS, STACK_IDENTITY
from components.base.providers import options_of, providers_of
from components.bootstrap import Bootstrap, BootstrapArgs
from components.cert_sync import CertSync, CertSyncArgs
from components.databases import database_of, redis_of
from components.infisical_migration import InfisicalMigration, InfisicalMigrationArgs
from components.infisical_release import InfisicalRelease, InfisicalReleaseArgs
from components.infisical_secrets import InfisicalSecrets, InfisicalSecretsArgs
from components.ingress import Ingress, IngressArgs
from components.placement import Placement
from components.pull_secrets import PullSecrets
from components.requirements import Requirements, RequirementsArgs
from components.restore import Restore, RestoreArgs
from components.secrets_operator import SecretsOperator, SecretsOperatorArgs
from components.stack_identity import StackIdentity
from components.stack_outputs import export_outputs


def main() -> None:
    """Declare the stack."""
    stack = safeguards.admit(Path(__file__).parent)
    settings = stack.settings
    providers = providers_of(settings.cluster.context, settings.cluster.kubeconfig, stack.found.cluster)
    after = options_of(providers, Placement.of(settings))

    identity = StackIdentity(STACK_IDENTITY, settings.cluster.stack_id, after())
    needs = Requirements("requirements", RequirementsArgs.of(settings, identity, stack.operator_charts), after())
    db = database_of(DATABASE, settings, identity, after(needs))
    kv = redis_of(REDIS, settings, identity, after(needs))
    secrets = InfisicalSecrets(INFISICAL_SECRETS, InfisicalSecretsArgs.of(settings, identity, db, kv), after(needs))
    sync = CertSync.wanted("cert-sync", CertSyncArgs.of(settings, db, secrets), after(db, secrets)) or db
    restored = Restore.wanted("restore", RestoreArgs.of(settings, db, kv, secrets), after(db, kv))
    migration_args = InfisicalMigrationArgs.of(settings, db, secrets)
    migration = InfisicalMigration("infisical-migration", migration_args, after(sync, restored))
    release_args = InfisicalReleaseArgs.of(settings, stack.helm, migration, kv, secrets)
    release = InfisicalRelease("infisical", release_args, after(sync))
    bootstrap = Bootstrap.wanted("bootstrap", BootstrapArgs.of(settings, identity, secrets, release), after(secrets))
    Ingress("ingress", IngressArgs.of(settings, secrets, release, bootstrap), after(secrets))
    operator_args = SecretsOperatorArgs.of(settings, identity, release, stack.operator_chart)
    operator = SecretsOperator.wanted("secrets-operator", operator_args, after(release))
    PullSecrets.wanted("pull-secrets", settings.registry_credentials, (needs, db, kv, secrets, operator), after())
    application_args = ApplicationSecretsArgs.of(settings, identity, release, bootstrap, operator)
    ApplicationSecrets.wanted(APPLICATION_SECRETS, application_args, after(bootstrap, operator))
    backup = Backup.wanted("backup", BackupArgs.of(settings, db, secrets), after(release))
    export_outputs(settings, db, kv, secrets, release, backup)


if __name__ == "__main__":
    main()
