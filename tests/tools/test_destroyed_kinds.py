"""`make destroy` takes the kinds of the secrets operator along, and so asks who else has objects of them.

A protected stack is not destroyed at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import pytest

from operations import destroy
from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from safeguards.cluster import LiveCluster
from tests.tools.fake_stack import FakeStack

PATH = "/apis/secrets.infisical.com/v1beta1/infisicalstaticsecrets"
RESOURCES: list[dict[str, Any]] = [
    {"urn": "p", "type": "pulumi:providers:kubernetes", "outputs": {"clusterIdentifier": "uid"}},
    {"urn": "own", "type": "kubernetes:secrets.infisical.com/v1beta1:InfisicalStaticSecret", "id": "shop/shop-env"},
]


class Shown(FakeStack):
    """A stack that notes what Pulumi is told."""

    def show(self, *arguments: str) -> None:
        self.ran.append(arguments)


def deployed(*, keep: bool = False) -> Shown:
    versions = [{"name": "v1alpha1", "storage": False}, {"name": "v1beta1", "storage": True}]
    spec = {"group": "secrets.infisical.com", "names": {"plural": "infisicalstaticsecrets"}, "versions": versions}
    kind = {
        "urn": "kind",
        "type": "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "id": "infisicalstaticsecrets.secrets.infisical.com",
        "inputs": {"spec": spec},
        "retainOnDelete": keep,
    }
    issuer = {"kind": "existing", "name": "ca"}
    kept = {"infisical": {"siteUrl": "https://secrets.example.org"}, "ingress": {"issuer": issuer}}
    return Shown(kept=kept, state={"version": 3, "deployment": {"resources": [*RESOURCES, kind]}})


def has(monkeypatch: pytest.MonkeyPatch, *delivered: str) -> None:
    """Have the cluster hold these deliveries, and nothing else."""
    found = [{"metadata": dict(zip(("namespace", "name"), each.split("/"), strict=True))} for each in delivered]
    monkeypatch.setattr(LiveCluster, "namespaces", lambda _: {"kube-system": {"uid": "uid"}})
    monkeypatch.setattr(Cluster, "objects", lambda *_: [])
    monkeypatch.setattr(Cluster, "items", lambda _, path: found if path == PATH else [])


def test_deliveries_of_others_do_not_go_with_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "shop/shop-env", "blue/orders-env")
    stack = deployed()
    with pytest.raises(OperationError) as caught:
        destroy.run(stack, argparse.Namespace(yes=True))
    assert "  blue: infisicalstaticsecrets.secrets.infisical.com orders-env\n" in str(caught.value)
    assert "shop-env" not in str(caught.value)
    assert not any("destroy" in command for command in stack.ran)


@pytest.mark.parametrize(("delivered", "keep"), [(("shop/shop-env",), False), (("blue/orders-env",), True)])
def test_its_own_go_and_kinds_that_stay_harm_nobody(
    monkeypatch: pytest.MonkeyPatch, delivered: Sequence[str], keep: bool
) -> None:
    has(monkeypatch, *delivered)
    stack = deployed(keep=keep)
    destroy.run(stack, argparse.Namespace(yes=False))
    assert ("destroy",) in stack.ran


def test_a_cluster_that_does_not_say_is_not_taken_for_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch)

    def silent(*_: object) -> list[Object]:
        raise Unanswered("no right")

    monkeypatch.setattr(Cluster, "items", silent)
    with pytest.raises(OperationError, match="no right"):
        destroy.run(deployed(), argparse.Namespace(yes=True))


def test_of_a_protected_stack_nothing_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a preview Pulumi deletes Infisical and its way in, until it comes to the first that is protected."""
    has(monkeypatch)
    stack = deployed()
    stack.state["deployment"]["resources"][-1] |= {"urn": "urn::platform-db-cluster", "protect": True}
    with pytest.raises(OperationError) as caught:
        destroy.run(stack, argparse.Namespace(yes=True))
    assert str(caught.value) == (
        "stack prod protects its data (platform-db-cluster, …): nothing was destroyed. Where none of it is needed any "
        "more: `pulumi config set --stack prod --path 'infisical-platform:cluster.protect' false`, "
        "`pulumi up --stack prod`, and run this again"
    )
    assert not any("destroy" in command for command in stack.ran)
