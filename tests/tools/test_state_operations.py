"""What changes a state where the engine can't any more, and what keeps `destroy` from taking more than its own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from operations import destroy, forget_cluster, refresh
from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from operations.state import leave_kubeconfig_out
from safeguards.cluster import LiveCluster
from tests.tools.fake_stack import FakeStack

KEPT = {
    "infisical": {"siteUrl": "https://secrets.example.org"},
    "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
}
PROVIDER, SECRET, PASSWORD = "urn:a::kubernetes", "urn:b::infisical-secrets", "urn:c::infisical-secrets-encryption-key"


def state(kubeconfig: str = "") -> dict[str, Any]:
    provider = {"clusterIdentifier": "uid-old", "kubeconfig": kubeconfig}
    return {
        "version": 3,
        "deployment": {
            "resources": [
                {"urn": "urn:s::stack", "type": "pulumi:pulumi:Stack"},
                {"urn": PROVIDER, "type": "pulumi:providers:kubernetes", "inputs": provider, "outputs": dict(provider)},
                {"urn": SECRET, "type": "kubernetes:core/v1:Secret", "id": "infisical/infisical-secrets"},
                {
                    "urn": PASSWORD,
                    "type": "random:index/randomPassword:RandomPassword",
                    "dependencies": [SECRET, "urn:s::stack"],
                    "propertyDependencies": {"keepers": [SECRET], "length": None},
                    "outputs": {"result": {"ciphertext": "v1:abc"}},
                },
            ],
            "pending_operations": [{"type": "creating", "resource": {"urn": SECRET}}],
        },
    }


@dataclass(frozen=True)
class Kept(FakeStack):
    """A stack whose state can be imported."""

    kept: dict[str, Any] = field(default_factory=lambda: dict(KEPT))
    imported: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    shown: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def run(self, *arguments: str, input: str = "") -> str:
        if arguments == ("stack", "import"):
            self.imported.append(json.loads(input))
            self.forget_state()
            return ""
        if arguments == ("stack", "export"):
            return json.dumps(self.state)
        return super().run(*arguments, input=input)

    def show(self, *arguments: str) -> None:
        self.shown.append(arguments)


@pytest.fixture(autouse=True)
def _in_its_own_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch, "uid-old")


def leads_to(monkeypatch: pytest.MonkeyPatch, uid: str) -> None:
    """Have the stack's context lead to the cluster with this uid."""
    monkeypatch.setattr(LiveCluster, "namespaces", lambda _: {"kube-system": {"uid": uid}})


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- forget-cluster --------------------------------------------------------------------------------------------------


def test_a_forgotten_cluster_leaves_what_was_generated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = Kept(state=state())
    assert forget_cluster.run(stack, argparse.Namespace(cluster="uid-old")) == 0

    [imported] = stack.imported
    resources = imported["deployment"]["resources"]
    assert [r["urn"] for r in resources] == ["urn:s::stack", PASSWORD]
    assert resources[1]["outputs"] == {"result": {"ciphertext": "v1:abc"}}, "as it was, encrypted"
    assert resources[1]["dependencies"] == ["urn:s::stack"], "Pulumi refuses a reference into nothing"
    assert resources[1]["propertyDependencies"] == {"keepers": [], "length": None}
    assert imported["deployment"]["pending_operations"] == []
    [copy] = tmp_path.glob("state-prod-*.json")
    assert json.loads(copy.read_text()) == state()
    assert copy.stat().st_mode & 0o077 == 0
    assert "2 resources of cluster uid-old are forgotten" in (printed := capsys.readouterr().out)
    assert "infisical-secrets-encryption-key" in printed


def test_no_other_cluster_is_forgotten(tmp_path: Path) -> None:
    stack = Kept(state=state())
    with pytest.raises(OperationError, match="stack prod is in uid-old, not in uid-new: nothing is forgotten"):
        forget_cluster.run(stack, argparse.Namespace(cluster="uid-new"))
    assert not stack.imported
    assert not [*tmp_path.iterdir()]


# --- the kubeconfig --------------------------------------------------------------------------------------------------

ANY = Cluster(None, None)


