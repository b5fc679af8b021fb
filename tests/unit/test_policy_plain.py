"""What the policy pack takes for plain data of the stack file."""

from __future__ import annotations

from declared import strings


def test_a_number_is_said_in_plain_too() -> None:
    """A Secret has it as text, and a database's version may be the same. A switch is no value of anybody's."""
    said = {"DAYS": 15, "ON": True, "NAME": "infisical", "NONE": None}
    assert dict(strings("extra", said)) == {("extra", "DAYS"): "15", ("extra", "NAME"): "infisical"}
