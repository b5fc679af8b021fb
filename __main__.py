"""Infisical on Kubernetes: settings, providers, then the parts in the order in which they come up."""

from pathlib import Path

import pulumi
import pulumi_kubernetes
import pulumi_random
from pulumi import ResourceOptions
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env
from pydantic import SecretStr

import settings
from components import encryption_key
from components.cert_sync import CertSync, CertSyncArgs
from components.infisical_release import PORT, Chart, InfisicalRelease, InfisicalReleaseArgs, object_name
from components.infisical_secrets import CA_KEY, InfisicalSecrets, InfisicalSecretsArgs
from components.ingress import ClassRoute, ClusterIssuer, GatewayRoute, Ingress, IngressArgs, LetsEncryptIssuer
from components.names import DATABASE_CLUSTER
from components.platform_db import Certificates, PlatformDb, PlatformDbArgs
from components.platform_kv import PlatformKv, PlatformKvArgs, RedisConfig
from components.requirements import Requirements, RequirementsArgs

SECRETS = "infisical-secrets"  # logical name, under which the state has the key that must stay


def main() -> None:
    """Declares the stack."""
    try:
        stack = settings.load(pulumi.get_project(), get_config_env(), get_config_secret_keys_env(), pulumi.get_stack())
        chart = settings.local_copy(stack.infisical.chart, pulumi.get_stack(), Path(__file__).parent)
        environment = settings.environment_of(stack)
        given = {name: value.get_secret_value() for name, value in environment.secret.items()}
        encryption_key.keep(given, SECRETS, replaceable=stack.infisical.replace_encryption_key)
    except (settings.SettingsError, settings.ChartError, encryption_key.KeyChangeError) as error:
        raise pulumi.RunError(str(error)) from None
    cluster, database, certificates, redis, infisical, ingress, jobs = (
        stack.cluster, stack.database, stack.certificates, stack.redis, stack.infisical, stack.ingress, stack.jobs,
    )  # fmt: skip

    kubernetes = pulumi_kubernetes.Provider(
        "kubernetes",
        context=cluster.context,
        kubeconfig=cluster.kubeconfig,
        enable_secret_mutable=True,  # else a changed value deletes the Secret first, and CertSync's key with it
    )
    random = pulumi_random.Provider("random")

    def after(*parts: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(providers=[kubernetes, random], depends_on=list(parts))

    issuer = (
        ClusterIssuer(name=ingress.issuer.name)
        if ingress.issuer.kind == "existing"
        else LetsEncryptIssuer(email=ingress.issuer.email, staging=ingress.issuer.staging)
    )
    route = (
        ClassRoute(class_name=ingress.route.class_name)
        if ingress.route.kind == "ingress"
        else GatewayRoute(name=ingress.route.name, namespace=ingress.route.namespace, listener=ingress.route.listener)
    )
    named = [name for name in (database.storage_class, redis.storage_class) if name]
    requirements = Requirements(
        "requirements", RequirementsArgs(storage_classes=named, issuer=issuer, route=route), after()
    )
    db = PlatformDb(
        "platform-db",
        PlatformDbArgs(
            version=database.version,
            instances=database.instances,
            storage=database.storage,
            storage_class=database.storage_class,
            requests={"cpu": database.cpu_request, "memory": database.memory_request},
            limits={"cpu": database.cpu_limit, "memory": database.memory_limit},
            pooler_instances=database.pooler.instances,
            pooler_mode=database.pooler.mode,
            certificates=Certificates(
                authority_duration=certificates.authority_duration,
                leaf_duration=certificates.leaf_duration,
                leaf_renew_before=certificates.leaf_renew_before,
                extra_names=certificates.extra_names,
            ),
            password=_value(stack.database_password),
            password_rotation=database.password_rotation,
            python_image=jobs.python_image,
            postgres_image=jobs.postgres_image,
            protect=cluster.protect,
        ),
        after(requirements),
    )
    kv = PlatformKv(
        "platform-kv",
        PlatformKvArgs(
            instances=redis.instances,
            sentinels=redis.sentinels,
            quorum=redis.quorum,
            image=redis.image,
            sentinel_image=redis.sentinel_image,
            storage=redis.storage,
            storage_class=redis.storage_class,
            cpu_request=redis.cpu_request,
            memory_limit=redis.memory_limit,
            config=RedisConfig(max_memory_mib=redis.max_memory_mib),
            password=_value(stack.redis_password),
            password_rotation=redis.password_rotation,
            python_image=jobs.python_image,
            protect=cluster.protect,
        ),
        after(requirements),
    )
    secrets = InfisicalSecrets(
        SECRETS,
        InfisicalSecretsArgs(
            environment=environment.plain,
            secrets=given,
            read_replicas=infisical.read_replicas == "cluster",
            database=db,
            redis=kv,
            protect=cluster.protect,
        ),
        after(requirements),
    )
    service = object_name(infisical.chart.flavour)
    cert_sync = CertSync(
        "cert-sync",
        CertSyncArgs(
            authority=db.authority,
            leaf=db.leaf,
            target=secrets.ref,
            target_key=CA_KEY,
            target_uid=secrets.uid,
            endpoints=[db.primary, db.pooler],
            cluster=DATABASE_CLUSTER,
            pooler_instances=database.pooler.instances,
            deployment=service,
            schedule=certificates.sync_schedule,
            python_image=jobs.python_image,
        ),
        after(db, secrets),
    )
    release = InfisicalRelease(
        "infisical",
        InfisicalReleaseArgs(
            chart=Chart(flavour=infisical.chart.flavour, version=infisical.chart.version, path=chart),
            image=infisical.image,
            replicas=infisical.replicas,
            environment=secrets.ref,
            fingerprint=secrets.fingerprint,
            primary_uri=db.uri(db.primary),
            redis=kv,
            python_image=jobs.python_image,
        ),
        after(cert_sync),
    )
    Ingress(
        "ingress",
        IngressArgs(
            namespace=secrets.ref.namespace,
            host=infisical.host,
            service=service,
            port=PORT,
            backend=release,
            issuer=issuer,
            route=route,
        ),
        after(secrets),
    )
    pulumi.export("url", infisical.site_url)


def _value(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


if __name__ == "__main__":
    main()
