"""The workflows that users copy, against the schemas of GitHub and GitLab, and actionlint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from embedded.stack import PROJECT

SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
LINTER = Path(__file__).parent / "actionlint"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_accepts_it_and_notices_a_wrong_key(name: str, tmp_path: Path) -> None:
    file = PROJECT / "ci" / name
    assert schema(SCHEMAS[name], file).returncode == 0, schema(SCHEMAS[name], file).stdout
    wrong = tmp_path / name
    wrong.write_text(file.read_text().replace("environment:", "surroundings:"))
    assert schema(SCHEMAS[name], wrong).returncode == 1


def test_actionlint_has_nothing_to_say(tmp_path: Path) -> None:
    file = PROJECT / "ci/github-actions.yml"
    found = actionlint(file)
    assert found.returncode == 0, found.stdout
    wrong = tmp_path / file.name
    wrong.write_text(file.read_text().replace("needs.preview.result", "needs.previews.result"))
    assert "previews" in actionlint(wrong).stdout


def test_the_image_runs_the_shell_that_gitlab_starts() -> None:
    """Upstream's image has `pulumi` for its entrypoint, and GitLab's runner hands its shell to that as an argument."""
    image = yaml.safe_load((PROJECT / "ci/gitlab-ci.yml").read_text())["default"]["image"]
    assert image["name"].startswith("docker.io/pulumi/pulumi:")
    assert image["entrypoint"] == [""]


def schema(name: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", name, file]
    return subprocess.run(command, capture_output=True, text=True)


def actionlint(file: Path) -> subprocess.CompletedProcess[str]:
    # Without shellcheck, which is there on some machines only.
    command = ["go", "tool", "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", str(file)]
    return subprocess.run(command, cwd=LINTER, capture_output=True, text=True)
