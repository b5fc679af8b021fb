"""`make migrate-secrets --undo` in the wrong order: what pods have comes to no harm, and the first step is named."""

from __future__ import annotations

import pytest

from operations.errors import OperationError
from operations.moving import command
from tests.tools.moving.namespace import Shop
from tests.tools.moving.objects import line, made_by, workload


def first(step: str) -> str:
    return rf"irst make migrate-secrets STACK=prod NAMESPACE=shop OPTIONS='--step {step} --undo --yes'"


def test_values_stay_while_they_are_delivered(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    shop.cluster.log_ = []
    with pytest.raises(OperationError, match=first("deliver")):
        shop.run("copy", "--undo", "--yes")
    assert shop.cluster.config["mode"] == "inventory"
    shop.run("deliver", "--undo", "--yes")
    shop.run("copy", "--undo", "--yes")
    assert shop.cluster.config["mode"] == "remove"


def test_deliveries_stay_while_pods_use_them(shop: Shop) -> None:
    """An unprotected stack deletes what it has delivered."""
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    before = shop.file.read_text()
    shop.cluster.objects_ = [made_by(workload("Pod", "p", "env-infisical"), "Rollout", "shop")]
    with pytest.raises(OperationError, match=rf"in use: env-infisical \(rollout/shop\)\. F{first('switch')}"):
        shop.run("deliver", "--undo", "--yes")
    assert shop.file.read_text() == before


def test_nothing_is_pointed_back_at_what_is_gone(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.run("switch", "--yes")
    [env, *others] = shop.cluster.said["inventory"]
    shop.cluster.said["inventory"] = others
    with pytest.raises(OperationError, match=f"nothing can be pointed back at env, which .*: f{first('retire')}"):
        shop.run("switch", "--undo", "--yes")
    shop.cluster.said["inventory"] = [env, *others]
    shop.run("switch", "--undo", "--yes")
    assert shop.cluster.objects_[0] == workload("Deployment", "shop", "env")


def test_what_is_put_back_is_awaited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = []
    shop.run("retire", "--yes")
    shop.cluster.opens = False
    waited: list[float] = []
    monkeypatch.setattr(command.time, "sleep", waited.append)
    monkeypatch.setattr(command.time, "monotonic", lambda: sum(waited))
    with pytest.raises(
        OperationError, match=r"env have no Secret yet\. kubectl describe sealedsecrets -n shop env says why"
    ):
        shop.run("retire", "--undo", "--yes")
    assert sum(waited) == command.OPENING_SECONDS
    monkeypatch.setattr(command.time, "sleep", lambda _: setattr(shop.cluster, "opens", True))
    shop.run("retire", "--undo", "--yes")


def test_what_comes_back_with_less_is_said(shop: Shop) -> None:
    """A release before this one retired SealedSecrets that only add to a Secret of somebody else."""
    shop.run("plan", "--yes")
    shop.cluster.objects_ = []
    shop.run("retire", "--yes")
    shop.cluster.said["inventory"] = [line("env", ["PASSWORD", "new"], owner="SealedSecret/env"), line("tls", ["x"])]
    with pytest.raises(
        OperationError,
        match=r"are back, but they do not make all that .* has: Secret env lacks binary\. Nothing is lost, Infisical",
    ):
        shop.run("retire", "--undo", "--yes")
    assert "env" in shop.cluster.sealed
    shop.cluster.said["inventory"] = [line("env", ["PASSWORD", "binary"], owner="SealedSecret/env")]
    shop.run("retire", "--undo", "--yes")


def test_what_comes_back_without_an_application_is_compared_with_nothing(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = []
    shop.run("retire", "--yes")
    shop.run("plan", "--undo", "--yes")
    shop.cluster.said["inventory"] = []
    shop.run("retire", "--undo", "--yes")
    assert "env" in shop.cluster.sealed
