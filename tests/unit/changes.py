"""Every setting with a different value, and what this changes. `test_every_setting` holds the program to it."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.jobs.job_pki import authority

Config = dict[str, Any]
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
CORPORATE = authority("Corp Root").pem
REPLICA = {"uri": "postgresql://u:p@replica.example.org/infisical", "authority": PEM.format("AAAA")}
WHOLE: Config = {
    "databaseReadReplicas": [REPLICA],
    "encryptionKey": "0" * 32,
    "mail": {"port": 2525},
    "database": {"instances": 3, "storageClass": "large"},
    "redis": {"storageClass": "fast"},
    "infisical": {"chart": {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"}},
    "organization": {"name": "dog", "admin": "ops@example.org", "machineAuth": "universal"},
    "secretsOperator": {"chart": {"path": "embedded/charts/secrets-operator"}},
    "ingress": {
        "issuer": {"kind": "letsEncrypt", "email": "a@example.net"},
        "route": {"kind": "ingress", "className": "nginx"},
    },
}
STANDALONE = {
    "flavour": "infisical-standalone",
    "version": "1.10.0",
    "path": "embedded/charts/infisical-standalone",
}
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"
GATEWAY: Config = {
    "ingress": {
        "issuer": {"kind": "existing", "name": "ca"},
        "route": {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"},
    }
}
OTHER_AUTHORITY = base64.b64encode(PEM.format("BBBB").encode()).decode()

RELEASE = "Release/infisical Job/infisical-gate"
INFISICAL_PODS = "DeploymentPatch/infisical-pods Job/infisical-gate"
ENVIRONMENT = f"Secret/infisical-secrets {RELEASE}"
CANARY = "InfisicalStaticSecret/secret-delivery-infisical-secrets-operator-operator-canary"
PROVISIONING = "Job/application-secrets CronJob/infisical-drift-schedule"
OPERATOR = "Release/secrets-operator Job/secrets-operator-gate Job/operator-canary"
DATABASE = "postgresql/platform-db-cluster Job/platform-db-gate-operator Job/platform-db-gate-login"
REDIS_GATES = "Job/platform-kv-handover Job/platform-kv-servers Job/platform-kv-gate"
REPLICATION = f"RedisReplication/platform-kv-replication {REDIS_GATES}"
SENTINEL = f"RedisSentinel/platform-kv-sentinel Job/platform-kv-gate {INFISICAL_PODS}"
CERT_SYNC = "Job/cert-sync CronJob/cert-sync-schedule"
PASSWORDS = f"{ENVIRONMENT} Secret/infisical-migration-uri Secret/platform-db-credentials Secret/platform-db-gate-login"
ROTATION = (  # before the Secret changes, every running Redis learns the new password
    "Gate/platform-kv-rotation Job/platform-kv-rotation ConfigMap/platform-kv-rotation-scripts "
    "ServiceAccount/platform-kv-rotation Role/platform-kv-rotation RoleBinding/platform-kv-rotation "
    "RandomPassword/platform-kv-password"
)
REDIS_SECRETS = "Secret/platform-kv-auth Secret/platform-kv-gate-login"
NAMESPACES = "Namespace/infisical-secrets-namespace Namespace/platform-db-namespace Namespace/platform-kv-namespace"
KEPT = (
    f"{NAMESPACES} RandomPassword/bootstrap-admin-password Secret/bootstrap-kept "
    "RandomPassword/infisical-secrets-auth-secret RandomPassword/infisical-secrets-cookie-secret "
    "RandomPassword/infisical-secrets-encryption-key RedisReplication/platform-kv-replication Secret/infisical-secrets "
    f"Secret/platform-db-credentials Secret/platform-kv-auth postgresql/platform-db-cluster {CANARY}"
)


@dataclass(frozen=True)
class Change:
    """A setting, a different value of it, and the resources that change by it, as Kind/name."""

    key: str
    value: Any
    changed: frozenset[str]
    shown: str | None  # what one of those resources then says; None where the value does not reach the graph as it is
    beside: Config  # what else has to change, or the stack would be refused

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    def is_apart_from(self, other: Change) -> bool:
        """Return whether what one changes can't be taken for what the other changes."""
        names = self.key.rpartition(".")[2], other.key.rpartition(".")[2]
        return self.section != other.section and names[0] != names[1] and not self.changed & other.changed

    def apply(self, config: Config) -> None:
        if self.value is not None:
            put(config, self.key, self.value)
        config.update(copy.deepcopy(self.beside))


