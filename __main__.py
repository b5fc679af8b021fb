"""Infisical on Kubernetes: settings, providers, then the parts in the order in which they come up."""

from pathlib import Path

import pulumi
from pulumi import ResourceOptions
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

import safeguards
from components.base.providers import providers_of
from components.cert_sync import CertSync, CertSyncArgs
from components.helm_release import HelmRelease
from components.infisical_migration import InfisicalMigration, InfisicalMigrationArgs
from components.infisical_release import InfisicalRelease, InfisicalReleaseArgs
from components.infisical_secrets import InfisicalSecrets, InfisicalSecretsArgs
from components.ingress import Ingress, IngressArgs
from components.platform_db import PlatformDb, PlatformDbArgs
from components.platform_kv import PlatformKv, PlatformKvArgs
from components.requirements import Requirements, RequirementsArgs
from components.stack_identity import StackIdentity
from settings import Commands, SettingsError, load, local_copy


def main() -> None:
    """Declare the stack."""
    try:
        commands = Commands(pulumi.get_project(), pulumi.get_stack())
        settings = load(commands, get_config_env(), get_config_secret_keys_env())
        chart = local_copy(settings.infisical.chart, commands, Path(__file__).parent)
        found = safeguards.check(settings, commands)
    except (SettingsError, safeguards.Refusal) as error:
        raise pulumi.RunError(str(error)) from None

    providers = providers_of(settings.cluster.context, settings.cluster.kubeconfig, found.cluster)

    def after(*parts: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(providers=providers, depends_on=list(parts))

    identity = StackIdentity("stack-identity", after())
    requirements = Requirements("requirements", RequirementsArgs.of(settings), after())
    db = PlatformDb("platform-db", PlatformDbArgs.of(settings, identity), after(requirements))
    kv = PlatformKv("platform-kv", PlatformKvArgs.of(settings, identity), after(requirements))
    given = InfisicalSecretsArgs.of(settings, identity, db, kv)
    secrets = InfisicalSecrets("infisical-secrets", given, after(requirements))
    sync = CertSync("cert-sync", CertSyncArgs.of(settings, db, secrets), after(db, secrets))
    migration = InfisicalMigration("infisical-migration", InfisicalMigrationArgs.of(settings, db, secrets), after(sync))
    helm = HelmRelease.of(settings, found.state, chart)
    release_args = InfisicalReleaseArgs.of(settings, helm, migration, kv, secrets)
    release = InfisicalRelease("infisical", release_args, after(sync))
    Ingress("ingress", IngressArgs.of(settings, secrets, release), after(secrets))
    pulumi.export("url", settings.infisical.site_url)


if __name__ == "__main__":
    main()
