"""The pods that tests of NetworkPolicies know, with the labels that charts, operators and Kubernetes give them."""

from __future__ import annotations

from tests.unit.network import Pod

INFISICAL_NS, DATABASE_NS, REDIS_NS = "infisical", "platform-db-pg", "platform-kv-redis-cluster"


def job(name: str, namespace: str) -> Pod:
    return Pod(namespace, {"infisical-platform/job": name})


INFISICAL = Pod(INFISICAL_NS, {"component": "infisical", "app": "infisical-standalone", "release": "infisical"})
OLD_CHART = Pod(INFISICAL_NS, {"component": "backend", "app": "infisical", "release": "infisical"})
# As operators label them. The pooler's Service follows the primary, and its pods say so as well.
_CLUSTER = {"cluster-name": "platform-db-cluster", "team": "platform-db"}
DATABASE = Pod(DATABASE_NS, {"application": "spilo", "spilo-role": "master", **_CLUSTER})
REPLICA = Pod(DATABASE_NS, {"application": "spilo", "spilo-role": "replica", **_CLUSTER})
STARTING = Pod(DATABASE_NS, {"application": "anything", **_CLUSTER})  # its role comes later, from the API server
MEMBERS = (DATABASE, REPLICA, STARTING)
POOLER = Pod(
    DATABASE_NS,
    {
        "application": "db-connection-pooler",
        "connection-pooler": "platform-db-cluster-pooler",
        "spilo-role": "master",
        **_CLUSTER,
    },
)
REDIS = Pod(REDIS_NS, {"app": "platform-kv", "redis_setup_type": "replication", "role": "replication"})
SENTINEL = Pod(REDIS_NS, {"app": "platform-kv-sentinel-sentinel", "redis_setup_type": "sentinel", "role": "sentinel"})
SOLVER = Pod(INFISICAL_NS, {"acme.cert-manager.io/http01-solver": "true"})
DATABASE_READY = job("platform-db-gate-operator", DATABASE_NS)
DATABASE_LOGIN = job("platform-db-gate-login", DATABASE_NS)
CERT_SYNC = job("cert-sync", DATABASE_NS)
REDIS_ROLLED = job("platform-kv-servers", REDIS_NS)
ASKING_REDIS = tuple(job(f"platform-kv-{name}", REDIS_NS) for name in ("gate", "rotation", "handover"))
MIGRATION = job("infisical-migration", INFISICAL_NS)
INFISICAL_READY = job("infisical-gate", INFISICAL_NS)
ROUTE_MOVED = job("ingress-moved", INFISICAL_NS)
ISSUED = job("ingress-issued", INFISICAL_NS)
POSTGRES_OPERATOR = Pod("postgres-operator", {"name": "postgres-operator"})
REDIS_OPERATOR = Pod("redis-operator", {"control-plane": "redis-operator"})
CONTROLLER = Pod("ingress", {"app": "traefik"})
RESOLVER = Pod("kube-system", {"k8s-app": "kube-dns"})
STRANGERS = (
    Pod("default"),
    Pod("other", dict(INFISICAL.labels)),  # with the labels of ours
    Pod("other", dict(CERT_SYNC.labels)),
    *(Pod(namespace) for namespace in (INFISICAL_NS, DATABASE_NS, REDIS_NS)),  # made by somebody inside
    Pod("ingress", {"app": "another"}),
    Pod("kube-system", {"app": "another"}),
)
IN_INFISICAL = (MIGRATION, INFISICAL_READY, ISSUED, ROUTE_MOVED)
JOBS = (DATABASE_READY, DATABASE_LOGIN, CERT_SYNC, REDIS_ROLLED, *ASKING_REDIS, *IN_INFISICAL)
OWN = (INFISICAL, OLD_CHART, *MEMBERS, POOLER, REDIS, SENTINEL, SOLVER, *JOBS)
PODS = (*OWN, POSTGRES_OPERATOR, REDIS_OPERATOR, CONTROLLER, RESOLVER, *STRANGERS)
