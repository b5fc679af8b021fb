"""Who may import whom: settings know no Pulumi, parts know no tools, scripts know nothing but themselves."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.harness import ROOT


def _imports(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def _sources(folder: str) -> list[Path]:
    files = [*(ROOT / folder).rglob("*.py")]
    assert files, folder
    return files


PULUMI = {"pulumi", "pulumi_kubernetes", "pulumi_random"}
PARTS = {f"components.{path.stem}" for path in (ROOT / "components").glob("*.py") if path.stem != "__init__"}
# Folder to what no file in it or below may import; a folder's __init__.py says the same in words.
FORBIDDEN: Mapping[str, set[str]] = {
    "settings": PULUMI | {"components", "safeguards", "operations", "embedded"},
    "components": {"safeguards", "operations", "embedded", "settings.machinery"},
    "components/base": PARTS | {"settings"},
    "components/jobs": PULUMI | {"pydantic", "components", "settings", "safeguards", "operations", "embedded"},
    "safeguards": {"operations", "embedded"},
    "operations": {"embedded"},
}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_folder_imports_what_it_must_not_know(folder: str) -> None:
    for file in _sources(folder):
        for name in _imports(file):
            above = {name[:end] for end, character in enumerate(name + ".") if character == "."}
            assert above.isdisjoint(FORBIDDEN[folder]), f"{file} imports {name}"


def test_no_component_reads_the_configuration_by_itself() -> None:
    for file in _sources("components"):
        assert "pulumi.Config" not in file.read_text(), file.name
