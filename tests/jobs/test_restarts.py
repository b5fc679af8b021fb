"""Workloads follow their Secrets, and nothing restarts without need: against the stand-in of the operator."""

from __future__ import annotations

from typing import Any

import pytest
from delivery_bench import ID, Shop, deploy
from job_engines import eventually
from job_operator import RELOAD

EARLIER = "2002-01-01T00:00:00Z"
DONE = "delivered: 1 of 1 Secrets with 1 keys are delivered"


class Worker:
    """A Deployment that takes the Secret, with a pod whose container started then. None: it waits for the Secret."""

    def __init__(self, shop: Shop, started: str | None, pod: dict[str, Any] | None = None) -> None:
        self.shop, self.cluster, self.name = shop, shop.world.cluster, f"{shop.name}-app"
        volume = {"name": "v", "secret": {"secretName": shop.name}}
        self.path = deploy(self.cluster, shop.world.namespace, self.name, pod or {"volumes": [volume]})
        spec = self.cluster.call("GET", self.path)["spec"]["template"]
        self._pods = f"/api/v1/namespaces/{shop.world.namespace}/pods"
        self.cluster.create(self._pods, spec | {"metadata": spec["metadata"] | {"name": self.name}})
        self.start(started)
        shop.restarts = [f"deployment/{self.name}"]

    def start(self, started: str | None) -> None:
        state = {"running": {"startedAt": started}} if started else {"waiting": {"reason": "ContainerCreating"}}
        status = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        self.cluster.call("PATCH", f"{self._pods}/{self.name}/status", {"status": {"containerStatuses": [status]}})

    @property
    def annotations(self) -> dict[str, str]:
        return self.cluster.call("GET", self.path)["metadata"].get("annotations", {})

    def runs_with(self) -> str | None:
        return self.shop.world.restarted_for(self.path, self.shop.name)

    @property
    def is_restarted(self) -> tuple[int, str]:
        said = f"deployment/{self.name} is restarted for Secret {self.shop.world.namespace}/{self.shop.name}"
        return 0, f"{DONE}; {said}"


def version(shop: Shop) -> str:
    return shop.world.secret(shop.name)["metadata"]["annotations"]["secrets.infisical.com/version"]


def change(shop: Shop, value: str) -> None:
    """Have the stack and Infisical say a different value, and wait until the operator has brought it."""
    (shop.values / "a").write_text(value)
    shop.world.infisical.secrets = {"A": value}
    shop.world.hurry(shop.name)
    shop.world.arrives(shop.name, {"A": value.encode()})


def test_a_value_that_changes_in_the_up_that_adds_restarts_restarts(shop: Shop) -> None:
    """The operator has looked before the workload had its annotation, and never comes back to it."""
    shop.deliver()
    shop.world.arrives(shop.name, {"A": b"one"})
    worker = Worker(shop, EARLIER)
    change(shop, "two")
    assert shop.judged() == worker.is_restarted
    assert (worker.annotations[RELOAD], worker.runs_with()) == ("true", version(shop))
    assert shop.judged() == (0, DONE), "once is enough"


def test_a_restart_that_the_operator_has_lost_is_made_up_for(shop: Shop) -> None:
    """Somebody changed the workload in the moment in which it was to be restarted."""
    worker = Worker(shop, EARLIER)
    worker.cluster.call("PATCH", worker.path, {"metadata": {"annotations": {RELOAD: "true"}}})
    shop.deliver()
    eventually(worker.runs_with, "the operator restarts it")
    before, touched = worker.runs_with(), iter(range(10**6))

    def touch() -> None:
        worker.cluster.call("PATCH", worker.path, {"metadata": {"annotations": {"touched": str(next(touched))}}})

    shop.world.infisical.meanwhile = touch
    change(shop, "two")
    shop.world.infisical.meanwhile = lambda: None
    shop.world.looks_again(shop.name)
    assert worker.runs_with() == before != version(shop)
    assert shop.judged() == worker.is_restarted
    assert worker.runs_with() == version(shop)


def test_what_waited_for_its_secret_is_not_restarted_and_not_later_either(shop: Shop) -> None:
    worker = Worker(shop, None)
    shop.deliver()
    assert shop.judged() == (0, DONE)
    assert (worker.annotations[RELOAD], worker.runs_with()) == ("true", None)
    worker.start(EARLIER)
    written = shop.world.secret(shop.name)["metadata"]["resourceVersion"]
    metadata = {
        "labels": {"infisical-platform/application": "shop"},
        "annotations": {"infisical-platform/stack-id": ID, "wish": "2"},
    }
    shop.world.change_target(shop.name, metadata=metadata)
    rewritten = lambda: shop.world.secret(shop.name)["metadata"]["resourceVersion"] != written  # noqa: E731
    eventually(rewritten, "the operator writes the Secret anew, as with each change of a value of the stack")
    assert shop.judged() == (0, DONE)
    assert worker.runs_with() is None


@pytest.mark.parametrize(("value", "restarts"), [("one", False), ("before", True)])
def test_a_secret_that_is_adopted_restarts_what_has_a_different_value(shop: Shop, value: str, restarts: bool) -> None:
    secrets = f"/api/v1/namespaces/{shop.world.namespace}/secrets"
    made = {"metadata": {"name": shop.name}, "stringData": {"A": value}}
    found = shop.world.cluster.create(f"{secrets}?fieldManager=somebody", made)["metadata"]
    long_ago = [each | {"time": "2001-01-01T00:00:00Z"} for each in found["managedFields"]]
    metadata = {"annotations": {"infisical-platform/adopt": "shop"}, "managedFields": long_ago}
    shop.world.cluster.call("PATCH", f"{secrets}/{shop.name}", {"metadata": metadata})
    worker = Worker(shop, EARLIER)
    shop.deliver()
    assert shop.judged() == (worker.is_restarted if restarts else (0, DONE))
    assert worker.runs_with() == (version(shop) if restarts else None)


def test_a_workload_is_restarted_from_then_on(shop: Shop) -> None:
    worker = Worker(shop, None)
    shop.deliver()
    assert shop.judged() == (0, DONE)
    shop.world.infisical.secrets = {"A": "two"}
    shop.world.hurry(shop.name)
    eventually(worker.runs_with, "the operator restarts it")


def test_a_workload_that_can_not_be_restarted_is_said(shop: Shop) -> None:
    projected = {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": shop.name}}]}}]}
    deploy(shop.world.cluster, shop.world.namespace, f"{shop.name}-app", projected)
    shop.restarts = [f"deployment/{shop.name}-app", "deployment/later"]
    shop.deliver()
    status, said = shop.judged()
    assert status == 0
    assert f"deployment/{shop.name}-app doesn't use Secret {shop.world.namespace}/{shop.name} by env" in said
    assert f'deployment/later is not in {shop.world.namespace} yet: give it the annotation {RELOAD}: "true"' in said