def put(config: Config, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = copy.deepcopy(value)


def change(key: str, value: Any, changed: str, shown: str | None = "", **beside: Any) -> Change:
    """Return a Change. `changed` is a list in words; `shown` is the value itself, unless it says otherwise."""
    return Change(key, value, frozenset(changed.split()), str(value) if shown == "" else shown, beside)


CHANGES = (
    change("cluster.context", "another", "kubernetes/kubernetes"),
    change("cluster.kubeconfig", "/a/config", "kubernetes/kubernetes"),
    change("cluster.protect", False, KEPT, None),
    change(
        "jobs.pythonImage",
        "p:1",
        f"{CERT_SYNC} Job/bootstrap Job/infisical-gate Job/ingress-issued Job/ingress-gate "
        "Job/platform-db-gate-operator Job/secrets-operator-gate "
        f"{REDIS_GATES} Job/operator-canary Job/secret-delivery-free Job/secret-delivery-gate {PROVISIONING}",
    ),
    change("jobs.postgresImage", "p:2", "Job/platform-db-gate-login"),
    # the database
    change("database.version", "16", DATABASE),
    change("database.instances", 4, DATABASE),
    change("database.synchronous", True, DATABASE),
    change("database.storage", "21Gi", DATABASE),
    change("database.storageClass", "larger", DATABASE),
    change("database.cpuRequest", "251m", DATABASE),
    change("database.cpuLimit", "2500m", DATABASE),
    change("database.memoryRequest", "513Mi", DATABASE),
    change("database.memoryLimit", "2049Mi", DATABASE),
    change("database.pooler.instances", 5, DATABASE),
    change("database.pooler.mode", "session", DATABASE),
    change("database.passwordRotation", 2, "RandomPassword/platform-db-password"),
    change("databasePassword", "d" * 20, f"{PASSWORDS} RandomPassword/platform-db-password"),
    # Redis
    change("redis.instances", 4, REPLICATION),
    change("redis.sentinels", 5, SENTINEL),
    change("redis.quorum", 3, SENTINEL),
    change("redis.image", "redis:7.0.16", REPLICATION),
    change("redis.sentinelImage", "sentinel:7.0.17", SENTINEL),
    change("redis.storage", "3Gi", REPLICATION),
    change("redis.storageClass", "faster", REPLICATION),
    change("redis.cpuRequest", "111m", f"{REPLICATION} {SENTINEL}"),
    change("redis.memoryLimit", "514Mi", f"{REPLICATION} {SENTINEL}"),
    change("redis.maxMemoryMib", 300, f"{REPLICATION} ConfigMap/platform-kv-config", "maxmemory 300mb"),
    change("redis.passwordRotation", 3, ROTATION),
    change("redisPassword", "r" * 20, f"{ENVIRONMENT} {ROTATION} {REDIS_SECRETS}"),
    # certificates
    change("certificates.authorityDuration", "80000h", "Certificate/platform-db-authority"),
    change("certificates.leafDuration", "2000h", "Certificate/platform-db-leaf"),
    change("certificates.leafRenewBefore", "700h", "Certificate/platform-db-leaf"),
    change("certificates.extraNames", ["db.example.org"], "Certificate/platform-db-leaf", "db.example.org"),
    change("certificates.syncSchedule", "7 * * * *", "CronJob/cert-sync-schedule"),
    # Infisical
    change(
        "infisical.siteUrl",
        "https://a.example.net",
        f"{ENVIRONMENT} Certificate/ingress-certificate Job/ingress-issued Ingress/ingress-route Job/ingress-gate",
    ),
    change("infisical.image", "i:v1.2.3", f"{RELEASE} Job/infisical-migration Job/operator-canary", "v1.2.3"),
    change("infisical.replicas", 7, RELEASE),
    change("infisical.drainSeconds", 13, INFISICAL_PODS),
    change(
        "infisical.authorities", CORPORATE, f"{INFISICAL_PODS} ConfigMap/infisical-authorities", "NODE_EXTRA_CA_CERTS"
    ),
    change("infisical.migration.deadlineMinutes", 70, "Job/infisical-migration", None),
    change("infisical.migration.memoryLimit", "3Gi", "Job/infisical-migration"),
    change(
        "infisical.chart.flavour",
        None,
        f"{RELEASE} {INFISICAL_PODS} PodDisruptionBudget/infisical-budget {CERT_SYNC} {OPERATOR} "
        "Ingress/ingress-route Job/ingress-gate Job/bootstrap Role/cert-sync-target Role/infisical-gate "
        f"{PROVISIONING} InfisicalConnection/secret-delivery-connection",
        "standalone",
        infisical={"chart": STANDALONE},
    ),
    change("infisical.chart.version", "0.4.1", "Job/infisical-gate", None),
    change("infisical.chart.path", "./embedded/charts/infisical", RELEASE),
    change(
        "infisical.readReplicas",
        "cluster",
        f"{ENVIRONMENT} NetworkPolicy/platform-db-policies-database NetworkPolicy/infisical-secrets-policies-infisical",
        "platform-db-cluster-repl",
        databaseReadReplicas=[],
    ),
    change("infisical.replaceEncryptionKey", "0" * 32, "", None),
    # the first organisation
    change("organization.name", "cat", "Job/bootstrap", None),
    change("organization.admin", "a@example.org", "Job/bootstrap Secret/bootstrap-admin", None),
    change(
        "organization.machineAuth",
        "kubernetes",
        f"{ENVIRONMENT} Job/bootstrap ClusterRole/infisical-provisioner-token-review "
        "ClusterRoleBinding/infisical-provisioner-token-review ClusterRole/infisical-operator-canary-token-review "
        "ClusterRoleBinding/infisical-operator-canary-token-review InfisicalAuth/secret-delivery-auth-operator-canary "
        f"{PROVISIONING} {CANARY} Job/secret-delivery-gate Job/operator-canary",
        None,
    ),
    change("adminPassword", "correct horse battery", "Secret/bootstrap-admin"),
    change("organizationToken", "a.b.c", "Job/bootstrap Secret/bootstrap-admin"),
    # what only Infisical reads, and makes no variable by itself
    change(
        "databaseReadReplicas.uri",
        None,
        ENVIRONMENT,
        "two.example.org",
        databaseReadReplicas=[REPLICA | {"uri": "postgresql://u:p@two.example.org/i"}],
    ),
    change(
        "databaseReadReplicas.authority",
        None,
        ENVIRONMENT,
        OTHER_AUTHORITY,
        databaseReadReplicas=[REPLICA | {"authority": PEM.format("BBBB")}],
    ),
    change("mail.tls", "opportunistic", ENVIRONMENT, "false"),
    change("mail.verify", False, ENVIRONMENT, "false"),
)

# Setting to a different value and the variable as Infisical then reads it. They change what ENVIRONMENT says.
VARIABLES: Mapping[str, tuple[Any, str, str]] = {
    "infisical.corsAllowedOrigins": (["https://b.org"], "CORS_ALLOWED_ORIGINS", '["https://b.org"]'),
    "infisical.pools.min": (1, "DB_POOL_MIN", "1"),
    "infisical.pools.max": (12, "DB_POOL_MAX", "12"),
    "infisical.pools.replicaMin": (3, "DB_REPLICA_POOL_MIN", "3"),
    "infisical.pools.replicaMax": (14, "DB_REPLICA_POOL_MAX", "14"),
    "infisical.pools.auditLogsMin": (5, "AUDIT_LOGS_DB_POOL_MIN", "5"),
    "infisical.pools.auditLogsMax": (16, "AUDIT_LOGS_DB_POOL_MAX", "16"),
    "infisical.ipv6": (True, "HOST", "::"),
    "ingress.trustedProxies": (
        ["10.1.0.0/16", "2001:db8::7/128"],
        "TRUSTED_PROXY_CIDRS",
        "10.1.0.0/16,2001:db8::7/128",
    ),
    "infisical.telemetry": (True, "TELEMETRY_ENABLED", "true"),
    "infisical.allowInternalIpConnections": (True, "ALLOW_INTERNAL_IP_CONNECTIONS", "true"),
    "mail.host": ("smtp.example.net", "SMTP_HOST", "smtp.example.net"),
    "mail.port": (2526, "SMTP_PORT", "2526"),
    "mail.username": ("somebody", "SMTP_USERNAME", "somebody"),
    "mail.fromAddress": ("from@example.net", "SMTP_FROM_ADDRESS", "from@example.net"),
    "mail.fromName": ("Keys", "SMTP_FROM_NAME", "Keys"),
    "mail.authority": (
        PEM.format("BBBB"),
        "SMTP_CUSTOM_CA_CERT",
        base64.b64encode(PEM.format("BBBB").encode()).decode(),
    ),
    "smtpPassword": ("s" * 9, "SMTP_PASSWORD", "s" * 9),
    "signOn.github.clientId": ("Iv9", "CLIENT_ID_GITHUB_LOGIN", "Iv9"),
    "githubLoginClientSecret": ("g" * 9, "CLIENT_SECRET_GITHUB_LOGIN", "g" * 9),
    "signOn.saml.defaultOrganization": ("acme-x1", "DEFAULT_SAML_ORG_SLUG", "acme-x1"),
    "signOn.saml.configured": (True, "DEFAULT_SAML_ORG_SLUG", "acme-x1"),
    "integrations.githubApp.clientId": ("Iv8", "INF_APP_CONNECTION_GITHUB_APP_CLIENT_ID", "Iv8"),
    "integrations.githubApp.slug": ("acme", "INF_APP_CONNECTION_GITHUB_APP_SLUG", "acme"),
    "integrations.githubApp.id": (8, "INF_APP_CONNECTION_GITHUB_APP_ID", "8"),
    "githubAppClientSecret": ("h" * 9, "INF_APP_CONNECTION_GITHUB_APP_CLIENT_SECRET", "h" * 9),
    "githubAppPrivateKey": (PRIVATE_KEY, "INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY", PRIVATE_KEY),
    "integrations.aws.accessKeyId": ("A" * 20, "INF_APP_CONNECTION_AWS_ACCESS_KEY_ID", "A" * 20),
    "awsSecretAccessKey": ("w" * 9, "INF_APP_CONNECTION_AWS_SECRET_ACCESS_KEY", "w" * 9),
    "encryptionKey": ("e" * 32, "ENCRYPTION_KEY", "e" * 32),
    "rootEncryptionKey": ("A" * 43 + "=", "ROOT_ENCRYPTION_KEY", "A" * 43 + "="),
    "authSecret": ("a" * 40, "AUTH_SECRET", "a" * 40),
    "cookieSecret": ("c" * 40, "COOKIE_SECRET_SIGN_KEY", "c" * 40),
    "extraEnvironment": ({"SALT_ROUNDS": "12"}, "SALT_ROUNDS", "12"),
    "extraSecrets": ({"LICENSE_KEY": "l" * 9}, "LICENSE_KEY", "l" * 9),
}
# What no resource has to know: who reads it, and which test says so.
ELSEWHERE = {
    "cluster.stackId": "tests/unit/test_stack_identity.py",
    "generatedValues": "tests/unit/test_application_secrets.py",
    "cluster.namePrefix": "changes nearly everything: tests/unit/test_names.py",
    "pods.registry": "settings/machinery/mirror.py, tests/unit/test_placement.py",
    "applications.secrets.initial.encoding": "refused, tests/unit/test_application_settings.py",
    "infisical.chart.digest": "settings.local_copy, tests/unit/test_chart_copy.py",
    "secretsOperator.chart.digest": "settings.local_copy, tests/tools/charts/test_two_charts.py",
    "secretsOperator.chart.repository": "make charts, tests/tools/charts/test_two_charts.py",
    "secretsOperator.chart.version": "settings.local_copy: a chart of a different version has a different digest",
    "secretsOperator.refreshSeconds": "tests/unit/test_secret_delivery.py: custom resources of a delivery",
    **dict.fromkeys(
        (f"operators.{each}" for each in ("postgres", "redis", "certManager")), "tests/unit/test_cluster_operators.py"
    ),
    **dict.fromkeys(
        (
            f"operators.{each}Chart.{key}"
            for each in ("postgres", "redis", "certManager")
            for key in ("version", "digest", "repository")
        ),
        "settings.local_copy and make charts, as of any chart: tests/tools/charts/test_two_charts.py",
    ),
    "secretsOperator.kind": "tests/unit/test_secrets_operator.py: nothing is installed",
    "networkPolicies.operators.externalSecrets": "tests/unit/test_network_policies.py: with secretsOperator.kind",
    **dict.fromkeys(
        ("escrow.date", "escrow.keyLabel", "escrow.passphraseLabel", "escrow.archive"),
        "make doctor, tests/tools/doctor/test_escrow.py",
    ),
    **dict.fromkeys(("database.recover.archive", "database.recover.time"), "tests/unit/test_wal_archive.py"),
    "infisical.chart.repository": "make charts, tests/tools/charts/test_repository.py",
}
