"""What the provisioning Job says has no value in it."""

from __future__ import annotations

import application_report
from application_report import requested, unwritten
from application_wish import Application, Secret


def application(*values: str) -> Application:
    secrets = (Secret(place=("prod", "/", value.strip().upper()), owner="stack", value=value) for value in values)
    return Application(name="shop", slug="shop", secrets=tuple(secrets))


def test_drift_of_any_length_fits_a_config_map() -> None:
    lines = [f"shop: prod:/{number:0750} is no longer in the stack" for number in range(5000)]
    written = application_report.shortened(lines)
    assert len(written.encode()) < 500_000
    assert written.startswith(lines[0])
    assert written.splitlines()[-1].endswith(" more")
    assert application_report.shortened(lines[:2]) == "\n".join(lines[:2])


def test_no_value_is_said() -> None:
    hide = application_report.hiding([application("a", "one\ntwo\n")])
    assert hide("refused: one\ntwo\n !") == "refused: [hidden] !"


def test_a_value_within_another_one_does_not_leave_the_rest_of_it() -> None:
    hide = application_report.hiding([application("pass", "password1234", "word1")])
    assert hide("refused: password1234!") == "refused: [hidden]!"


def test_where_a_change_has_become_a_request_is_known_to_the_next_run() -> None:
    drift = "\n".join(["a: x", f"shop: {unwritten(['prod:/b', 'prod:/', 'prod:/'])}"])
    assert requested(drift, "shop") == {"prod:/", "prod:/b"}
    assert requested(drift, "hop") == requested("", "shop") == set()
