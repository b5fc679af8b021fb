"""`make charts` for a stack that installs the secrets operator too: each chart is pinned by its own digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.errors import OperationError
from tests.tools.charts.known import CHART, COPY, NAME, OTHER_DIGEST, VERSION, Run, archive, chart_yaml, digest, files

OPERATOR = archive(chart_yaml("secrets-operator", "v0.11.5"))
OPERATOR_COPY = "charts/secrets-operator-v0.11.5.tgz"


@pytest.fixture
def copied(root: Path) -> Path:
    """A project whose charts/ has both."""
    (root / "charts").mkdir()
    (root / COPY).write_bytes(CHART)
    (root / OPERATOR_COPY).write_bytes(OPERATOR)
    return root


def test_both_are_pinned(copied: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(operator={}).was_set == {
        "infisical.chart.digest": digest(CHART),
        "secretsOperator.chart.digest": digest(OPERATOR),
    }
    printed = capsys.readouterr().out
    assert f"chart {NAME} {VERSION} ({digest(CHART)}): already there, {COPY}" in printed
    assert f"chart secrets-operator v0.11.5 ({digest(OPERATOR)}): already there, {OPERATOR_COPY}" in printed


def test_an_archive_of_the_users_is_the_chart_that_it_says(tmp_path: Path, root: Path, run: Run) -> None:
    (tmp_path / "own.tgz").write_bytes(OPERATOR)
    assert run(tmp_path / "own.tgz", operator={}).was_set == {"secretsOperator.chart.digest": digest(OPERATOR)}
    assert files(root) == {OPERATOR_COPY: OPERATOR}


def test_a_path_of_the_users_for_the_one_leaves_the_other_to_be_pinned(
    copied: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(operator={"path": "my/operator"}).was_set == {"infisical.chart.digest": digest(CHART)}
    assert "secretsOperator.chart.path: stack prod takes its chart from my/operator" in capsys.readouterr().out
    with pytest.raises(OperationError, match=r"^infisical\.chart\.path: "):
        run(operator={"path": "my/operator"}, path="my/chart")


def test_a_different_archive_is_refused_by_the_key_of_its_chart(tmp_path: Path, root: Path, run: Run) -> None:
    (tmp_path / "own.tgz").write_bytes(OPERATOR)
    with pytest.raises(OperationError, match=f"but secretsOperator.chart.digest is {OTHER_DIGEST};"):
        run(tmp_path / "own.tgz", operator={"digest": OTHER_DIGEST})
    with pytest.raises(OperationError, match=r"but the stack's secretsOperator\.chart is secrets-operator v0\.11\.4$"):
        run(tmp_path / "own.tgz", operator={"version": "v0.11.4"})
    assert not files(root)
