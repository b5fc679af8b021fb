"""Where volumes come from."""

from __future__ import annotations

from typing import Any

import pytest

from operations.checks.result import Level
from tests.tools.doctor.known import (
    CLASSES,
    STORAGE,
    all_ok,
    ask,
    cluster,
    only,
    storage_class,
)


def test_storage_is_the_named_class_or_the_default_one() -> None:
    assert [row.seen for row in ask(STORAGE).values()] == ["fast, the default one"] * 2
    results = ask(STORAGE, database={"storageClass": "slow"})
    assert results["StorageClass of database"].seen == "slow"
    assert all_ok(results)


def test_a_class_that_is_not_there_fails_with_one_that_is() -> None:
    missing = only(ask(STORAGE, redis={"storageClass": "gold"}))
    assert (missing.level, missing.subject) == (Level.FAIL, "StorageClass of redis")
    assert missing.fix == "pulumi config set --stack dev --path 'infisical-platform:redis.storageClass' fast"


@pytest.mark.parametrize("classes", [[], [storage_class("slow")]])
def test_without_a_default_class_both_fail(classes: list[dict[str, Any]]) -> None:
    results = ask(STORAGE, cluster({CLASSES: {"items": classes}}))
    assert [row.level for row in results.values()] == [Level.FAIL, Level.FAIL]
