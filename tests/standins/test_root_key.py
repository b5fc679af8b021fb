"""A key that Infisical made takes effect at the first start with it, and the one before it works for a while.

Source: backend/src/services/encryption-key-rotation of Infisical/infisical.
"""

from __future__ import annotations

import secrets

from tests.standins.conftest import Start
from tests.standins.engines import Postgres
from tests.standins.infisical import Environment, Infisical
from tests.standins.root_key import SEALED, stage

KEPT = "/api/v3/secrets/raw/KEPT"


def test_two_rotations(start: Start, postgres: Postgres, environment: Environment, database: str) -> None:
    def reads(key: str) -> Infisical:
        server = start(environment | {"ENCRYPTION_KEY": key})
        server.detail()
        assert server.request("GET", KEPT, token=server.token()).body["value"] == "v1"
        return server

    def rotated(key: str) -> str:
        new = secrets.token_hex(16)
        postgres.sql(stage(postgres.sql(SEALED, database), key, new), database)
        return new

    first = environment["ENCRYPTION_KEY"]
    writer = start(environment)
    writer.detail()
    writer.request("PUT", KEPT, {"value": "v1"}, writer.token())

    second = rotated(first)
    reads(first)
    assert postgres.sql('select count(*) from kms_root_config where "supersededAt" is not null', database) == "0"
    reads(second)
    reads(first)  # one that still has the old key, and starts again

    third = rotated(second)
    reads(third)
    reads(second)
    assert start(environment | {"ENCRYPTION_KEY": first}).exit_code() == 1


def test_changed_encryption_key_is_refused_and_the_old_one_still_opens(start: Start, environment: Environment) -> None:
    first = start(environment)
    first.detail()
    first.request("PUT", KEPT, {"value": "v1"}, first.token())
    changed_key = start(environment | {"ENCRYPTION_KEY": "0" * 32})
    assert changed_key.exit_code() == 1
    assert "another ENCRYPTION_KEY" in changed_key.output()
    assert "Unsupported state or unable to authenticate data" in changed_key.output()
    again = start(environment)
    again.detail()
    assert again.request("GET", KEPT, token=again.token()).body["value"] == "v1"
