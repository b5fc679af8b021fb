"""The servers that these tests start do what the tests count on."""

from __future__ import annotations

from pathlib import Path

from tests.standins.authority import Authority
from tests.standins.engines import Postgres


def test_a_certificate_is_replaced_whatever_else_comes_and_goes(postgres: Postgres, authority: Authority) -> None:
    """A running server has files that are gone when one looks at them."""
    data = Path(postgres.sql("show data_directory"))
    (data / "gone").symlink_to("nowhere")
    try:
        postgres.serve_certificate_for("localhost", authority)
        postgres.reload()
    finally:
        (data / "gone").unlink()
