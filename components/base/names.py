"""Names that users' clusters already have."""

from __future__ import annotations

DATABASE_NAMESPACE = "platform-db-pg"
REDIS_NAMESPACE = "platform-kv-redis-cluster"
INFISICAL_NAMESPACE = "infisical"
DATABASE_CLUSTER = "platform-db-cluster"
REDIS_REPLICATION = "platform-kv"
INFISICAL_SECRET = "infisical-secrets"


def type_token(component: str) -> str:
    """Return the Pulumi type of a component of this program."""
    return f"infisical-platform:components:{component}"
