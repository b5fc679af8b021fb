"""Each script takes the CONFIG that a component gives it: with the right types, and no key that it doesn't know."""

from __future__ import annotations

import importlib
import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from job import ConfigError, parse

from tests.contract.manifests import pods
from tests.unit.harness import OUTSIDE, SHAPES, shape

FOLDER = "/job/"


def scripts(template: dict[str, Any]) -> list[tuple[str, str]]:
    """The module of each container's script, and its CONFIG."""
    found: list[tuple[str, str]] = []
    for container in template["spec"]["containers"]:
        script = next((word for word in container.get("command", []) if word.startswith(FOLDER)), "")
        config = next((each["value"] for each in container.get("env", []) if each["name"] == "CONFIG"), "")
        if script.endswith(".py") and config:
            found.append((PurePosixPath(script).stem, config))
    return found


@pytest.mark.parametrize("name", [*SHAPES, *OUTSIDE])
def test_every_script_takes_its_config(name: str) -> None:
    found = [each for _, _, template in pods(shape(name)) for each in scripts(template)]
    assert len(found) >= 5
    for module, config in found:
        parse(importlib.import_module(module).Config, json.loads(config))


@pytest.mark.parametrize("change", [{"id": 1}, {"quiet_seconds": "60"}, {"other": ""}])
def test_a_config_that_does_not_fit_is_found(change: dict[str, Any]) -> None:
    [config] = [
        config
        for _, _, template in pods(shape("moved-in"))
        for module, config in scripts(template)
        if module == "move_in"
    ]
    with pytest.raises(ConfigError):
        parse(importlib.import_module("move_in").Config, json.loads(config) | change)
