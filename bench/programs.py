"""Make programs to compare with: an empty one, one with as many resources as ours, and ours with more."""

from __future__ import annotations

from pathlib import Path

import yaml

from embedded.stack import PROJECT

_EMPTY = "import pulumi\n"
_CONFIG_MAPS = """
import os

import pulumi
import pulumi_kubernetes

provider = pulumi_kubernetes.Provider("more", context="infisical-embedded")
for number in range(int(os.environ["MORE"])):
    pulumi_kubernetes.core.v1.ConfigMap(
        f"more-{number}",
        metadata=dict(namespace="default"),
        data=dict(number=str(number)),
        opts=pulumi.ResourceOptions(provider=provider),
    )
"""
_GROWN = f"""
import runpy
import sys

sys.path.insert(0, {str(PROJECT)!r})
runpy.run_path({str(PROJECT / "__main__.py")!r}, run_name="__main__")
{_CONFIG_MAPS}"""


def empty(folder: Path) -> Path:
    """Make a project without a resource, in the environment of ours."""
    return _project(folder / "empty", _EMPTY, name="empty", config={})


def counted(folder: Path) -> Path:
    """Make a project with as many ConfigMaps as the variable MORE says, and nothing else."""
    return _project(folder / "counted", _CONFIG_MAPS, name="counted", config={})


def grown(folder: Path) -> Path:
    """Make our project with as many more ConfigMaps as the variable MORE says."""
    project = _project(folder / "grown", _GROWN)
    (project / "embedded").symlink_to(PROJECT / "embedded")  # the chart is found from the project's folder
    return project


def _project(folder: Path, program: str, **changes: object) -> Path:
    folder.mkdir()
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())
    project["runtime"]["options"]["virtualenv"] = str(PROJECT / ".venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project | changes))
    (folder / "__main__.py").write_text(program)
    return folder