def test_a_path_of_another_machine_leaves_the_state() -> None:
    stack = Kept(state=state("/home/somebody/.kube/config"))
    assert leave_kubeconfig_out(stack, ANY).startswith("taken out of the state")
    [imported] = stack.imported
    provider = imported["deployment"]["resources"][1]
    assert provider["inputs"]["kubeconfig"] == provider["outputs"]["kubeconfig"] == ""
    assert provider["outputs"]["clusterIdentifier"] == "uid-old"
    stack.state["deployment"] = imported["deployment"]
    assert stack.deployment == imported["deployment"], "later steps read what was imported"


def test_the_path_that_the_stack_names_stays() -> None:
    stack = Kept(kept=KEPT | {"cluster": {"kubeconfig": "/a/config"}}, state=state("/a/config"))
    leave_kubeconfig_out(stack, ANY)
    assert not stack.imported


# --- destroy ---------------------------------------------------------------------------------------------------------


def holding(monkeypatch: pytest.MonkeyPatch, *live: Object) -> Kept:
    """Return a stack whose namespaces hold these: Infisical's, and that of a cert-manager that it has installed."""

    def objects(_self: Cluster, _kinds: Sequence[str], namespace: str = "") -> list[Object]:
        return [o for o in live if o["metadata"]["namespace"] == namespace]

    monkeypatch.setattr(Cluster, "objects", objects)
    deployed = state()
    made = [{"urn": "u", "type": "kubernetes:core/v1:Namespace", "id": id_} for id_ in ("infisical", "cert-manager")]
    deployed["deployment"]["resources"] += made
    return Kept(state=deployed)


def named(kind: str, name: str, namespace: str = "infisical", **metadata: Any) -> Object:
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name, **metadata}}


OWN = (
    named("Secret", "infisical-secrets"),
    named("Secret", "sh.helm.release.v1.infisical.v3"),
    named("ConfigMap", "kube-root-ca.crt"),
    named("Pod", "x-1", ownerReferences=[{"kind": "ReplicaSet"}]),
    named("Deployment", "cert-manager-webhook", "cert-manager"),
    named("Secret", "sh.helm.release.v1.cert-manager.v1", "cert-manager"),
)


def test_a_namespace_with_the_stacks_own_alone_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = holding(monkeypatch, *OWN)
    destroy.run(stack, argparse.Namespace(yes=False))
    assert stack.shown == [("destroy",)], "Pulumi asks"


def released(name: str, release: str) -> Object:
    """Return what Helm has made, under a name that the stack's prefix decides."""
    said = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "infisical"}
    return named("Deployment", name, annotations=said)


def test_what_helm_made_for_the_stack_is_its_own_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart of the secrets operator cuts its names, so a prefix changes all of them."""
    stack = holding(monkeypatch, *OWN, released("blue-so-controller-manager", "so"))
    stack.state["deployment"]["resources"].append(
        {"urn": "r", "type": "kubernetes:helm.sh/v3:Release", "id": "infisical/so"}
    )
    destroy.run(stack, argparse.Namespace(yes=False))
    assert stack.shown == [("destroy",)]

    other = holding(monkeypatch, *OWN, released("metrics", "somebody-elses"))
    with pytest.raises(OperationError, match="  infisical: Deployment metrics\n"):
        destroy.run(other, argparse.Namespace(yes=True))


def test_nothing_is_destroyed_with_somebody_elses_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = holding(monkeypatch, *OWN, named("Deployment", "shop"), named("PersistentVolumeClaim", "orders"))
    with pytest.raises(OperationError) as caught:
        destroy.run(stack, argparse.Namespace(yes=True))
    assert "  infisical: Deployment shop\n  infisical: PersistentVolumeClaim orders\n" in str(caught.value)
    assert not stack.shown


def claims(*names: str, **metadata: Any) -> list[Object]:
    return [named("PersistentVolumeClaim", name, **metadata) for name in names]


def test_a_volume_is_the_stacks_by_its_whole_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """People call a volume of dumps, and a second database beside the stack's, as the platform is called."""
    own = claims("pgdata-platform-db-cluster-0", "platform-kv-platform-kv-2")
    own += claims("scratch", ownerReferences=[{"kind": "Pod", "name": "x-1"}])
    stack = holding(monkeypatch, *OWN, *own)
    destroy.run(stack, argparse.Namespace(yes=False))
    assert stack.shown == [("destroy",)]

    theirs = claims("infisical-dumps", "pgdata-platform-db-analytics-0", "platform-kv-cache-platform-kv-cache-0")
    theirs += claims("pgdata-owned-0", ownerReferences=[{"kind": "postgresql", "name": "owned"}])
    stack = holding(monkeypatch, *OWN, *theirs)
    with pytest.raises(OperationError) as caught:
        destroy.run(stack, argparse.Namespace(yes=True))
    assert [line.split()[-1] for line in str(caught.value).splitlines()[1:-1]] == [
        each["metadata"]["name"] for each in theirs
    ]
    assert not stack.shown


