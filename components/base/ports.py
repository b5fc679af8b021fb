"""Ports at which the platform's servers listen, and those that others are known to listen at."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

INFISICAL_PORT = 8080
POSTGRES_PORT = 5432  # of PgBouncer too
PATRONI_PORT = 8008
REDIS_PORT = 6379
SENTINEL_PORT = 26379
# Where each part has its metrics. Patroni's own are at the port of its API.
METRICS_PORTS: Mapping[str, tuple[int, ...]] = {
    "infisical": (9464,),
    "database": (PATRONI_PORT, 9187),
    "pooler": (9127,),
    "redis": (9121,),
    "sentinel": (9121,),
}
ACME_SOLVER_PORT = 8089  # of the pods that cert-manager makes for a challenge by HTTP-01
HTTPS_PORT = 443
DNS_PORTS = (53, 5353)  # OpenShift's DNS pods listen on the second
LDAP_PORTS = (389, 636)
_BY_SCHEME: Mapping[str, int] = {
    "http": 80,
    "https": HTTPS_PORT,
    "postgres": POSTGRES_PORT,
    "postgresql": POSTGRES_PORT,
    "redis": REDIS_PORT,
    "rediss": REDIS_PORT,
}


def port_of(address: str) -> int | None:
    """Return the port of an address with a scheme, None for anything else."""
    try:
        parts = urlsplit(address)
        return (parts.port or _BY_SCHEME.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None
