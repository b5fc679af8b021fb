"""Settings of where pods run, and with what, with a different value, and the pods that each changes."""

from __future__ import annotations

from typing import Any

from tests.unit.changes import (
    CERT_SYNC,
    DATABASE,
    ENVIRONMENT,
    INFISICAL_PODS,
    NAMESPACES,
    REDIS_GATES,
    RELEASE,
    REPLICATION,
    SENTINEL,
    change,
)

TOLERATED = {"key": "a", "operator": "Exists", "effect": "NoExecute"}
CREDENTIALS = '{"auths": {"registry.example.org": {"auth": "dTpw"}}}'
_JOBS = "cert-sync infisical-gate infisical-migration platform-db-gate-operator platform-db-gate-login"
_REDIS_JOBS = "platform-kv-handover platform-kv-servers platform-kv-gate"
_OTHERS = "bootstrap ingress-issued ingress-gate secrets-operator-gate"
_APPLICATIONS = "application-secrets secret-delivery-free secret-delivery-gate operator-canary"
JOBS = "CronJob/cert-sync-schedule CronJob/infisical-drift-schedule " + " ".join(
    f"Job/{job}" for job in f"{_JOBS} {_REDIS_JOBS} {_APPLICATIONS} {_OTHERS}".split()
)
REDIS_PODS = "RedisReplication/platform-kv-replication RedisSentinel/platform-kv-sentinel"
PODS = f"{JOBS} DeploymentPatch/infisical-pods {REDIS_PODS}"
PLACED = f"{PODS} Release/secrets-operator postgresql/platform-db-cluster Issuer/ingress-issuer"
_PARTS = ("infisical", "platform-db", "platform-kv", "secrets-operator")
PULLING = f"{PODS} Release/secrets-operator Issuer/ingress-issuer PullSecrets/pull-secrets " + " ".join(
    ("ServiceAccountPatch/pull-secrets-postgres-pod", *(f"Secret/pull-secrets-{part}" for part in _PARTS))
)


def affinity(key: str) -> dict[str, Any]:
    """Return one that names the label `key` of nodes."""
    term = {"matchExpressions": [{"key": key, "operator": "Exists"}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


PLACES = (
    change("jobs.affinity", affinity("for-jobs"), JOBS, "for-jobs"),
    change("infisical.affinity", affinity("for-servers"), INFISICAL_PODS, "for-servers"),
    change("database.affinity", affinity("for-databases"), DATABASE, "for-databases"),
    change("redis.affinity", affinity("for-redis"), f"{REPLICATION} {SENTINEL}", "for-redis"),
    change("redis.sentinel.affinity", affinity("for-sentinels"), SENTINEL, "for-sentinels"),
    change("database.deadlineMinutes", 11, "Job/platform-db-gate-operator Job/platform-db-gate-login", "660"),
    change("redis.deadlineMinutes", 12, REDIS_GATES, None),
    change("infisical.deadlineMinutes", 17, "Job/infisical-gate", None),
    change("certificates.deadlineMinutes", 13, CERT_SYNC, None),
    change("organization.deadlineMinutes", 14, "Job/bootstrap", None),
    change("secretsOperator.deadlineMinutes", 18, "Job/secrets-operator-gate", None),
    change("pods.tolerations.key", None, PLACED, "infra", pods={"tolerations": [{"key": "infra", "value": "x"}]}),
    change("pods.tolerations.value", None, PLACED, "for-it", pods={"tolerations": [{"key": "a", "value": "for-it"}]}),
    change("pods.tolerations.operator", None, PLACED, "Exists", pods={"tolerations": [{"operator": "Exists"}]}),
    change("pods.tolerations.effect", None, PLACED, "NoExecute", pods={"tolerations": [TOLERATED]}),
    change("pods.nodeSelector", {"disk": "ssd"}, PLACED, "ssd"),
    change("pods.priorityClassName", "urgent", PLACED.replace("Release/secrets-operator ", "")),
    change("pods.labels", {"cost": "security"}, f"{JOBS} DeploymentPatch/infisical-pods", "security"),
    change("pods.spread", "required", PODS, "DoNotSchedule"),
    change("pods.podSecurity", "restricted", f"{JOBS} {INFISICAL_PODS} {REDIS_PODS} {NAMESPACES}", "baseline"),
    change("jobs.cpuRequest", "11m", JOBS),
    change("jobs.cpuLimit", "333m", JOBS),
    change("jobs.memoryRequest", "33Mi", JOBS),
    change("jobs.memoryLimit", "511Mi", JOBS.replace("Job/infisical-migration ", "")),
    change("jobs.startMinutes", 9, JOBS, None),
    change("infisical.cpuRequest", "351m", RELEASE),
    change("infisical.cpuLimit", "3", RELEASE),
    change("infisical.memoryRequest", "769Mi", RELEASE),
    change("infisical.memoryLimit", "3000Mi", f"{ENVIRONMENT} {RELEASE}", "--max-old-space-size=2250"),
    change("database.pooler.cpuRequest", "252m", DATABASE),
    change("database.pooler.cpuLimit", "1252m", DATABASE),
    change("database.pooler.memoryRequest", "102Mi", DATABASE),
    change("database.pooler.memoryLimit", "103Mi", DATABASE),
    change("redis.cpuLimit", "1111m", f"{REPLICATION} {SENTINEL}"),
    change("redis.memoryRequest", "65Mi", f"{REPLICATION} {SENTINEL}"),
    change("redis.sentinel.cpuRequest", "112m", SENTINEL),
    change("redis.sentinel.cpuLimit", "1112m", SENTINEL),
    change("redis.sentinel.memoryRequest", "66Mi", SENTINEL),
    change("redis.sentinel.memoryLimit", "515Mi", SENTINEL),
    change("registryCredentials", CREDENTIALS, PULLING, CREDENTIALS),
)
