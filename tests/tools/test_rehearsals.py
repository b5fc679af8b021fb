"""What a rehearsal says of what clients saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rehearsals import report
from tests.rehearsals.report import page
from tests.rehearsals.writers import NOTICED_SECONDS, Request, course, failures


def _requests(*ended: tuple[float, str]) -> list[Request]:
    return [Request(begun=at, ended=at, error=error) for at, error in ended]


def test_a_fault_that_nobody_noticed_is_healed_at_once() -> None:
    seen = course(_requests((0, ""), (1, ""), (2, "")), fault_at=0.5, whole_at=2)
    assert (seen.acknowledged, seen.errors, seen.longest_gap, seen.healed_after) == (3, 0, 1, 0)


def test_a_silence_counts_to_its_end() -> None:
    seen = course(_requests((0, ""), (9, ""), (10, "")), fault_at=1, whole_at=5)
    assert (seen.longest_gap, seen.healed_after) == (9, 8)


def test_the_last_failure_counts_though_others_were_answered() -> None:
    seen = course(_requests((0, ""), (2, "502"), (1.5, ""), (3, ""), (4, "502"), (4.5, "")), fault_at=1, whole_at=5)
    assert (seen.errors, seen.healed_after) == (2, 3)


def test_errors_are_told_by_their_kinds_and_moments() -> None:
    """A figure alone does not say what was wrong."""
    requests = _requests((9, "502"), (2, "TimeoutError"), (4, "502"), (5, ""))
    assert failures(requests, fault_at=1) == "1 x TimeoutError from 1.0 s to 1.0 s, 2 x 502 from 3.0 s to 8.0 s"
    assert failures(_requests((5, "")), fault_at=1) == "no error"


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1), st.floats(min_value=0, max_value=100))
def test_no_failure_and_no_long_silence_is_no_harm(moments: list[float], fault_at: float) -> None:
    seen = course(_requests(*((moment, "") for moment in moments)), fault_at, fault_at)
    assert seen.acknowledged == len(moments)
    assert (seen.healed_after > 0) <= (seen.longest_gap > NOTICED_SECONDS)


RUN: Mapping[str, int | float | str] = {
    "acknowledged": 7,
    "lost": 0,
    "errors": 1,
    "longest_gap": 2.5,
    "healed_after": 3.5,
    "whole_after": 9,
    "date": "2026-11-26",
    "machine": "2 cores, x86_64",
}


def test_the_page_has_a_row_for_each_rehearsed_fault_and_no_other() -> None:
    text = page({"primary": [RUN]})
    assert "| `primary` | the primary's pod is killed | 1 | 7 | **0** | 1 | 2.5 s | 3.5 s | 9 s | 2026-11-26 |" in text
    assert "| `replica` |" not in text
    [missing] = [line for line in text.splitlines() if line.startswith("No run yet: ")]
    assert "`replica`" in missing
    assert "`primary`" not in missing
    assert "gone for good" not in text


def test_a_row_has_the_sum_and_the_worst_of_all_runs() -> None:
    worse = {**RUN, "lost": 1, "errors": 12, "longest_gap": 10.0, "date": "2026-11-27"}
    for runs in ([RUN, worse], [worse, RUN]):
        last = runs[-1]["date"]
        row = f"| `primary` | the primary's pod is killed | 2 | 14 | **1** | 12 | 10.0 s | 3.5 s | 9 s | {last} |"
        assert row in page({"primary": runs})


def test_what_a_lost_node_takes_along_has_a_table_of_its_own() -> None:
    gone = {key: RUN[key] for key in ("acknowledged", "lost", "longest_gap", "date", "machine")} | {"rate": 20.5}
    assert "| `database.synchronous: true` | 1 | 20.5 | 7 | **0** | 2026-11-26 |" in page({"synchronous": [gone]})


def test_a_run_leaves_the_rows_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FIGURES", tmp_path / "rehearsals.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "rehearsals.md")
    seen = course(_requests((0, ""), (1, ""), (2, "")), fault_at=0.5, whole_at=2)
    for name in ("primary", "replica", "primary"):
        report.note(name, seen, 0)
    text = (tmp_path / "rehearsals.md").read_text()
    assert "| `primary` | the primary's pod is killed | 2 | 6 | **0** |" in text
    assert "| `replica` | the replica's pod is killed | 1 | 3 | **0** |" in text
