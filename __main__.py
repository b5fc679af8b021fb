"""Infisical on Kubernetes: settings, providers, then the parts in the order in which they come up."""

from pathlib import Path

import pulumi
import pulumi_kubernetes
import pulumi_random
from pulumi import ResourceOptions
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

import safeguards
import settings
from components.cert_sync import CertSync, CertSyncArgs
from components.infisical_release import InfisicalRelease, InfisicalReleaseArgs
from components.infisical_secrets import InfisicalSecrets, InfisicalSecretsArgs
from components.ingress import Ingress, IngressArgs
from components.platform_db import PlatformDb, PlatformDbArgs
from components.platform_kv import PlatformKv, PlatformKvArgs
from components.requirements import Requirements, RequirementsArgs


def main() -> None:
    """Declare the stack."""
    try:
        commands = settings.Commands(pulumi.get_project(), pulumi.get_stack())
        stack = settings.load(commands, get_config_env(), get_config_secret_keys_env())
        settings.local_copy(stack.infisical.chart, commands, Path(__file__).parent)
        safeguards.check(stack, commands)
    except (settings.SettingsError, safeguards.Refusal) as error:
        raise pulumi.RunError(str(error)) from None

    kubernetes = pulumi_kubernetes.Provider(
        "kubernetes",
        context=stack.cluster.context,
        kubeconfig=stack.cluster.kubeconfig,
        enable_secret_mutable=True,  # otherwise a changed value deletes the Secret first, and CertSync's key with it
    )
    random = pulumi_random.Provider("random")

    def after(*parts: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(providers=[kubernetes, random], depends_on=list(parts))

    requirements = Requirements("requirements", RequirementsArgs.of(stack), after())
    db = PlatformDb("platform-db", PlatformDbArgs.of(stack), after(requirements))
    kv = PlatformKv("platform-kv", PlatformKvArgs.of(stack), after(requirements))
    secrets = InfisicalSecrets("infisical-secrets", InfisicalSecretsArgs.of(stack, db, kv), after(requirements))
    cert_sync = CertSync("cert-sync", CertSyncArgs.of(stack, db, secrets), after(db, secrets))
    release = InfisicalRelease("infisical", InfisicalReleaseArgs.of(stack, db, kv, secrets), after(cert_sync))
    Ingress("ingress", IngressArgs.of(stack, secrets, release), after(secrets))
    pulumi.export("url", stack.infisical.site_url)


if __name__ == "__main__":
    main()
