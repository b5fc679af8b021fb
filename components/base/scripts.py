"""Put the scripts that Jobs run into ConfigMaps, each with exactly the modules that it imports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pulumi import Input, Resource
from pulumi_kubernetes import core

from components.base.content import content_addressed

SCRIPTS = Path(__file__).parents[1] / "jobs"
FOLDER = "/job"  # where a pod finds them, all in one folder
_SHARED = "shared"
# A line each, as the linter wants them. Parsing every script would take a tenth of a second of each preview.
_IMPORT = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)
_SOURCED = re.compile(r"^\. \"\$\{0%/\*\}/(\w+\.sh)\"$", re.MULTILINE)


def scripts_map(name: str, namespace: Input[str], scripts: Iterable[str], *, parent: Resource) -> core.v1.ConfigMap:
    """Create a ConfigMap of `scripts`, paths below components/jobs/, and of what they import.

    A changed script makes a new ConfigMap, and so a new pod. A module that no script of the ConfigMap imports changes
    nothing.
    """
    files = {path.name: path.read_text() for path in sorted(with_imports(scripts))}
    return content_addressed(name, namespace, files, parent=parent)


def with_imports(scripts: Iterable[str]) -> set[Path]:
    """Return the files of `scripts`, and the modules of their own folder and of shared/ that they import or source."""
    found: set[Path] = set()
    pending = [SCRIPTS / script for script in scripts]
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending += _imported(path)
    return found


def _imported(path: Path) -> list[Path]:
    text = path.read_text()
    if path.suffix == ".sh":
        return [path.parent / name for name in _SOURCED.findall(text)]
    if path.suffix != ".py":
        return []
    modules = set(_IMPORT.findall(text))
    places = (folder / f"{module}.py" for module in modules for folder in (path.parent, SCRIPTS / _SHARED))
    return [place for place in places if place.exists()]
