"""Which Applications of ArgoCD would still act on what is adopted, however they mark it, and what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from operations.adoption import argocd
from operations.adoption.owners import TRACKING
from operations.cluster import Cluster, Object, Unanswered
from tests.tools.test_adoption import object_

IN_CLUSTER = {"server": "https://kubernetes.default.svc", "namespace": "n"}
CASCADE = {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}
ACTING: dict[str, Any] = {"syncPolicy": {"automated": {"selfHeal": True}}}
LISTED = {"resources": [{"version": "v1", "kind": "ConfigMap", "namespace": "n", "name": "a"}]}


class Applications(Cluster):
    """A cluster with Applications, or without ArgoCD."""

    def __init__(self, *found: Object, installed: bool = True) -> None:
        super().__init__(None, None)
        object.__setattr__(self, "found", list(found))
        object.__setattr__(self, "installed", installed)

    found: list[Object]
    installed: bool

    def get(self, path: str) -> Object | None:
        assert path == "/apis/argoproj.io/v1alpha1"
        return {"kind": "APIResourceList"} if self.installed else None

    def items(self, path: str) -> list[Object]:
        if not self.installed:
            raise Unanswered("applications.argoproj.io is forbidden")  # as who may not list is told of any kind
        assert path == "/apis/argoproj.io/v1alpha1/applications"
        return self.found


def application(
    name: str = "platform", namespace: str = "argocd", status: Any = None, metadata: Any = None, **spec: Any
) -> Object:
    about = {"name": name, "namespace": namespace, **(metadata or {})}
    return {"metadata": about, "spec": {"destination": IN_CLUSTER, **spec}, "status": status or {}}


def tracked(by: str) -> Object:
    return object_(metadata={"annotations": {TRACKING: f"{by}:/ConfigMap:n/a"}})


def refusals(*applications: Object, live: Object) -> list[str]:
    found, remarks = argocd.judge(Applications(*applications), [live])
    assert remarks == []
    return found


def test_argocd_must_neither_sync_nor_delete() -> None:
    [sentence] = refusals(application(metadata=CASCADE, **ACTING), live=tracked("platform"))
    assert "syncs by itself and deletes its objects when it goes" in sentence
    assert """{"spec": {"syncPolicy": {"automated": null}}, "metadata": {"finalizers": null}}""" in sentence
    [sentence] = refusals(application(syncPolicy={"automated": {}}), live=tracked("platform"))
    assert "syncs by itself:" in sentence


@pytest.mark.parametrize("spec", [{}, {"syncPolicy": {}}, {"syncPolicy": {"automated": {"enabled": False}}}])
def test_an_application_that_does_nothing_by_itself_is_no_hindrance(spec: Any) -> None:
    assert refusals(application(**spec), live=tracked("platform")) == []


def test_an_application_of_others_is_left_alone() -> None:
    assert argocd.judge(Applications(application("other", **ACTING)), [object_()]) == ([], [])


def test_an_application_outside_of_argocds_namespace_is_found_by_both_of_its_names() -> None:
    """With applications in any namespace, the mark is <namespace>_<name>."""
    [sentence] = refusals(application(namespace="team-a", **ACTING), live=tracked("team-a_platform"))
    assert "patch -n team-a applications.argoproj.io platform" in sentence


def test_before_release_3_argocd_marks_with_a_label_that_says_nothing_of_argocd() -> None:
    """`app.kubernetes.io/instance` is the default there, and charts set it, too. The Application's status knows."""
    live = object_(metadata={"labels": {"app.kubernetes.io/instance": "platform"}})
    [sentence] = refusals(application(status=LISTED, **ACTING), live=live)
    assert "Application platform syncs by itself" in sentence
    assert refusals(application("other", status={"resources": []}, **ACTING), live=live) == []


@pytest.mark.parametrize(("labels", "count"), [({}, 0), ({"argocd.argoproj.io/instance": "platform"}, 1)])
def test_an_application_for_a_different_cluster_is_none_of_ours(labels: dict[str, str], count: int) -> None:
    """One ArgoCD deploys the same names to many clusters, and knows its own by an address of the outside, perhaps."""
    elsewhere = application(status=LISTED, destination={"server": "https://10.0.0.1:6443"}, **ACTING)
    assert len(refusals(elsewhere, live=object_(metadata={"labels": labels}))) == count


@pytest.mark.parametrize("owned", [True, False])
def test_who_makes_the_application_would_undo_the_patch(*, owned: bool) -> None:
    """An ApplicationSet owns it, and an Application of Applications has it among its resources."""
    made = {"group": "argoproj.io", "kind": "Application", "namespace": "argocd", "name": "platform"}
    root = application("root", status={"resources": [made]}, **ACTING)
    owners = {"ownerReferences": [{"kind": "ApplicationSet", "name": "all"}]} if owned else {}
    found = refusals(application(metadata=owners, **ACTING), *([] if owned else [root]), live=tracked("platform"))
    assert [sentence.partition(" belongs to ")[2].partition(",")[0] for sentence in found] == [
        "",
        "ApplicationSet all" if owned else "Application root",
    ]


def test_once_it_was_changed_there_nothing_is_in_the_way() -> None:
    owners = {"ownerReferences": [{"kind": "ApplicationSet", "name": "all"}]}
    assert refusals(application(metadata=owners), live=tracked("platform")) == []


def test_an_argocd_of_a_different_cluster_is_named() -> None:
    found: Sequence[Cluster] = (Applications(installed=False), Applications(application("other")))
    for cluster in found:
        refused, remarks = argocd.judge(cluster, [tracked("platform"), tracked("platform")])
        assert refused == []
        [remark] = remarks
        assert "ArgoCD's Application platform tracks objects here, and this cluster doesn't have it" in remark
    assert argocd.judge(Applications(installed=False), [object_()]) == ([], [])
