"""What can't be undone is refused before the first resource: a lower version, smaller volumes, a different class."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeguards import Refusal
from safeguards.database_version import refuse_downgrade
from safeguards.state import LastState
from safeguards.volumes import refuse_volume_change
from settings.machinery.types import bytes_of
from tests.unit.harness import COMMANDS, State, platform, settings_of

GATES = ("platform-db-gate-operator", "platform-db-gate-login", "platform-kv-servers")


def deployed(gate_succeeded: bool | None = True, /, **keys: Any) -> State:
    """Return the state that an `up` leaves, as the program itself declares it.

    Without `gate_succeeded` it is one from before the gate compared versions.
    """
    state: dict[str, dict[str, Any]] = {r.urn: {"type": r.type, "outputs": dict(r.inputs)} for r in platform(**keys)}
    gates = [urn for urn in state if urn.rpartition("::")[2] in GATES and "Job" in state[urn]["type"]]
    assert len(gates) == len(GATES)
    for gate in gates:
        if gate_succeeded is None:
            del state[gate]
        else:
            state[gate]["outputs"]["status"] = {"succeeded": 1} if gate_succeeded else {"failed": 1}
    return state


@cache
def unchanged() -> Any:
    return deployed()


def refused(before: State, **keys: Any) -> str:
    """Return why `up` does not begin; empty where it may."""
    state: Any = before
    settings = settings_of(**keys)
    try:
        refuse_downgrade(settings, LastState(state), COMMANDS)
        refuse_volume_change(settings, LastState(state), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


def both(section: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    return refused(deployed(**{section: before}), **{section: after})


def test_a_new_stack_and_an_unchanged_one_may_begin() -> None:
    assert refused({}) == ""
    assert refused(deployed()) == ""
    assert refused(deployed(database={"storageClass": "a"}), database={"storageClass": "a"}) == ""


# --- version ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate_succeeded", [True, None])
def test_a_lower_version_is_refused(gate_succeeded: bool | None) -> None:
    before = deployed(gate_succeeded, database={"version": "16"})
    message = refused(before, database={"version": "15"})
    assert message.startswith("database.version: the data is of PostgreSQL 16, and 15 can't read it")
    assert "pulumi config set --stack dev --path 'infisical-platform:database.version' 16. " in message
    assert refused(before, database={"version": "17"}) == ""


def test_an_upgrade_that_the_gate_has_not_seen_may_be_taken_back() -> None:
    """Setting the version back is what ends the operator's memory of a failed upgrade."""
    assert refused(deployed(False, database={"version": "17"}), database={"version": "15"}) == ""


# --- volumes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "consequence"),
    [("database", "the postgres-operator would ignore it"), ("redis", "with it at every later change of Redis")],
)
def test_a_smaller_volume_is_refused(section: str, consequence: str) -> None:
    message = both(section, {"storage": "10Gi"}, {"storage": "5Gi"})
    assert message.startswith(f"{section}.storage: 5Gi is less than the 10Gi of the volumes")
    assert consequence in message
    assert f"pulumi config set --stack dev --path 'infisical-platform:{section}.storage' 10Gi\n" in message


@pytest.mark.parametrize("section", ["database", "redis"])
def test_a_growth_that_the_gate_has_not_seen_may_be_taken_back(section: str) -> None:
    """A class or a quota keeps the volumes as they were, and an operator does nothing else until it is taken back."""
    for after in ("5Gi", "10.5Gi"):
        assert refused(deployed(False, **{section: {"storage": "10Gi"}}), **{section: {"storage": after}}) == ""
    before = deployed(False, **{section: {"storage": "10Gi"}})
    assert "storageClass" in refused(before, **{section: {"storage": "5Gi", "storageClass": "other"}})


@pytest.mark.parametrize("section", ["database", "redis"])
def test_a_size_that_no_gate_has_compared_counts(section: str) -> None:
    message = refused(deployed(None, **{section: {"storage": "10Gi"}}), **{section: {"storage": "5Gi"}})
    assert f"{section}.storage: 5Gi is less than the 10Gi" in message


@pytest.mark.parametrize("section", ["database", "redis"])
@pytest.mark.parametrize(
    ("before", "after", "way_back"),
    [
        ("fast", "slow", "config set --stack dev --path 'infisical-platform:{}.storageClass' fast\n"),
        ("fast", None, "config set --stack dev --path 'infisical-platform:{}.storageClass' fast\n"),
        (None, "slow", "config rm --stack dev --path 'infisical-platform:{}.storageClass'\n"),
    ],
)
def test_a_different_class_is_refused(section: str, before: str | None, after: str | None, way_back: str) -> None:
    message = both(section, {"storageClass": before}, {"storageClass": after})
    assert message.startswith(
        f"{section}.storageClass: the volumes are of {before or 'the cluster'}".replace("of fast", "of class fast")
    )
    assert way_back.format(section) in message


def test_all_that_is_wrong_is_said_at_once() -> None:
    before = deployed(database={"storage": "2Gi"}, redis={"storage": "2Gi", "storageClass": "fast"})
    message = refused(before, database={"storage": "1Gi"}, redis={"storage": "1Gi"})
    assert re.findall(r"^[\w.]+(?=:)", message, re.MULTILINE) == [
        "database.storage",
        "redis.storage",
        "redis.storageClass",
    ]


CLUSTER, REPLICATION = "platform-db-cluster", "platform-kv-replication"
SIZES = st.builds("{}{}".format, st.integers(400, 4000), st.sampled_from(["M", "Mi", "G", "Gi"]))


def resized(name: str, path: tuple[str, ...], size: str) -> State:
    """Return the state of stack dev with volumes of a different size."""
    state = copy.deepcopy(unchanged())
    part = next(resource for urn, resource in state.items() if urn.endswith(f"::{name}"))["outputs"]["spec"]
    for key in path[:-1]:
        part = part[key]
    assert path[-1] in part
    part[path[-1]] = size
    return state


@given(before=SIZES, after=SIZES)
def test_volumes_grow_and_stay_but_never_shrink(before: str, after: str) -> None:
    state = resized(REPLICATION, ("storage", "volumeClaimTemplate", "spec", "resources", "requests", "storage"), before)
    message = refused(state, redis={"storage": after})
    assert bool(message) == (bytes_of(after) < bytes_of(before))


@given(before=SIZES, after=SIZES)
def test_a_larger_database_is_one_that_the_operator_notices(before: str, after: str) -> None:
    """It compares whole GiB."""
    message = refused(resized(CLUSTER, ("volume", "size"), before), database={"storage": after})
    gib = [int(bytes_of(size) / 2**30) for size in (before, after)]
    assert bool(message) == (bytes_of(after) != bytes_of(before) and gib[1] <= gib[0])


def test_the_program_ends_before_it_makes_anything() -> None:
    with pytest.raises(pulumi.RunError, match=r"redis\.storage: 1Gi is less"):
        platform(state=deployed(redis={"storage": "2Gi"}), redis={"storage": "1Gi"})
    with pytest.raises(pulumi.RunError, match=r"database\.version: the data is of PostgreSQL 17"):
        platform(state=deployed(database={"version": "17"}), database={"version": "15"})
