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
@pytest.mark.parametrize(
    ("section", "claims"),
    [
        (
            "database",
            "/api/v1/namespaces/platform-db-pg/persistentvolumeclaims?labelSelector=cluster-name=platform-db-cluster",
        ),
        ("redis", "/api/v1/namespaces/platform-kv-redis-cluster/persistentvolumeclaims?labelSelector=app=platform-kv"),
    ],
)
def test_a_larger_volume_needs_a_class_whose_volumes_grow(
    section: str, claims: str, *, grows: bool, asked: str, level: Level
) -> None:
    """The operators would ask for it all the same, and do nothing else. It may be what the last `up` has ended at."""
    sizes = [{"spec": {"resources": {"requests": {"storage": size}}}} for size in ("2Gi", "1Gi")]
    paths = {
        CLASSES: {"items": [storage_class("fast", default=True, grows=grows)]},
        claims: {"items": sizes},
    }
    row = ask(STORAGE, cluster(paths), **{section: {"storage": asked}})[f"StorageClass of {section}"]
    assert row.level is level
    assert ("allowVolumeExpansion of class fast" in row.fix) is (level is Level.FAIL)
