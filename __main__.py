"""Infisical on Kubernetes: settings, providers, then the parts in the order in which they come up."""

import pulumi
import pulumi_kubernetes
import pulumi_random
from pulumi import ResourceOptions
from pulumi.runtime.config import get_config_env

import settings
from components.cert_sync import CertSync, CertSyncArgs
from components.infisical_release import PORT, Chart, InfisicalRelease, InfisicalReleaseArgs, object_name
from components.infisical_secrets import CA_KEY, InfisicalSecrets, InfisicalSecretsArgs
from components.ingress import ClassRoute, ClusterIssuer, GatewayRoute, Ingress, IngressArgs, LetsEncryptIssuer
from components.platform_db import CLUSTER, PlatformDb, PlatformDbArgs
from components.platform_kv import PlatformKv, PlatformKvArgs, RedisConfig


def main() -> None:
    """Declares the stack."""
    try:
        stack = settings.load(pulumi.get_project(), get_config_env())
    except settings.SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    cluster, database, redis, infisical, ingress, jobs = (
        stack.cluster, stack.database, stack.redis, stack.infisical, stack.ingress, stack.jobs,
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
            python_image=jobs.python_image,
            postgres_image=jobs.postgres_image,
            protect=cluster.protect,
        ),
        after(),
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
            python_image=jobs.python_image,
            protect=cluster.protect,
        ),
        after(),
    )
    secrets = InfisicalSecrets(
        "infisical-secrets",
        InfisicalSecretsArgs(
            site_url=infisical.site_url,
            https=infisical.https,
            cors_allowed_origins=infisical.cors_allowed_origins,
            read_replicas=infisical.read_replicas,
            telemetry=infisical.telemetry,
            database=db,
            redis=kv,
            protect=cluster.protect,
        ),
        after(),
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
            cluster=CLUSTER,
            pooler_instances=database.pooler.instances,
            deployment=service,
            python_image=jobs.python_image,
        ),
        after(db, secrets),
    )
    release = InfisicalRelease(
        "infisical",
        InfisicalReleaseArgs(
            chart=Chart(
                flavour=infisical.chart.flavour,
                version=infisical.chart.version,
                repository=infisical.chart.repository,
                path=infisical.chart.path,
            ),
            image=infisical.image,
            replicas=infisical.replicas,
            environment=secrets.ref,
            fingerprint=secrets.fingerprint,
            primary_uri=db.uri(db.primary),
            python_image=jobs.python_image,
        ),
        after(cert_sync, db, kv),
    )
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
    Ingress(
        "ingress",
        IngressArgs(
            namespace=secrets.ref.namespace,
            host=infisical.host,
            service=service,
            port=PORT,
            issuer=issuer,
            route=route,
        ),
        after(release),
    )
    pulumi.export("url", infisical.site_url)


if __name__ == "__main__":
    main()
