"""The table and the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import pytest

import settings
from operations import doctor
from operations.checks.result import Level, Result, fail, ok, unknown, warn
from operations.cluster import Cluster, Unanswered
from tests.tools.doctor.known import (
    HOST,
    ISSUER,
    Exported,
    cluster,
    issuer,
    stack_settings,
)


def diagnosed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of: Cluster) -> tuple[int, str]:
    """Exit status and what is printed."""
    monkeypatch.setattr(doctor, "Cluster", lambda _context, _kubeconfig: of)
    status = doctor.run(Exported("dev"), argparse.Namespace())
    return status, capsys.readouterr().out


def test_a_healthy_cluster_is_ready_and_warnings_are_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: dict[str, str]
) -> None:
    status, shown = diagnosed(monkeypatch, capsys, cluster())
    assert (status, shown.splitlines()[-1]) == (0, "ready for `pulumi up`, with 2 warnings")
    names[HOST] = "192.0.2.7"
    status, shown = diagnosed(monkeypatch, capsys, cluster())
    assert (status, shown.splitlines()[-1]) == (0, "ready for `pulumi up`, with 1 warning")
    assert shown.count("fix:") == 1  # whose word counts on a client's address: nobody but the user knows


def test_the_state_is_read_once_for_all_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "Cluster", lambda _context, _kubeconfig: cluster())
    stack = Exported("dev")
    doctor.run(stack, argparse.Namespace())
    assert len(stack.exports) == 1


def test_a_failure_is_exit_status_1_and_stands_above_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: dict[str, str]
) -> None:
    status, shown = diagnosed(monkeypatch, capsys, cluster({ISSUER: issuer("False", "no account")}))
    assert status == 1
    lines = shown.splitlines()
    [row] = [number for number, line in enumerate(lines) if line.startswith("FAIL")]
    assert "ClusterIssuer embedded-ca" in lines[row]
    assert lines[row + 1].strip() == "fix: kubectl describe clusterissuer embedded-ca"
    assert lines[-1] == "1 failure, 2 warnings: `pulumi up` would fail or do harm"


def test_a_cluster_that_does_not_answer_is_one_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, shown = diagnosed(monkeypatch, capsys, cluster({"/version": Unanswered("connection refused")}))
    assert status == 1
    assert [line.split()[0] for line in shown.splitlines() if line] == ["FAIL", "fix:", "1"]
    assert "does not answer: connection refused" in shown


def test_rows_are_in_columns() -> None:
    rows = [ok("a", "seen"), warn("longer", "odd", "do"), fail("b", "bad", "mend")]
    assert list(doctor.report(rows))[:5] == [
        "ok    a       seen",
        "warn  longer  odd",
        "              fix: do",
        "FAIL  b       bad",
        "              fix: mend",
    ]


def test_what_a_check_has_found_before_it_got_no_answer_stays() -> None:
    def check(_cluster: Cluster, _settings: settings.Settings) -> Iterable[Result]:
        yield ok("first", "seen")
        raise Unanswered("no right")

    rows = list(doctor.examine(cluster(), stack_settings(), {"second": check}))[1:]
    assert [(row.subject, row.level) for row in rows] == [("first", Level.OK), ("second", Level.UNKNOWN)]


def test_a_verdict_says_that_something_could_not_be_told() -> None:
    """Ready would be a lie."""
    untold = unknown("rights in infisical", Unanswered("no answer within 20 s"))
    assert list(doctor.report([untold]))[-1] == "ready for `pulumi up` as far as the cluster tells; 1 unknown"
    rows = [untold, warn("a", "odd", "do"), fail("b", "bad", "mend")]
    assert list(doctor.report(rows[:2]))[-1].endswith("tells, with 1 warning; 1 unknown")
    assert list(doctor.report(rows))[-1] == "1 failure, 1 warning, 1 unknown: `pulumi up` would fail or do harm"
