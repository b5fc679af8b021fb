"""The values that we give to either chart, against the charts' own: neither has a schema, and neither complains."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from settings.infisical import Flavour
from tests.unit.harness import ROOT, SHAPES, everything, platform, shape

Json = dict[str, Any]
CHARTS = ROOT / "embedded" / "charts"
FLAVOURS: tuple[Flavour, ...] = ("infisical", "infisical-standalone")
# Maps whose keys are the user's.
FREE = ("podAnnotations", "deploymentAnnotations", "annotations", "nodeSelector", "affinity", "limits", "requests")
# What a chart has in values.yaml, and no template reads.
IGNORED = {
    "secrets-operator": set[str](),
    "infisical": {"fullnameOverride", "backend.enabled"},
    "infisical-standalone": {"infisical.enabled", "infisical.databaseSchemaMigrationJob"},
}
# On by default, and it would be a second one of what the platform has.
BUNDLED = {
    "infisical": {"mongodb.enabled", "redis.enabled", "ingress.enabled"},
    "infisical-standalone": {
        "postgresql.enabled",
        "redis.enabled",
        "ingress.enabled",
        "ingress.nginx.enabled",
        "infisical.autoDatabaseSchemaMigration",
    },
}


def defaults(flavour: str) -> Json:
    """Return the keys of a chart with their defaults, and those that its templates read without a default."""
    values = yaml.safe_load((CHARTS / flavour / "values.yaml").read_text())
    if flavour == "infisical":
        values["backend"].setdefault("resources", {"limits": {}, "requests": {}})
    return values


def ours(flavour: Flavour) -> Json:
    graph = everything() if flavour == "infisical" else platform()
    return copy.deepcopy(graph["Release/infisical"]["values"])


def passed_over(given: Json, known: Json, flavour: str, above: str = "") -> list[str]:
    """Keys which the chart does not have, does not read, or has as something else; and what there is instead."""
    found: list[str] = []
    for key, value in given.items():
        path = f"{above}{key}"
        if key not in known:
            found.append(f"{path}: the chart has {', '.join(sorted(known))}")
        elif path in IGNORED[flavour]:
            found.append(f"{path}: no template reads it")
        elif isinstance(value, dict) != isinstance(known[key], dict):
            found.append(f"{path}: the chart has {type(known[key]).__name__} there")
        elif isinstance(value, dict) and key not in FREE:
            found += passed_over(value, known[key], flavour, f"{path}.")
        elif not isinstance(value, dict) and known[key] not in (None, "") and type(value) is not type(known[key]):
            found.append(f"{path}: the chart has {type(known[key]).__name__} there")
    return found


def at(values: Json, path: str) -> object:
    value: Any = values
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_chart_has_every_key_that_is_set(flavour: Flavour) -> None:
    assert passed_over(ours(flavour), defaults(flavour), flavour) == []


@pytest.mark.parametrize("name", SHAPES)
def test_what_the_program_hands_to_helm_are_keys_of_its_chart(name: str) -> None:
    release = shape(name)["Release/infisical"]
    flavour = release["chart"].rpartition("/")[2]
    assert passed_over(release["values"], defaults(flavour), flavour) == []


def test_what_the_operators_chart_is_given_are_its_keys() -> None:
    """It ignores any other key without a word, and would then act in the whole cluster."""
    given = shape("operator")["Release/secrets-operator"]["values"]
    known = yaml.safe_load((CHARTS / "secrets-operator" / "values.yaml").read_text())
    assert passed_over(given, known, "secrets-operator") == []
    assert passed_over({"scopedNamespaces": "a,b"}, known, "secrets-operator"), "a list, and no text"
    assert passed_over({"controllerManager": {"args": []}}, known, "secrets-operator")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_that_a_chart_brings_along_is_off(flavour: Flavour) -> None:
    on = {path for path in BUNDLED[flavour] if at(defaults(flavour), path) is True}
    assert on == BUNDLED[flavour], "the chart has other defaults than those written down here"
    assert [path for path in sorted(BUNDLED[flavour]) if at(ours(flavour), path) is not False] == []


@pytest.mark.parametrize(("flavour", "workload"), [("infisical", "backend"), ("infisical-standalone", "infisical")])
def test_a_key_in_the_wrong_place_goes_red(flavour: Flavour, workload: str) -> None:
    """Each key, moved to the top and below its neighbour; and the other chart's workload."""
    known = defaults(flavour)
    for key in ours(flavour)[workload]:
        if key == "fullnameOverride":  # both charts have one at the top, too
            continue
        moved = ours(flavour)
        moved[key] = moved[workload].pop(key)
        assert passed_over(moved, known, flavour), f"{key} at the top"
        moved = ours(flavour)
        moved[workload]["image"][key] = moved[workload].pop(key) if key != "image" else {}
        assert passed_over(moved, known, flavour), f"{key} below image"
    other = "infisical" if workload == "backend" else "backend"
    moved = ours(flavour)
    moved[other] = moved.pop(workload)
    assert passed_over(moved, known, flavour), f"all of it below {other}"


@pytest.mark.parametrize(
    "change",
    [
        {"infisical": {"kubeSecretReference": "x"}},
        {"infisical": {"replicaCount": "2"}},
        {"infisical": {"image": "infisical:v1"}},
        {"infisical": {"kubeSecretRef": {"name": "x"}}},
        {"infisical": {"databaseSchemaMigrationJob": {}}},
        {"redis": {"enable": False}},
        {"redis": False},
    ],
)
def test_a_key_that_a_chart_does_not_take_goes_red(change: Json) -> None:
    assert passed_over(change, defaults("infisical-standalone"), "infisical-standalone")
