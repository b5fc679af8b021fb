"""Tell which operator an image is of, whatever registry it comes from."""

from __future__ import annotations

# Operators of others whose images are called like ours: Crunchy's for PostgreSQL, Spotahome's for Redis.
_OF_OTHERS = ("crunchydata/postgres-operator", "spotahome/redis-operator")


def operator_of(image: str) -> str:
    """Return the last part of an image's name; empty for an operator of others with the same one."""
    name = image.partition("@")[0]
    if any(f"/{other}" in f"/{name}" for other in _OF_OTHERS):
        return ""
    return name.rpartition("/")[2].partition(":")[0]
