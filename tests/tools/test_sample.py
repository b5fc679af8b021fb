"""The sample application of stack dev: README shows it, the stack file has it, and it stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import imagebuild
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.sample import NAMESPACE, sections
from embedded.stack import Stack, summary
from tests.unit.harness import ROOT


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(Stack, "pulumi", lambda *_, **__: "")
    instance = Instance("other")
    instance.folder.mkdir(parents=True)
    return instance


def keys(instance: Instance) -> Mapping[str, Any]:
    """Return the keys of stack dev, as a command writes them."""
    stack = Stack(instance, Programs(instance.folder))
    stack.init()
    return yaml.safe_load(stack.configuration.read_text())["config"]


def test_it_is_there_once_it_was_asked_for_and_stays(instance: Instance) -> None:
    assert "infisical-platform:applications" not in keys(instance)
    (instance.folder / "sample").touch()
    for _ in range(2):
        assert keys(instance)["infisical-platform:applications"] == sections()["applications"]


def test_the_end_of_up_says_how_to_log_in(instance: Instance) -> None:
    assert "log in" not in summary(instance)
    (instance.folder / "sample").touch()
    assert "infisical-admin" in summary(instance)


def test_it_is_what_the_readme_shows() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [shown] = [found for block in blocks if (found := yaml.safe_load(block).get("infisical-platform:applications"))]
    assert shown == sections()["applications"]


def test_its_namespace_and_image_are_what_the_readmes_pod_asks_for() -> None:
    application: Any = sections()["applications"]
    [delivery] = application["shop"]["deliver"]
    assert yaml.safe_load(NAMESPACE)["metadata"]["name"] == delivery["namespace"]
    readme = (ROOT / "README.md").read_text()
    pod: dict[str, Any] = yaml.safe_load(re.findall(r"<<'YAML'\n(.*?)YAML\n", readme, re.DOTALL)[0])
    [container] = pod["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": delivery["secret"]}}]
    assert container["image"] == imagebuild.reference("tools")
