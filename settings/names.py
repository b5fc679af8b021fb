"""Name what a stack has in its cluster. A prefix lets several stacks share one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a stack's namespaces, and of all else that a cluster has only one of."""

    prefix: str = ""

    def own(self, name: str) -> str:
        """Return a name as this stack has it in the cluster."""
        return f"{self.prefix}-{name}" if self.prefix else name

    @property
    def database(self) -> str:
        """Return the namespace of PostgreSQL and of its pooler."""
        return self.own("platform-db-pg")

    @property
    def redis(self) -> str:
        """Return the namespace of Redis and of the Sentinels."""
        return self.own("platform-kv-redis-cluster")

    @property
    def infisical(self) -> str:
        """Return the namespace of Infisical."""
        return self.own("infisical")

    @property
    def namespaces(self) -> tuple[str, str, str]:
        """Return the three namespaces that every stack has."""
        return self.infisical, self.database, self.redis
