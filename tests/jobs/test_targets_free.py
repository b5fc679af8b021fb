"""What the operator would harm is refused before it is told anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from job_cluster import Cluster

ID = "own-stack"
KEY = {"key": "A", "secret": "A", "owner": "stack"}


class Target:
    """A namespace with a Secret that may be in the way."""

    def __init__(self, cluster: Cluster, run_job: Callable[..., Any], wish: Path) -> None:
        self.cluster, self._run_job, self._wish = cluster, run_job, wish
        self.namespace = cluster.namespace("target")
        cluster.grant(self.namespace, [("", "secrets", ["get"], ["shop-env"])])

    def secret(self, **body: Any) -> None:
        metadata = {"name": "shop-env", **body.pop("metadata", {})}
        self.cluster.create(f"/api/v1/namespaces/{self.namespace}/secrets", {"metadata": metadata, **body})

    def outcome(self, kind: str = "Opaque") -> tuple[int, str]:
        delivery = {"application": "shop", "environment": "prod", "path": "/", "namespace": self.namespace}
        delivery |= {"secret": "shop-env", "type": kind, "keys": [KEY]}
        (self._wish / "deliveries.json").write_text(json.dumps([delivery]))
        config = {"wish": str(self._wish), "deadline_seconds": 20}
        done = self._run_job("targets_free.py", config, STACK_ID=ID, **self.cluster.environment)
        return done.status, done.last_line


@pytest.fixture
def target(cluster: Cluster, run_job: Callable[..., Any], tmp_path: Path) -> Target:
    return Target(cluster, run_job, tmp_path)


def marked(application: str, stack: str) -> dict[str, Any]:
    labels = {"infisical-platform/application": application}
    return {"labels": labels, "annotations": {"infisical-platform/stack-id": stack}}


def test_nothing_in_the_way(target: Target) -> None:
    assert target.outcome() == (0, "targets-free: 1 Secrets may be written; 0 are there already")


def test_what_the_stack_has_delivered_may_be_written_again(target: Target) -> None:
    target.secret(metadata=marked("shop", ID), stringData={"A": "hunter2"})
    assert target.outcome() == (0, "targets-free: 1 Secrets may be written; 1 are there already")


def test_a_secret_of_somebody_else_is_not_overwritten(target: Target) -> None:
    target.secret(stringData={"A": "hunter2"})
    status, said = target.outcome()
    assert status == 1
    assert f"Secret {target.namespace}/shop-env (application shop, prod, /): there is one already, made by" in said
    command = f"kubectl annotate secret shop-env -n {target.namespace} infisical-platform/adopt={ID}/shop"
    assert said.endswith(f"Deliver under a different name, or give it to the application: {command}")
    assert "hunter2" not in said


def owned_by(kind: str, name: str, api_version: str = "bitnami.com/v1alpha1") -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": name, "uid": "u"}]}


def test_who_owns_it_is_named(target: Target) -> None:
    target.secret(metadata=owned_by("SealedSecret", "shop-env"))
    assert "there is one already, owned by SealedSecret shop-env, and" in target.outcome()[1]


@pytest.mark.parametrize(
    "whose", [{"annotations": {"infisical-platform/adopt": f"{ID}/shop"}}, marked("shop", ID)], ids=["given", "ours"]
)
def test_what_its_owner_would_take_along_is_not_delivered(target: Target, whose: dict[str, Any]) -> None:
    """Kubernetes deletes a Secret with its owner, and Sealed Secrets write it again whenever they start."""
    target.secret(metadata={**whose, **owned_by("SealedSecret", "shop-env")})
    status, said = target.outcome()
    assert status == 1
    assert "SealedSecret shop-env owns it, and would write it again, or take it along when it goes" in said
    command = f"kubectl delete SealedSecret.v1alpha1.bitnami.com shop-env -n {target.namespace} --cascade=orphan"
    assert said.endswith(f"which leaves the Secret where it is: {command}")


@pytest.mark.parametrize(
    ("kind", "api_version"),
    [("InfisicalStaticSecret", "secrets.infisical.com/v1beta1"), ("ExternalSecret", "external-secrets.io/v1")],
)
def test_what_the_stacks_own_delivery_owns_is_written_again(target: Target, kind: str, api_version: str) -> None:
    target.secret(metadata={**marked("shop", ID), **owned_by(kind, "shop-env", api_version)})
    assert target.outcome()[0] == 0


def test_people_may_give_theirs_to_the_application(target: Target) -> None:
    target.secret(metadata={"annotations": {"infisical-platform/adopt": f"{ID}/shop"}})
    assert target.outcome()[0] == 0


@pytest.mark.parametrize("taker", ["shop", f"{ID}/blog", "other/shop"])
def test_what_was_given_to_another_application_or_stack_is_not_taken(target: Target, taker: str) -> None:
    """External Secrets Operator leaves the annotation, which would give the Secret away for ever."""
    metadata = marked("shop", "other")
    metadata["annotations"]["infisical-platform/adopt"] = taker
    target.secret(metadata=metadata)
    status, said = target.outcome()
    command = f"kubectl annotate secret shop-env -n {target.namespace} infisical-platform/adopt={ID}/shop --overwrite"
    assert (status, said.endswith(f"give it to this one: {command}")) == (1, True), said


def test_an_annotation_of_somebody_elses_secret_has_to_be_overwritten(target: Target) -> None:
    target.secret(metadata={"annotations": {"infisical-platform/adopt": "shop"}})
    assert target.outcome()[1].endswith(f"infisical-platform/adopt={ID}/shop --overwrite")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (
            marked("shop", "other"),
            "application shop of a different stack, whose cluster.stackId is other, delivers it already",
        ),
    ],
)
def test_two_deliveries_of_one_secret_are_refused(target: Target, metadata: dict[str, Any], said: str) -> None:
    target.secret(metadata=metadata)
    status, line = target.outcome()
    assert (status, said in line) == (1, True)


def test_what_can_not_be_written_is_refused_whosever_it_is(target: Target) -> None:
    target.secret(metadata=marked("shop", ID), immutable=True, type="example.org/x")
    status, said = target.outcome("kubernetes.io/tls")
    assert status == 1
    again = "take the delivery out and run `pulumi up`, delete the Secret, and set the delivery again"
    assert said.count(again) == 2, "the operator makes it again as it was, while there is the delivery of before"
    assert "it is immutable, so nothing can write it" in said
    assert "it is of type example.org/x, kubernetes.io/tls is asked for, and Kubernetes never changes a type" in said


def test_what_another_application_of_the_stack_has_delivered_is_taken(target: Target) -> None:
    """Settings let one application alone deliver a Secret. No annotation outlives the next look of the operator."""
    target.secret(metadata=marked("store", ID))
    assert target.outcome()[0] == 0


def test_a_secret_of_another_type_that_is_not_the_stacks_may_be_deleted(target: Target) -> None:
    target.secret(metadata={"annotations": {"infisical-platform/adopt": f"{ID}/shop"}}, type="example.org/x")
    assert target.outcome()[1].endswith("Deliver under a different name, or delete it")


def test_what_a_stack_that_was_made_anew_has_left_is_given_to_it(target: Target) -> None:
    target.secret(metadata=marked("shop", "lost-stack"))
    status, said = target.outcome()
    command = f"kubectl annotate secret shop-env -n {target.namespace} infisical-platform/adopt={ID}/shop --overwrite"
    assert (status, said.endswith(f"If that application is gone, give it to this one: {command}")) == (1, True), said
    given = {"metadata": {"annotations": {"infisical-platform/adopt": f"{ID}/shop"}}}
    target.cluster.call("PATCH", f"/api/v1/namespaces/{target.namespace}/secrets/shop-env", given)
    assert target.outcome()[0] == 0
