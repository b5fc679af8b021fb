"""Names which users' clusters already have, and small types that pass between components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DATABASE_NAMESPACE = "platform-db-pg"
REDIS_NAMESPACE = "platform-kv-redis-cluster"
INFISICAL_NAMESPACE = "infisical"
DATABASE_CLUSTER = "platform-db-cluster"
REDIS_REPLICATION = "platform-kv"
INFISICAL_SECRET = "infisical-secrets"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRef:
    """A Secret of the cluster, by name."""

    namespace: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A TLS server of the database: its full DNS name, which its certificate has to carry."""

    host: str
    role: Literal["primary", "pooler"]
    port: int = 5432


def type_token(component: str) -> str:
    """The Pulumi type of a component of this program."""
    return f"infisical-platform:components:{component}"