@pytest.mark.parametrize("operation", [destroy, refresh])
def test_nothing_is_done_in_a_cluster_that_is_not_the_stacks(monkeypatch: pytest.MonkeyPatch, operation: Any) -> None:
    """A refresh would take all of the stack for deleted, and `destroy` delete what has the same names there."""
    leads_to(monkeypatch, "uid-other")
    stack = holding(monkeypatch, *OWN)
    with pytest.raises(OperationError, match=r"resources are in cluster uid-old, and .* leads to cluster uid-other"):
        operation.run(stack, argparse.Namespace(yes=True))
    assert not stack.shown
    leads_to(monkeypatch, "uid-old")
    operation.run(stack, argparse.Namespace(yes=True))
    assert stack.shown == [(operation.__name__.rpartition(".")[2], "--yes", "--skip-preview")]


@pytest.mark.parametrize("operation", [destroy, refresh])
def test_pulumi_does_not_go_the_way_of_the_last_update_to_a_different_cluster(
    monkeypatch: pytest.MonkeyPatch, operation: Any
) -> None:
    """Without the program, Pulumi takes the context that the state has, and that name may be somebody else's by now."""
    clusters = {"mine": "uid-old", "default": "uid-other", "renamed": "uid-old"}
    monkeypatch.setattr(
        LiveCluster, "namespaces", lambda live: {"kube-system": {"uid": clusters[live.settings.context]}}
    )

    def made_by(context: str) -> Kept:
        stack = holding(monkeypatch, *OWN)
        stack.kept["cluster"] = {"context": "mine"}
        stack.state["deployment"]["resources"][1]["inputs"]["context"] = context
        return stack

    stack = made_by("default")
    with pytest.raises(OperationError, match=r"for this, default, .* \(uid-other\)\. `make repair STACK=prod`"):
        operation.run(stack, argparse.Namespace(yes=True))
    assert not stack.shown

    leave_kubeconfig_out(stack, ANY)
    [imported] = stack.imported
    assert imported["deployment"]["resources"][1]["inputs"]["context"] == "mine"

    stack = made_by("renamed")
    operation.run(stack, argparse.Namespace(yes=True))
    assert stack.shown


def test_a_new_stack_asks_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI looks for drift before the first `up`, too."""
    leads_to(monkeypatch, "uid-other")
    stack = Kept(state={"deployment": {}})
    refresh.run(stack, argparse.Namespace(yes=False))
    assert stack.shown == [("refresh",)]
    begun = {"type": "creating", "resource": {"urn": SECRET, "type": "kubernetes:core/v1:Secret"}}
    theirs = {"infisical": {"annotations": {"infisical-platform/stack-id": "x", "infisical-platform/stack": "a/b/c"}}}
    monkeypatch.setattr(LiveCluster, "namespaces", lambda _: {"kube-system": {"uid": "u"}, **theirs})
    with pytest.raises(OperationError, match="belong to stack a/b/c"):
        refresh.run(Kept(state={"deployment": {"pending_operations": [begun]}}), argparse.Namespace(yes=False))


def test_the_key_of_an_issuer_is_not_destroyed_with_cert_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = holding(monkeypatch, *OWN, named("Secret", "corporate-ca", "cert-manager"))
    with pytest.raises(OperationError, match="  cert-manager: Secret corporate-ca\n"):
        destroy.run(stack, argparse.Namespace(yes=True))
    assert not stack.shown


def test_a_cluster_that_does_not_answer_is_not_taken_for_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = holding(monkeypatch)

    def silent(*_: object) -> list[Object]:
        raise Unanswered("no answer within 7 s")

    monkeypatch.setattr(Cluster, "objects", silent)
    with pytest.raises(
        OperationError,
        match="does not tell what the stack's namespaces hold, and who has objects of its kinds: no answer",
    ):
        destroy.run(stack, argparse.Namespace(yes=True))
    assert not stack.shown
