"""Name the Services that the Zalando operator makes for a cluster."""

from __future__ import annotations

from components.base.names import DATABASE_CLUSTER

_SUFFIXES = ("", "-repl", "-pooler", "-pooler-repl")


def host(suffix: str, namespace: str) -> str:
    """Return the name by which pods anywhere reach a Service, whatever the cluster's domain is."""
    return f"{DATABASE_CLUSTER}{suffix}.{namespace}.svc"


def dns_names(namespace: str) -> list[str]:
    """Return every name by which a client may verify one of the Services. The long ones are those of before D50."""
    return [
        name
        for suffix in _SUFFIXES
        for short in [f"{DATABASE_CLUSTER}{suffix}"]
        for full in [host(suffix, namespace)]
        for name in (short, f"{short}.{namespace}", full, f"{full}.cluster.local")
    ]
