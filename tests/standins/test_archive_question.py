"""A real PostgreSQL understands what `make status` asks it about its archive."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from operations.checks.archive import QUESTION
from tests.standins.engines import Postgres


def test_what_waits_for_the_archive_is_counted_with_its_age(postgres: Postgres) -> None:
    none = {"mode": "off", "archived": None, "failing": None, "waiting": 0, "oldest": None}
    assert json.loads(postgres.sql(QUESTION)) == none
    waits = Path(postgres.sql("show data_directory"), "pg_wal", "archive_status", f"{1:024}.ready")
    waits.touch()
    try:
        long_ago = time.time() - 700
        os.utime(waits, (long_ago, long_ago))
        told = json.loads(postgres.sql(QUESTION))
        assert (told["waiting"], told["oldest"] > 690) == (1, True), told
    finally:
        waits.unlink()
