"""Reach the platform's own database as Infisical's role, verified, at its primary."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from job import Failed, Report, wait
from kube import Api, NotFound, path

_AUTHORITIES = Path("/tmp/database-authorities.crt")  # noqa: S108 the pod's own folder; PostgreSQL takes one file
_PATIENCE_SECONDS = 60  # for an API server that restarts, or does not know a Role yet that was just made


@dataclass(frozen=True)
class DatabaseConfig:
    """The primary's address, and where the operator's resource and the role's Secret are.

    cluster: None where somebody else runs the database.
    ca_files: what any of them holds is trusted, as Infisical trusts what CertSync publishes.
    """

    namespace: str
    credentials: str
    host: str
    port: int
    name: str
    ca_files: tuple[str, ...]
    cluster: str | None = None


def resource_uid(api: Api, config: DatabaseConfig) -> str:
    """Return the uid of the postgresql resource, empty where there is none, and the address of a database outside."""
    if not config.cluster:
        return f"{config.host}:{config.port}/{config.name}"
    found = api.find(path("postgresqls", config.namespace, config.cluster))
    return found["metadata"]["uid"] if found else ""


def environment(api: Api, config: DatabaseConfig, application: str, report: Report) -> dict[str, str]:
    """Return the variables with which PostgreSQL's programs log in. The password is read now: it may have changed."""
    where = path("secrets", config.namespace, config.credentials)
    try:
        data = wait(lambda: api.get(where), report, deadline_seconds=_PATIENCE_SECONDS)["data"]
    except NotFound as error:
        raise Failed(
            f"there is no Secret {config.namespace}/{config.credentials}, which has the role's password"
        ) from error
    user, password = (base64.b64decode(data[key]).decode() for key in ("username", "password"))
    return {
        "PGHOST": config.host,
        "PGPORT": str(config.port),
        "PGDATABASE": config.name,
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(_trusted(config.ca_files)),
        "PGCONNECT_TIMEOUT": "10",
        "PGAPPNAME": application,
        # What was set for the role must not end a long dump.
        "PGOPTIONS": "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
    }


def _trusted(files: Sequence[str]) -> Path:
    found = [Path(file).read_text() for file in files if Path(file).is_file()]
    if not found:
        raise Failed("the database's authority is not there: cert-manager has not issued it")
    _AUTHORITIES.write_text("\n".join(found))
    return _AUTHORITIES
