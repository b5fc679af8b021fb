"""The project as somebody has just checked it out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout
from vault import Vault, running

from embedded.instance import Instance, cache_folder
from embedded.programs import Programs
from embedded.stack import PROJECT, Stack


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    folder = tmp_path / "project"
    for name in ("components", "safeguards", "operations", "settings", "embedded/charts"):
        shutil.copytree(PROJECT / name, folder / name)
    for file in (PROJECT / "__main__.py", *PROJECT.glob("Pulumi*.yaml")):
        shutil.copy(file, folder)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    instance = Stack(Instance("stacks"), Programs(cache_folder()))
    environment = {**os.environ, **instance.environment()}
    environment["PATH"] = os.pathsep.join([str(Path(instance.program).parent), environment["PATH"]])
    environment |= {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "throw-away",
        "KUBECONFIG": str(tmp_path / "none"),
    }
    del environment["PULUMI_CONFIG_PASSPHRASE_FILE"]
    return Checkout(folder, environment)


@pytest.fixture
def vault() -> Iterator[Vault]:
    with running() as vault:
        yield vault
