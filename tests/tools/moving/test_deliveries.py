"""`make migrate-secrets --step deliver`: what it writes into a stack file, and what of others it leaves there."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from operations.errors import OperationError
from operations.moving import stack_file
from tests.tools.moving.namespace import Shop

OF_OTHERS = [
    {"environment": "prod", "path": "/env", "namespace": "workers", "secret": "env"},
    {"environment": "prod", "path": "/env", "namespace": "workers", "secret": "env-infisical"},
    {"environment": "prod", "path": "/env", "namespace": "shop", "secret": "by-hand"},
    {"environment": "staging", "path": "/env", "namespace": "shop", "secret": "env-infisical"},
    {"environment": "prod", "namespace": "shop", "secret": "of-the-root"},
]


def deliver(shop: Shop, *deliveries: dict[str, Any]) -> None:
    """Write deliveries into the stack file, as people do."""
    before = shop.application()
    after = {**before, "deliver": [*before.get("deliver", []), *deliveries]}
    stack_file.put(shop.file, "shop", after, before)


def test_deliveries_of_others_stay(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Their pods use what they get, and an unprotected stack deletes what it does not deliver any more."""
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    deliver(shop, *OF_OTHERS)
    capsys.readouterr()
    shop.run("deliver", "--undo", "--yes")
    assert shop.application()["deliver"] == OF_OTHERS
    assert (
        "keeps what this command has not written: workers/env, workers/env-infisical, shop/by-hand, "
        "shop/env-infisical, shop/of-the-root: pulumi up"
    ) in capsys.readouterr().out


def test_what_was_delivered_of_a_retired_secret_goes_too(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    shop.cluster.said["inventory"], shop.cluster.objects_ = [], []
    shop.run("deliver", "--undo", "--yes")
    assert "deliver" not in shop.application()
    assert yaml.safe_load(shop.file.read_text())


def test_values_that_others_deliver_stay(shop: Shop) -> None:
    """The step that takes deliveries back leaves those alone, so it is not what they wait for."""
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    deliver(shop, OF_OTHERS[0], *OF_OTHERS[2:])
    own = "take out yourself, if nothing uses them, what this command has not written: workers/env, shop/by-hand$"
    with pytest.raises(OperationError, match=f"first make migrate-secrets .*--step deliver --undo --yes'; {own}"):
        shop.run("copy", "--undo", "--yes")
    shop.run("deliver", "--undo", "--yes")
    with pytest.raises(OperationError, match=f"may have no others: {own}"):
        shop.run("copy", "--undo", "--yes")


def test_values_that_another_namespace_has_moved_stay(shop: Shop) -> None:
    shop.run("plan", "--yes")
    deliver(shop, OF_OTHERS[1])
    shop.run("copy", "--undo", "--yes")
    assert {item["folder"] for item in shop.cluster.config["items"]} == {"/tls", "/dotted_name"}
