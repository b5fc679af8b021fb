"""Settings of where pods run with a different value, and the pods that each changes."""

from __future__ import annotations

from tests.unit.changes import INFISICAL_PODS, NAMESPACES, change

TOLERATED = {"key": "a", "operator": "Exists", "effect": "NoExecute"}
CREDENTIALS = '{"auths": {"registry.example.org": {"auth": "dTpw"}}}'
_JOBS = "cert-sync infisical-gate infisical-migration platform-db-gate-operator platform-db-gate-login platform-kv-gate"
JOBS = "CronJob/cert-sync-schedule " + " ".join(
    f"Job/{job}" for job in f"{_JOBS} bootstrap secrets-operator-gate".split()
)
REDIS_PODS = "RedisReplication/platform-kv-replication RedisSentinel/platform-kv-sentinel"
PODS = f"{JOBS} DeploymentPatch/infisical-pods {REDIS_PODS}"
PLACED = f"{PODS} Release/secrets-operator postgresql/platform-db-cluster Issuer/ingress-issuer"
_PARTS = ("infisical", "platform-db", "platform-kv", "secrets-operator")
PULLING = f"{PODS} Release/secrets-operator Issuer/ingress-issuer PullSecrets/pull-secrets " + " ".join(
    ("ServiceAccountPatch/pull-secrets-postgres-pod", *(f"Secret/pull-secrets-{part}" for part in _PARTS))
)

PLACES = (
    change("pods.tolerations.key", None, PLACED, "infra", pods={"tolerations": [{"key": "infra", "value": "x"}]}),
    change("pods.tolerations.value", None, PLACED, "for-it", pods={"tolerations": [{"key": "a", "value": "for-it"}]}),
    change("pods.tolerations.operator", None, PLACED, "Exists", pods={"tolerations": [{"operator": "Exists"}]}),
    change("pods.tolerations.effect", None, PLACED, "NoExecute", pods={"tolerations": [TOLERATED]}),
    change("pods.nodeSelector", {"disk": "ssd"}, PLACED, "ssd"),
    change("pods.priorityClassName", "urgent", PLACED.replace("Release/secrets-operator ", "")),
    change("pods.labels", {"cost": "security"}, f"{JOBS} DeploymentPatch/infisical-pods", "security"),
    change("pods.spread", "required", PODS, "DoNotSchedule"),
    change("pods.podSecurity", "restricted", f"{JOBS} {INFISICAL_PODS} {REDIS_PODS} {NAMESPACES}", "baseline"),
    change("registryCredentials", CREDENTIALS, PULLING, CREDENTIALS),
)
