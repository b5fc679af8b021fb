"""What documents tell people to write into a stack file is what an editor's schema takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/stack.schema.json").read_text())
KEYS: dict[str, Any] = SCHEMA["properties"]["config"]["properties"]
BLOCK = re.compile(r"```ya?ml\n(.*?)```", re.DOTALL)


def keys(document: object) -> Iterator[tuple[str, object]]:
    """The stack's keys at any depth: an environment of Pulumi ESC has them below others."""
    if isinstance(document, dict):
        for key, value in cast("dict[str, object]", document).items():
            if str(key).startswith("infisical-platform:"):
                yield key, value
            else:
                yield from keys(value)


FOUND = [
    (path.relative_to(ROOT), key, value)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for block in BLOCK.findall(path.read_text())
    if "infisical-platform:" in block
    for key, value in keys(yaml.safe_load(block))
]


@pytest.mark.parametrize(("path", "key", "value"), FOUND, ids=[f"{path}-{key}" for path, key, _ in FOUND])
def test_a_stack_file_in_a_document_is_right(path: Path, key: str, value: object) -> None:
    """But for what the reader fills in, which is an ellipsis, and keys that a document leaves out."""
    assert key in KEYS, f"{path} names a key that there is not"
    section = {**KEYS[key], "definitions": SCHEMA["definitions"]}
    errors = jsonschema.Draft202012Validator(section).iter_errors(cast("Any", value))
    wrong = [error.message for error in errors if error.validator != "required" and "…" not in str(error.instance)]
    assert wrong == []
