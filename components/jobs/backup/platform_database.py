"""Reach a database as Infisical's role, at its primary: the platform's own, or the one that moves in."""

import atexit
import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from job import Failed, Report, wait
from kube import Api, NotFound, path

_PATIENCE_SECONDS = 60  # for an API server that restarts, or does not know a Role yet that was just made


@dataclass(frozen=True)
class DatabaseConfig:
    """The primary's address, and where the operator's resource and the role's Secret are.

    cluster: None where somebody else runs the database.
    ca_files: what any of them holds is trusted, as Infisical trusts what CertSync publishes.
    sslmode: disable for a server that moves in and has no TLS.
    """

    namespace: str
    credentials: str
    host: str
    port: int
    name: str
    ca_files: tuple[str, ...] = ()
    cluster: str | None = None
    sslmode: Literal["verify-full", "disable"] = "verify-full"

    @property
    def address(self) -> str:
        """Return where it is, as host:port/name."""
        return f"{self.host}:{self.port}/{self.name}"


def resource_uid(api: Api, config: DatabaseConfig) -> str:
    """Return the uid of the postgresql resource, empty where there is none, and the address of a database outside."""
    if not config.cluster:
        return config.address
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
        **(_verified(config.ca_files) if config.sslmode == "verify-full" else {"PGSSLMODE": "disable"}),
        "PGCONNECT_TIMEOUT": "10",
        "PGAPPNAME": application,
        # What was set for the role must not end a long dump.
        "PGOPTIONS": "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
    }


def _verified(files: Sequence[str]) -> dict[str, str]:
    found = [Path(file).read_text() for file in files if Path(file).is_file()]
    if not found:
        raise Failed("the database's authority is not there: cert-manager has not issued it")
    # One file is what PostgreSQL's programs take, and a file for each database, since they may be of two authorities.
    with tempfile.NamedTemporaryFile("w", suffix=".crt", delete=False) as trusted:
        trusted.write("\n".join(found))
    atexit.register(Path(trusted.name).unlink, missing_ok=True)
    return {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": trusted.name}
