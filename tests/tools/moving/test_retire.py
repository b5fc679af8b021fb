"""`make migrate-secrets --step retire`: what still needs a Secret keeps its SealedSecret, whoever has made it."""

from __future__ import annotations

from typing import Any

import pytest

from operations.errors import OperationError
from operations.moving import command
from tests.tools.moving.namespace import Shop
from tests.tools.moving.objects import made_by, workload


def test_a_sealed_secret_goes_last_and_comes_back(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = []
    shop.run("retire", "--yes")
    assert shop.cluster.sealed == {}
    shop.run("retire", "--undo", "--yes")
    assert shop.cluster.sealed["env"]["metadata"] == {"name": "env", "namespace": "shop"}


def test_a_sealed_secret_stays_when_the_delivered_one_differs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = []
    monkeypatch.setattr(command.Move, "script", refuse)
    with pytest.raises(OperationError, match="KEY differ"):
        shop.run("retire", "--yes")
    assert "env" in shop.cluster.sealed


def refuse(move: command.Move, mode: str) -> None:
    raise OperationError(f"move-secrets: FAILED: {mode}: KEY differ")


@pytest.mark.parametrize(
    ("user", "maker", "advice"),
    [
        (
            workload("Pod", "p", "env"),
            ("ReplicaSet", "r"),
            "pod/p of replicaset/r: point replicaset/r at env-infisical",
        ),
        (workload("Pod", "p", "env"), ("StrimziPodSet", "x"), "pod/p of strimzipodset/x: point strimzipodset/x at"),
        (workload("StatefulSet", "s", "env"), ("Prometheus", "p"), "statefulset/s of prometheus/p: point prometheus/p"),
        (workload("Job", "j", "env"), ("ScaledJob", "s"), "job/j of scaledjob/s: point scaledjob/s at env-infisical"),
    ],
)
def test_what_a_custom_resource_makes_keeps_a_secret(
    shop: Shop, user: dict[str, Any], maker: tuple[str, str], advice: str
) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = [made_by(user, *maker)]
    for options in ((), ("--yes",)):
        with pytest.raises(OperationError, match=f"env is used by {advice}"):
            shop.run("retire", *options)
    assert "env" in shop.cluster.sealed


def rolling(updated: int, *pods: dict[str, Any]) -> list[dict[str, Any]]:
    """A Deployment of three pods that has been switched, its old ReplicaSet, and old pods."""
    deployment = workload("Deployment", "shop", "env-infisical")
    deployment["spec"]["replicas"] = 3
    deployment["status"] = {"replicas": 3, "updatedReplicas": updated}
    old = made_by(workload("ReplicaSet", "shop-1", "env"), "Deployment", "shop")
    old["spec"]["replicas"] = 3 - updated
    return [deployment, old, *(made_by(pod, "ReplicaSet", "shop-1") for pod in pods)]


def test_a_rollout_that_is_stuck_keeps_what_it_goes_back_to(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = rolling(1, *(workload("Pod", f"shop-1-{number}", "env") for number in range(4)))
    with pytest.raises(OperationError) as refused:
        shop.run("retire", "--yes")
    assert str(refused.value).splitlines() == [
        "these Secrets are still needed:",
        "  env is used by replicaset/shop-1, pod/shop-1-0, pod/shop-1-1 and 2 more of deployment/shop: "
        "it is not rolled out yet, see kubectl rollout status deployment/shop -n shop",
        "Nothing was deleted. Afterwards make migrate-secrets STACK=prod NAMESPACE=shop OPTIONS='--step retire --yes'",
    ]
    assert "env" in shop.cluster.sealed


def test_pods_that_nothing_replaces_are_to_be_restarted(shop: Shop) -> None:
    """What pulls a pod's image was written into it when it was made: a ServiceAccount that changes replaces no pod."""
    shop.run("plan", "--yes")
    shop.cluster.objects_ = rolling(3, workload("Pod", "shop-1-0", "env"))
    with pytest.raises(OperationError, match="pod/shop-1-0 of deployment/shop: they began with it, so kubectl rollout"):
        shop.run("retire", "--yes")


def test_all_waits_for_the_pods_that_it_has_replaced(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = rolling(1, workload("Pod", "shop-1-0", "env"))

    def roll(_: float) -> None:
        assert "env" in shop.cluster.sealed
        shop.cluster.objects_ = rolling(3)

    monkeypatch.setattr(command.time, "sleep", roll)
    shop.run("retire", "--all", "--yes")
    assert shop.cluster.sealed == {}


@pytest.mark.parametrize("maker", ["Deployment", "Rollout"])
def test_all_waits_no_longer_than_it_helps_and_keeps_the_secret(
    shop: Shop, maker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("plan", "--yes")
    waited: list[float] = []
    monkeypatch.setattr(command.time, "sleep", waited.append)
    monkeypatch.setattr(command.time, "monotonic", lambda: sum(waited))
    shop.cluster.objects_ = rolling(1, workload("Pod", "shop-1-0", "env"))
    for made in shop.cluster.objects_[1:2]:
        made["metadata"]["ownerReferences"][0]["kind"] = maker
    with pytest.raises(OperationError, match="these Secrets are still needed"):
        shop.run("retire", "--all", "--yes")
    assert sum(waited) == (command.ROLLOUT_SECONDS if maker == "Deployment" else 0)
    assert "env" in shop.cluster.sealed


def test_only_what_nothing_in_sight_uses_may_be_deleted(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.run("plan", "--yes")
    shop.cluster.objects_ = []
    shop.run("retire", "--yes")
    assert (
        "no workload or pod uses these, delete them when you like, unless a custom resource does: "
        "kubectl delete secret -n shop dotted.name tls"
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "spec", "advice"),
    [
        (
            "StatefulSet",
            {"updateStrategy": {"type": "OnDelete"}},
            "its updateStrategy is OnDelete, so delete them, one after the other is ready again: "
            "kubectl delete -n shop pod/shop-0",
        ),
        (
            "StatefulSet",
            {"updateStrategy": {"rollingUpdate": {"partition": 2}}},
            "its updateStrategy has a partition that keeps them. Where nothing needs that, kubectl patch "
            "statefulset/shop -n shop --type=merge -p "
            """'{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'""",
        ),
        ("Deployment", {"paused": True}, "its rollout is paused, so kubectl rollout resume deployment/shop -n shop"),
    ],
)
def test_pods_that_a_workload_keeps_are_not_waited_for(
    shop: Shop, kind: str, spec: dict[str, Any], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("plan", "--yes")
    monkeypatch.setattr(command.time, "sleep", lambda _: pytest.fail("nothing ends by waiting"))
    made = workload(kind, "shop", "env-infisical")
    made["spec"] |= {"replicas": 3, **spec}
    made["status"] = {"replicas": 3, "updatedReplicas": 1}
    shop.cluster.objects_ = [made, *(made_by(workload("Pod", f"shop-{n}", "env"), kind, "shop") for n in range(2))]
    with pytest.raises(OperationError) as refused:
        shop.run("retire", "--all", "--yes")
    line = f"  env is used by pod/shop-0, pod/shop-1 of {kind.lower()}/shop: {advice}"
    assert str(refused.value).splitlines()[1] == line
    assert "env" in shop.cluster.sealed
