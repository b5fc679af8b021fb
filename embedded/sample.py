"""The sample application of stack dev: what the stack file says of it, and the namespace that its team has made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

TEAM = "shop"
NAMESPACE = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {TEAM}}}\n"
LOGIN = "kubectl get secret -n infisical infisical-admin, see README: The first organisation"
_FILE = Path(__file__).with_name("sample.yaml")


def sections() -> Mapping[str, Any]:
    """Return the sections of the stack file, each by its key without the project's name."""
    config: dict[str, Any] = yaml.safe_load(_FILE.read_text())["config"]
    return {key.partition(":")[2]: value for key, value in config.items()}
