"""What is wrong with the words of an operation is said before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.__main__ import main


def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setattr("sys.argv", ["operations", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 64
    return capsys.readouterr().err


def test_an_import_without_a_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make import-secrets` without FILE."""
    said = refusal(capsys, monkeypatch, "import-secrets", "--stack", "t", "")
    assert "name the manifest of a Kubernetes Secret, FILE=…" in said


@pytest.mark.parametrize(
    ("command", "name"), [("migrate-secrets", "NAMESPACE"), ("forget-cluster", "CLUSTER"), ("escrow", "RECIPIENT")]
)
def test_an_argument_that_make_hands_over_empty(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    """An empty namespace is that of kubectl's context, so that a Job ran there."""
    assert f"it is empty: {name}=…" in refusal(capsys, monkeypatch, command, "--stack", "t", "")


def test_a_stack_file_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pulumi takes it for an empty one, and every key would be called missing."""
    file = tmp_path / "none.yaml"
    said = refusal(capsys, monkeypatch, "secrets", "--stack", "t", "--config-file", str(file))
    assert f"--config-file {file}: there is no such file" in said
