"""Databases that somebody else runs: a managed PostgreSQL, a managed Redis or one under Sentinels of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Discriminator, Field, Tag, model_validator

from settings.database import DatabaseSettings
from settings.machinery.broken_rule import broken_rule
from settings.machinery.types import AuthoritiesPem, HostName, HostPort, Line, PostgresName, Section
from settings.redis import RedisSettings

_Port = Annotated[int, Field(ge=1, le=65535)]


class ExternalDatabase(Section):
    """A PostgreSQL outside of the stack. Its password is the encrypted key databasePassword."""

    kind: Literal["external"] = Field(default="external", description="The stack only logs in to it.")
    host: HostName = Field(
        description="Name of the server itself, which its certificate carries. Migrations change settings of their "
        "session, so it must not be that of a pooler in transaction mode."
    )
    port: _Port = Field(default=5432, description="Port of the server. NetworkPolicies open it.")
    name: PostgresName = Field(default="infisical", description="Name of the database, which Infisical has for itself.")
    user: PostgresName = Field(
        default="infisical_user", description="Role that logs in. It owns the database, or may create schemas in it."
    )
    authority: AuthoritiesPem = Field(
        description="PEM of the authority that signed the server's certificate, as the provider publishes it. A public "
        "one is named, too: no release of Infisical verifies a database against Node's own list by default."
    )
    moved_from: Line | None = Field(
        default=None,
        description="Where the data was before it was copied to this server, as host:port/name. A stack that has data "
        "is led to another database only with it, and only where Infisical's tables are there: on an empty one "
        "Infisical would begin anew, and belong to whoever signs up first.",
    )

    @property
    def address(self) -> str:
        """Return where the database is, as host:port/name."""
        return f"{self.host}:{self.port}/{self.name}"


class ExternalRedis(Section):
    """A Redis outside of the stack. Its password is the encrypted key redisPassword."""

    kind: Literal["external"] = Field(default="external", description="The stack only logs in to it.")
    host: HostName | None = Field(
        default=None, description="Name of the server, which its certificate carries. It is for Infisical alone."
    )
    port: _Port = Field(default=6379, description="Port of the server. NetworkPolicies open it.")
    tls: bool = Field(
        default=True, description="Encrypt, and verify the server's certificate. Without it, anybody on the way reads."
    )
    authority: AuthoritiesPem | None = Field(
        default=None,
        description="PEM of the authority that signed the server's certificate. Infisical trusts it as one of "
        "infisical.authorities. Default: the public ones.",
    )
    username: Line | None = Field(default=None, description="User of an access list. Default: Redis' default user.")
    sentinel_hosts: tuple[HostPort, ...] = Field(
        default=(), description="Sentinels that know the master, in the place of host, as sentinel-0.example.org:26379."
    )
    master_name: Line | None = Field(default=None, description="What the Sentinels call the master.")
    moved_from: Line | None = Field(
        default=None,
        description="Where the queues were before they were copied to this Redis or had run empty, as host:port or "
        "masterName@host:port,host:port. A stack is led to another Redis only with it: jobs that wait do not go along.",
    )

    @property
    def address(self) -> str:
        """Return where it is: host:port, or its name before its Sentinels, as main@a:26379,b:26379."""
        return f"{self.host}:{self.port}" if self.host else f"{self.master_name}@{','.join(self.sentinel_hosts)}"

    @property
    def ports(self) -> tuple[int, ...]:
        """Return the ports that Infisical opens. The master listens on `port`, wherever the Sentinels say it is."""
        return (self.port, *(int(each.rpartition(":")[2]) for each in self.sentinel_hosts))

    @model_validator(mode="after")
    def _has_a_host_or_sentinels(self) -> ExternalRedis:
        if bool(self.host) == bool(self.sentinel_hosts):
            raise broken_rule("host", "set either host or sentinelHosts")
        if bool(self.sentinel_hosts) != bool(self.master_name):
            raise broken_rule("masterName", "set it together with sentinelHosts")
        return self

    @model_validator(mode="after")
    def _sentinels_come_without_tls(self) -> ExternalRedis:
        if self.sentinel_hosts and self.tls:
            reason = "set it to false. Infisical speaks no TLS to a Redis under Sentinels, whatever it is told"
            raise broken_rule("tls", reason)
        return self

    @model_validator(mode="after")
    def _authority_comes_with_tls(self) -> ExternalRedis:
        if self.authority and not self.tls:
            raise broken_rule("authority", "without tls nothing would use it")
        return self


def _kind(value: object) -> str:
    """Return the tag of a section's kind. Brackets tell it from a key of the stack file."""
    if isinstance(value, Mapping):
        return f"<{cast('Mapping[str, Any]', value).get('kind', 'operator')}>"
    return f"<{getattr(value, 'kind', 'operator')}>"


Database = Annotated[
    Annotated[DatabaseSettings, Tag("<operator>")] | Annotated[ExternalDatabase, Tag("<external>")],
    Discriminator(_kind),
]
Redis = Annotated[
    Annotated[RedisSettings, Tag("<operator>")] | Annotated[ExternalRedis, Tag("<external>")], Discriminator(_kind)
]
