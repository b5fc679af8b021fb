"""How the backup's scripts come by the database's password."""

import base64
from pathlib import Path
from typing import Any, cast

import pytest
from bounded_program import Deadline
from database_session import Session
from job import Failed, Pending, Report
from kube import Api, NotFound
from platform_database import DatabaseConfig, environment


class _Server:
    """An API server that raises these exceptions first."""

    def __init__(self, data: dict[str, str], *raised: Exception) -> None:
        self.data, self.raised = data, list(raised)

    def get(self, _path: str) -> dict[str, Any]:
        if self.raised:
            raise self.raised.pop(0)
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in self.data.items()}}


def test_the_password_is_waited_for_and_taken_as_it_is(tmp_path: Path) -> None:
    """A Role that was made just before reaches the authorizer a moment later."""
    authority = tmp_path / "ca.crt"
    authority.write_text("PEM")
    config = DatabaseConfig("database", "credentials", "primary", 5432, "infisical", (str(authority),))
    secret = {"username": "user", "password": "p%'$\" é"}
    server = _Server(secret, Pending("API server answers 403"))
    found = environment(cast("Api", server), config, "test", Report("test"))
    assert (found["PGUSER"], found["PGPASSWORD"]) == ("user", secret["password"])
    server.raised.append(NotFound("404"))
    with pytest.raises(Failed, match="there is no Secret database/credentials"):
        environment(cast("Api", server), config, "test", Report("test"))


def test_a_server_that_moves_in_may_have_no_tls() -> None:
    """As the chart's own PostgreSQL. Nothing falls back to that by itself."""
    server = cast("Api", _Server({"username": "user", "password": "p"}))
    plain = DatabaseConfig("database", "credentials", "old", 5432, "infisicalDB", (), sslmode="disable")
    found = environment(server, plain, "test", Report("test"))
    assert (found["PGSSLMODE"], "PGSSLROOTCERT" in found) == ("disable", False)
    with pytest.raises(Failed, match="authority is not there"):
        environment(server, DatabaseConfig("database", "credentials", "old", 5432, "i", ()), "test", Report("test"))


def test_a_psql_that_has_ended_before_it_is_asked_is_a_failure_to_connect() -> None:
    """As where the database refuses at once. What psql did not read must not break the end of the connection."""
    session = Session({}, Deadline(60), program="true")
    session._process.wait()
    with pytest.raises(Failed, match="psql: "):
        session.ask("select 1")
    session.close()
