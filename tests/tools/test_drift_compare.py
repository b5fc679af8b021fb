"""What counts as a difference, and what means the same to Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.drift.compare import differences, same
from operations.drift.paths import Item, text

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3)
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


@given(OBJECTS, st.booleans())
def test_nothing_differs_from_itself(value: dict[str, Any], built_in: bool) -> None:
    assert list(differences(value, value, built_in=built_in)) == []


@given(OBJECTS, OBJECTS, st.booleans())
def test_what_the_stack_does_not_say_is_somebody_elses(mine: Any, others: Any, built_in: bool) -> None:
    assert list(differences(mine, {**others, **mine}, built_in=built_in)) == []


@given(OBJECTS, st.text(max_size=3), st.integers(min_value=1))
def test_a_field_that_is_another_is_found(value: Any, key: str, number: int) -> None:
    one, other = {**value, key: {"x": number}}, {**value, key: {"x": number + 1}}
    [difference] = differences(one, other, built_in=True)
    assert (difference.path, difference.expected, difference.found) == ((key, "x"), number, number + 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("1", "1000m"), ("1Gi", "1024Mi"), ("1e3", "1k"), (0.5, "500m")],
        *[("2160h", "2160h0m0s"), ("90m", "1h30m0s"), (8080, "8080")],
    ],
)
def test_what_kubernetes_takes_for_equal_is_equal(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1m"), ("1Gi", "1G"), (True, 1), (False, "False"), ("", "0"), ("1h", "1m"), (None, "")]
)
def test_what_is_not_equal_is_not(one: Any, other: Any) -> None:
    assert not same(one, other)


def test_an_empty_field_is_none_where_kubernetes_drops_it() -> None:
    fields = {"hostNetwork": False, "volumes": [], "labels": {}, "name": ""}
    assert list(differences(fields, {}, built_in=True)) == []
    [user] = differences({"users": {"app": []}}, {"users": {}}, built_in=False)
    assert text(user.path) == "users.app", "a custom resource keeps it, so somebody has taken it away"


def test_lists_that_kubernetes_merges_are_compared_by_their_keys() -> None:
    mine = {"containers": [{"name": "a", "image": "x:1", "ports": [{"containerPort": 80}]}]}
    sidecar = {"name": "mesh", "image": "y"}
    ports = [{"containerPort": 80, "protocol": "TCP"}]
    other = {"containers": [sidecar, {"name": "a", "image": "x:2", "ports": ports}]}
    [image] = differences({"spec": mine}, {"spec": other}, built_in=True)
    assert text(image.path) == "spec.containers[a].image"


@pytest.mark.parametrize(
    ("mine", "other", "path"),
    [
        ({"rules": [{"verbs": ["get"]}]}, {"rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]}, "rules"),
        ({"subjects": [{"name": "a"}]}, {"subjects": [{"name": "a"}, {"name": "b"}]}, "subjects"),
        ({"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "1", "b": "2"}}}, "spec.selector.b"),
        (
            {"spec": {"podSelector": {"matchLabels": {"a": "1"}}}},
            {"spec": {"podSelector": {"matchLabels": {"a": "1", "b": "2"}}}},
            "spec.podSelector.matchLabels.b",
        ),
        (
            {"spec": {"ingress": [{"from": [{"podSelector": {}}]}]}},
            {"spec": {"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}},
            "spec.ingress[0].from[0].namespaceSelector",
        ),
        ({"podSelector": {}}, {"podSelector": {"matchLabels": {"a": "1"}}}, "podSelector.matchLabels"),
    ],
)
def test_one_more_where_all_of_it_counts_is_a_difference(mine: Any, other: Any, path: str) -> None:
    [difference] = differences(mine, other, built_in=True)
    assert text(difference.path) == path


def test_a_path_reads_as_people_write_it() -> None:
    path = ("metadata", "annotations", "a.b/c")
    assert text(path) == "metadata.annotations[a.b/c]"
    assert text(("spec", Item("", 0), "x")) == "spec[0].x"
