"""A delivery by External Secrets Operator: its condition says that it failed, and its event why. The test plays it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_cluster import Cluster
from job_engines import eventually

ID, NAME = "own-stack", "shop-env"
GROUP = "external-secrets.io"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
VERSION = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
KIND = {
    "metadata": {"name": f"externalsecrets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "ExternalSecret", "plural": "externalsecrets", "singular": "externalsecret"},
        "versions": [VERSION | {"schema": {"openAPIV3Schema": SCHEMA}}],
    },
}
# As v0.16.2 says them, in this order. It, and v2.7.0 and newer, say the second of whatever Infisical answers 404 to.
GENERAL = "could not get secret data from provider"
MISSING = "error processing spec.data[1] (key: {}), err: Secret does not exist"
# As v0.18.2 to v2.6.0 say it: the error of Infisical's SDK as it is, with the server's words.
REFUSED = (
    "error processing spec.data[1] (key: {}), err: APIError: CallRetrieveSecretV3Raw unsuccessful response "
    '[GET http://infisical:8080/api/v3/secrets/raw/{}] [status-code={}] [reqId=req-1] [message="{}"]'
)
NO_SECRET, NO_FOLDER = (
    "Secret with name '{}' not found",
    "Folder with path '/' in environment with slug 'prod' not found",
)
OR_ITS_FOLDER = ", or its folder, environment or project is gone there"
NOT_READY = 'error processing spec.data[0] (key: A), err: ClusterSecretStore "infisical.shop.shop-env" is not ready'


@pytest.fixture(scope="module")
def kind(cluster: Cluster) -> Iterator[Cluster]:
    """Lend the cluster the kind, without its schema."""
    cluster.create(DEFINITIONS, KIND)

    def served() -> bool:
        try:
            return "items" in cluster.call("GET", f"/apis/{GROUP}/v1/namespaces/default/externalsecrets")
        except (AssertionError, OSError, ValueError):
            return False

    eventually(served, "the kind is served")
    yield cluster
    cluster.call("DELETE", f"{DEFINITIONS}/externalsecrets.{GROUP}")


class Shop:
    """A delivery of a key of the stack and one of people."""

    def __init__(self, cluster: Cluster, start_job: Callable[..., Any], values: Path) -> None:
        self.cluster, self._start_job, self.values = cluster, start_job, values
        self.namespace = cluster.namespace("external")
        rules = [("", "secrets", ["get"], [NAME]), (GROUP, "externalsecrets", ["get"], [NAME])]
        cluster.grant(self.namespace, [*rules, ("", "events", ["list"], [])])
        (values / "a").write_bytes(b"one")
        self.path = f"/apis/{GROUP}/v1/namespaces/{self.namespace}/externalsecrets"
        body = {"apiVersion": f"{GROUP}/v1", "kind": "ExternalSecret", "metadata": {"name": NAME}}
        self.uid = cluster.create(self.path, body)["metadata"]["uid"]

    def says(self, status: str, message: str, *events: str) -> None:
        """Have the operator say it, with warnings from the oldest to the newest."""
        ready = {"type": "Ready", "status": status, "reason": "Tested", "message": message}
        self.cluster.call("PATCH", f"{self.path}/{NAME}/status", {"status": {"conditions": [ready]}})
        for minute, event in enumerate(events):
            body = {
                "metadata": {"generateName": "event-"},
                "involvedObject": {"kind": "ExternalSecret", "namespace": self.namespace, "uid": self.uid},
                "type": "Warning",
                "reason": "UpdateFailed",
                "message": event,
                "lastTimestamp": f"2026-01-01T00:{minute:02}:00Z",
            }
            self.cluster.create(f"/api/v1/namespaces/{self.namespace}/events", body)

    def writes(self, **data: str) -> None:
        body = {
            "metadata": {
                "name": NAME,
                "labels": {"infisical-platform/application": "shop"},
                "annotations": {"infisical-platform/stack-id": ID},
            },
            "stringData": data,
        }
        self.cluster.create(f"/api/v1/namespaces/{self.namespace}/secrets", body)

    def judged(self, deadline_seconds: float = 20) -> tuple[int, str]:
        keys = [
            {"key": "A", "secret": "A", "owner": "stack", "file": "a"},
            {"key": "B", "secret": "STRIPE", "owner": "people"},
        ]
        delivery = {"application": "shop", "environment": "prod", "path": "/", "namespace": self.namespace}
        delivery |= {"secret": NAME, "type": "Opaque", "keys": keys}
        (self.values.parent / "deliveries.json").write_text(json.dumps([delivery]))
        config = {"wish": str(self.values.parent), "deadline_seconds": deadline_seconds, "values": str(self.values)}
        done = self._start_job("delivered.py", config, STACK_ID=ID, **self.cluster.environment).outcome()
        return done.status, done.last_line


@pytest.fixture
def shop(kind: Cluster, start_job: Callable[..., Any], tmp_path: Path) -> Shop:
    (tmp_path / "values").mkdir()
    return Shop(kind, start_job, tmp_path / "values")


def test_bytes_are_believed(shop: Shop) -> None:
    shop.says("True", "secret synced")
    shop.writes(A="one", B="theirs")
    assert shop.judged() == (0, "delivered: 1 of 1 Secrets with 2 keys are delivered")


@pytest.mark.parametrize(
    "missing", [MISSING.format("STRIPE"), REFUSED.format("STRIPE", "STRIPE", 404, NO_SECRET.format("STRIPE"))]
)
def test_what_only_people_can_write_holds_up_nobody(shop: Shop, missing: str) -> None:
    shop.says("False", GENERAL, NOT_READY, missing)
    waits = f"Secret {shop.namespace}/{NAME} waits for people: STRIPE"
    assert shop.judged() == (0, f"delivered: 0 of 1 Secrets with 2 keys are delivered; {waits}")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([MISSING.format("STRIPE"), MISSING.format("A")], f"A has no value in Infisical{OR_ITS_FOLDER}"),
        ([REFUSED.format("A", "A", 404, NO_SECRET.format("A"))], "A has no value in Infisical"),
        ([REFUSED.format("STRIPE", "STRIPE", 404, NO_FOLDER)], f'[message="{NO_FOLDER}"]'),
        ([MISSING.format("STRIPE"), NOT_READY], NOT_READY),
        ([], GENERAL),
    ],
)
def test_anything_else_does_and_the_newest_reason_is_said(shop: Shop, events: list[str], said: str) -> None:
    shop.says("False", GENERAL, *events)
    status, line = shop.judged(0)
    assert "it doesn't exist, and External Secrets Operator says: " in line
    assert (status, line.endswith(said)) == (1, True), line


def test_an_operator_that_does_not_look_is_said(shop: Shop) -> None:
    assert shop.judged(0)[1].endswith("it doesn't exist, and External Secrets Operator has not looked at it yet")


def test_bytes_that_another_operator_has_left_prove_nothing(shop: Shop) -> None:
    shop.writes(A="one", B="theirs")
    assert shop.judged(0)[1].endswith("it was right before, and External Secrets Operator has not looked at it yet")
    shop.says("False", GENERAL, "unable to log in")
    status, line = shop.judged(0)
    assert (status, line.endswith("it was right before, and External Secrets Operator says: unable to log in")) == (
        1,
        True,
    ), line
