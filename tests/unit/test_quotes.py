"""What YAML and Pulumi make something else of is refused, with a command that sets it as text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.configurations import errors, load, with_
from tests.unit.harness import RECIPIENT
from tests.unit.test_application_settings import complaints, shop

MIDNIGHT = "2026-11-26 00:00:00 +0000 UTC"  # what Pulumi makes of 2026-11-26


@pytest.mark.parametrize("value", [12345678901234567000, 1.1, True, MIDNIGHT])
@pytest.mark.parametrize("place", ["secrets prod / PIN", "secrets prod / STRIPE_KEY initial"])
def test_a_secrets_value_is_in_quotes(place: str, value: Any) -> None:
    [line] = complaints(shop(place, value) if "initial" not in place else _initial(value))
    assert "write it in quotes, because YAML makes something else of it. Change it: " in line
    assert " --path --type string 'infisical-platform:applications.shop.secrets.prod[" in line
    assert str(value) not in line


def _initial(value: Any) -> dict[str, Any]:
    return shop("secrets prod / STRIPE_KEY", {"owner": "people", "initial": value})


@pytest.mark.parametrize("value", [1.1, 12345678901234567000, MIDNIGHT, "2026-11-26 11:20:00.5 +0100 +0100"])
@pytest.mark.parametrize(
    "key", ["extraEnvironment.A", "pods.labels.a", "networkPolicies.metrics", "ingress.route.annotations.a"]
)
def test_text_that_yaml_changes_is_refused_elsewhere_too(key: str, value: Any) -> None:
    change: tuple[str, Any] = (key, value)
    if key == "networkPolicies.metrics":
        change = (key, [{"namespace": "monitoring", "labels": {"a": value}}])
    if key.startswith("ingress"):
        change = ("ingress.route", {"kind": "ingress", "annotations": {"a": value}})
    [line] = errors(with_(change))
    assert ": write it in quotes, because YAML makes something else of it" in line
    assert " --type string " in line


def test_a_small_number_is_a_variables_value() -> None:
    """`pulumi config set --path` writes it without quotes."""
    assert load(with_(("extraEnvironment.A", 12))).extra_environment == {"A": "12"}


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("restore.id", ("restore", {"id": MIDNIGHT, "from": "latest"})),
        ("escrow.date", ("escrow", {"date": MIDNIGHT, "keyLabel": "0" * 32})),
        ("escrow.date", ("escrow", {"date": "2026-19-39", "keyLabel": "0" * 32})),
        ("database.recover.time", ("database.recover", {"archive": "0" * 8, "time": MIDNIGHT})),
        ("database.recover.time", ("database.recover", {"archive": "0" * 8, "time": "2026-11-26T29:20:00+00:00"})),
    ],
)
def test_a_date_is_in_quotes_and_in_the_calendar(key: str, config: tuple[str, Any]) -> None:
    backup = ("backup", {"target": {"kind": "volume"}, "recipients": [RECIPIENT]})
    [line] = [line for line in errors(with_(config, backup)) if line.startswith(f"- {key}: ")]
    assert "in quotes" in line
