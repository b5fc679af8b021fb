"""What keeps the project readable: commands that explain themselves, and sizes that one can take in."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest

from tests.unit.harness import ROOT

FILE, FUNCTION = 300, 50  # lines
# A ratchet: files and functions from before the rule, with the lines that they have at most. Nothing is added.
LONGER_FILES = {
    "tests/jobs/test_redis_ready.py": 303,
    "tests/jobs/test_redis_rotation.py": 308,
    "tests/jobs/test_rollout.py": 357,
    "tests/standins/test_infisical_server.py": 451,
    "tests/tools/test_oci.py": 353,
    "tests/unit/test_policy.py": 333,
    "tests/unit/test_program.py": 380,
}
# Tables that read better as the author laid them out, until they become data or helpers.
LAID_OUT_BY_HAND = {
    "tests/contract/stacks/catalogue.py",
    "tests/contract/stacks/faults.py",
    "tests/contract/stacks/sections.py",
    "tests/standins/engines.py",
    "tests/standins/test_infisical_server.py",
    "tests/tools/importing/test_everything.py",
}
LONGER_FUNCTIONS = {
    "tests/jobs/job_cluster.py::running_cluster": 80,
    "tests/tools/importing/test_everything.py::test_every_variable_has_its_place": 69,
    "tests/tools/importing/test_round_trip.py::configurations": 53,
}


def tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", *patterns]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in found if (ROOT / name).exists()]


def functions(source: str) -> dict[str, int]:
    """Return the lines of every function in a source, by its name."""
    nodes = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in nodes}


def test_no_file_is_longer_than_one_can_take_in() -> None:
    lines = {name: (ROOT / name).read_text().count("\n") for name in tracked("*.py")}
    assert len(lines) > 150
    assert {name: count for name, count in lines.items() if count > LONGER_FILES.get(name, FILE)} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    sources = {name: (ROOT / name).read_text() for name in tracked("*.py")}
    found = {f"{file}::{name}": n for file, source in sources.items() for name, n in functions(source).items()}
    assert len(found) > 1000
    assert {name: count for name, count in found.items() if count > LONGER_FUNCTIONS.get(name, FUNCTION)} == {}


def test_the_formatter_lays_out_every_file_but_a_few() -> None:
    mark = "# fmt: " + "skip"
    assert {name for name in tracked("*.py") if mark in (ROOT / name).read_text()} <= LAID_OUT_BY_HAND


def test_the_program_fits_on_one_screen() -> None:
    assert (ROOT / "__main__.py").read_text().count("\n") < 60


def test_make_alone_explains_every_command() -> None:
    command = ["make", "--no-print-directory"]  # `make test` runs this test, too
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    explained = {name for line in printed.splitlines()[2:] for name in line[:26].split()}
    [phony] = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert explained == set(phony.replace("\\\n", " ").split())


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *tracked("docs/*.md")])
def test_every_make_command_in_a_document_exists(document: str) -> None:
    [phony] = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for code in re.findall(r"`([^`\n]+)`", (ROOT / document).read_text()):
        if named := re.match(r"make ([a-z0-9-]+)", code):
            assert named[1] in phony.replace("\\\n", " ").split(), code
