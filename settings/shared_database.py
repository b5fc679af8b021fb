"""What others have in the same PostgreSQL cluster, as the Zalando operator names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.types import Section, matching

# postgres-operator 1.15, pkg/cluster/cluster.go and util.go.
_Role = Annotated[
    str, Field(max_length=63), matching(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?", "Use a-z, 0-9, '-' and '_', as in reports")
]
_Database = Annotated[
    str, Field(max_length=63), matching(r"[a-zA-Z_][a-zA-Z0-9_]*", "Use letters, digits and '_', as in reports")
]
_Parameter = Annotated[str, matching(r"[a-z_][a-z0-9_.]*", "Write it as PostgreSQL does: max_connections")]
_Flag = Literal["superuser", "inherit", "login", "nologin", "createrole", "createdb", "replication", "bypassrls"]
_OURS = frozenset({"infisical", "infisical_user", "postgres", "standby", "pooler"})
_PROTECTED = frozenset({"admin", "cron_admin"})  # the operator's protected_role_names, which it skips with a log line
_OWNED: Mapping[str, str] = {
    "ssl": "the certificate is the program's: see section certificates",
    "archive": "the archive is the program's: see backup.target.pointInTime",
    "recovery": "see database.recover",
    "restore": "see database.recover",
    "synchronous": "see database.synchronous",
    "listen_addresses": "Patroni sets it",
    "port": "Patroni sets it",
    "password_encryption": "with SCRAM the operator gives every role a new salt in each of its Syncs, and PgBouncer's "
    "next log-ins fail (zalando/postgres-operator#3170)",
}


def _text(value: object) -> str:
    """Return a number or a switch as PostgreSQL reads it, because the operator takes strings alone."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, str | int | float):
        raise ValueError("Write text, a number or a switch")
    return str(value)


def _secret(role: str) -> str:
    """Return what the operator names a role's Secret after."""
    return role.replace("_", "-")


def _role_of_others(name: str) -> str:
    if name in _PROTECTED:
        raise ValueError("Name it otherwise, because the postgres-operator protects this name and makes no such role")
    if _secret(name) in map(_secret, _OURS):
        raise ValueError("Name it otherwise, because the platform has a role with the Secret of this name")
    return name


def _of_others(name: str) -> str:
    if name in _OURS:
        raise ValueError("Name it otherwise, because the platform has one of this name")
    return name


def _free(name: str) -> str:
    for prefix, reason in _OWNED.items():
        if name == prefix or name.startswith(f"{prefix}_"):
            raise ValueError(f"Remove it, because {reason}")
    return name


class SharedDatabase(Section):
    """Roles, databases and parameters beside Infisical's. The operator makes them, and drops none that is taken out."""

    users: dict[Annotated[_Role, AfterValidator(_role_of_others)], tuple[_Flag, ...]] = Field(
        default={},
        description="Roles of others, each with its flags. The operator makes a Secret with the password of each, "
        "named like Infisical's.",
    )
    databases: dict[Annotated[_Database, AfterValidator(_of_others)], _Role] = Field(
        default={},
        description="Databases of others, each with the role that owns it. The platform's backups do not have them. "
        "Whoever uses them from other namespaces needs `networkPolicies.extraIngress`.",
    )
    parameters: dict[
        Annotated[_Parameter, AfterValidator(_free)],
        Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool)],
    ] = Field(
        default={},
        description="Parameters of PostgreSQL, as in max_connections. Some restart every server, with a fail-over.",
    )

    @model_validator(mode="after")
    def _every_role_has_a_secret(self) -> SharedDatabase:
        named: dict[str, str] = {}
        for role in sorted(self.users):
            if (other := named.setdefault(_secret(role), role)) != role:
                raise broken_rule(
                    ("users", role),
                    f"name it otherwise. The operator writes _ as - in the name of a role's Secret, so "
                    f"that it would be the one of {other} as well",
                )
        return self

    @model_validator(mode="after")
    def _every_owner_is_a_role(self) -> SharedDatabase:
        for database, owner in self.databases.items():
            if owner not in self.users:
                raise broken_rule(
                    ("users", owner, 0),
                    f"required, but not set. It owns databases.{database}, and the operator makes no "
                    "owner by itself. Name a flag of the role, as in login",
                )
        return self
