"""Write down what a stack may say, as the settings have it, for readers, for editors and for Pulumi's engine."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from operations.configuration_page import markdown
from operations.editor_schema import schema
from operations.project_file import project_config, template
from operations.pulumi import ROOT, Stack


def run(stack: Stack | None, arguments: argparse.Namespace) -> int:
    """Rewrite the files. Return 0."""
    for file, text in files(ROOT).items():
        file.write_text(text)
    return 0


def files(root: Path) -> Mapping[Path, str]:
    """Return what each of the files is to contain."""
    project = root / "Pulumi.yaml"
    head = re.split(r"^(?:template|config):$", project.read_text(), maxsplit=1, flags=re.MULTILINE)[0]
    return {
        root / "docs/configuration.md": markdown(),
        root / "docs/stack.schema.json": schema(),
        project: f"{head.rstrip()}\n{template()}{project_config()}",
    }
