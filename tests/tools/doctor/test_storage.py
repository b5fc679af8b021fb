"""Where volumes come from."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from operations.checks import storage
from operations.checks.result import Check, Level
from tests.tools.doctor.known import (
    CLASSES,
    Exported,
    all_ok,
    ask,
    cluster,
    only,
    storage_class,
)
from tests.tools.fake_stack import FakeStack

STORAGE: Check = functools.partial(storage.storage_classes, Exported("dev"))


def test_storage_is_the_named_class_or_the_default_one() -> None:
    assert [row.seen for row in ask(STORAGE).values()] == ["fast, the default one"] * 2
    results = ask(STORAGE, database={"storageClass": "slow"})
    assert results["StorageClass of database"].seen == "slow"
    assert all_ok(results)


def test_the_mark_of_old_clusters_makes_a_default_class_too() -> None:
    old = storage_class("slow")
    old["metadata"]["annotations"] = {"storageclass.beta.kubernetes.io/is-default-class": "true"}
    found = ask(STORAGE, cluster({CLASSES: {"items": [old]}}))
    assert [row.seen for row in found.values()] == ["slow, the default one"] * 2


def test_a_class_that_is_not_there_fails_with_one_that_is() -> None:
    missing = only(ask(STORAGE, redis={"storageClass": "gold"}))
    assert (missing.level, missing.subject) == (Level.FAIL, "StorageClass of redis")
    assert missing.fix == "pulumi config set --stack dev --path 'infisical-platform:redis.storageClass' fast"


@pytest.mark.parametrize("classes", [[], [storage_class("slow")]])
def test_without_a_default_class_both_fail(classes: list[dict[str, Any]]) -> None:
    results = ask(STORAGE, cluster({CLASSES: {"items": classes}}))
    assert [row.level for row in results.values()] == [Level.FAIL, Level.FAIL]


@pytest.mark.parametrize(
    ("grows", "asked", "level"), [(False, "2Gi", Level.FAIL), (True, "2Gi", Level.OK), (False, "1Gi", Level.OK)]
)
def test_a_larger_volume_needs_a_class_whose_volumes_grow(*, grows: bool, asked: str, level: Level) -> None:
    """The operators would ask for it all the same, and wait."""
    claim = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    replication = {
        "urn": "u::platform-kv-replication",
        "type": "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication",
        "outputs": {"spec": {"storage": {"volumeClaimTemplate": claim}}},
    }
    stack = FakeStack(name="dev", state={"deployment": {"resources": [replication]}})
    check = functools.partial(storage.storage_classes, stack)
    classes = {CLASSES: {"items": [storage_class("fast", default=True, grows=grows)]}}
    row = ask(check, cluster(classes), redis={"storage": asked})["StorageClass of redis"]
    assert row.level is level
    assert ("allowVolumeExpansion of class fast" in row.fix) is (level is Level.FAIL)
