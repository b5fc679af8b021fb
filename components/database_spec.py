"""Write what the Zalando operator is asked for: the spec of a `postgresql` resource."""

from __future__ import annotations

from settings.database import DatabaseSettings, PoolerSettings
from settings.resources import resources_of

_SPILO_GROUP = 103  # Spilo runs PostgreSQL with this group, which must be able to read the key's file


def cluster_spec(settings: DatabaseSettings, *, role: str, name: str, leaf: str) -> dict[str, object]:
    """Return a cluster whose servers and pooler serve the certificate in `leaf`, with `name` and what others have."""
    shared = settings.shared
    volume = {"size": settings.storage} | ({"storageClass": settings.storage_class} if settings.storage_class else {})
    return {
        "teamId": "platform-db",
        "postgresql": {"version": settings.version} | ({"parameters": shared.parameters} if shared.parameters else {}),
        "numberOfInstances": settings.instances,
        "volume": volume,
        # Without it the primary steps down as soon as the API server is away, though every server sees every other.
        "patroni": {"failsafe_mode": True} | ({"synchronous_mode": True} if settings.synchronous else {}),
        "resources": resources_of(settings),
        "users": {role: [], **{user: [*flags] for user, flags in shared.users.items()}},
        "databases": {name: role, **shared.databases},
        "enableConnectionPooler": True,
        "connectionPooler": _pooler(settings.pooler),
        # Unset means the operator's default, which may be a load balancer and a public DNS name.
        "enableMasterLoadBalancer": False,
        "enableReplicaLoadBalancer": False,
        "enableMasterPoolerLoadBalancer": False,
        "enableReplicaPoolerLoadBalancer": False,
        "spiloFSGroup": _SPILO_GROUP,
        "tls": {"secretName": leaf, "caFile": "ca.crt"},
        **({"nodeAffinity": settings.affinity.manifest} if settings.affinity else {}),
    }


def _pooler(pooler: PoolerSettings) -> dict[str, object]:
    resources = resources_of(pooler)
    return {
        "numberOfInstances": pooler.instances,
        "mode": pooler.mode,
        **({"resources": resources} if resources else {}),
    }
