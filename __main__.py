"""Infisical on Kubernetes: settings, providers, then the parts in the order in which they come up."""

from pathlib import Path

import pulumi
import pulumi_kubernetes
import pulumi_random
from pulumi import ResourceOptions
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

import safeguards
from components.cert_sync import CertSync, CertSyncArgs
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
        local_copy(settings.infisical.chart, commands, Path(__file__).parent)
        cluster = safeguards.check(settings, commands)
    except (SettingsError, safeguards.Refusal) as error:
        raise pulumi.RunError(str(error)) from None

    kubernetes = pulumi_kubernetes.Provider(
        "kubernetes",
        context=settings.cluster.context,
        kubeconfig=settings.cluster.kubeconfig or "",  # None would write the shell's KUBECONFIG into the state
        cluster_identifier=cluster,
        enable_secret_mutable=True,  # otherwise a changed value deletes the Secret first, and CertSync's key with it
    )
    random = pulumi_random.Provider("random")

    def after(*parts: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(providers=[kubernetes, random], depends_on=list(parts))

    identity = StackIdentity("stack-identity", after())
    requirements = Requirements("requirements", RequirementsArgs.of(settings), after())
    db = PlatformDb("platform-db", PlatformDbArgs.of(settings, identity), after(requirements))
    kv = PlatformKv("platform-kv", PlatformKvArgs.of(settings, identity), after(requirements))
    given = InfisicalSecretsArgs.of(settings, identity, db, kv)
    secrets = InfisicalSecrets("infisical-secrets", given, after(requirements))
    cert_sync = CertSync("cert-sync", CertSyncArgs.of(settings, db, secrets), after(db, secrets))
    release = InfisicalRelease("infisical", InfisicalReleaseArgs.of(settings, db, kv, secrets), after(cert_sync))
    Ingress("ingress", IngressArgs.of(settings, secrets, release), after(secrets))
    pulumi.export("url", settings.infisical.site_url)


if __name__ == "__main__":
    main()
