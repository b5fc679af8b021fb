"""Which labels and annotations of a Secret keep it where it is: others find it by them, and its copy has none."""

from __future__ import annotations

from typing import Any

import pytest
from moved_kinds import found

SEALED = [{"kind": "SealedSecret", "name": "s", "controller": True}]


def obstacle(**metadata: Any) -> str:
    return found({"metadata": {"name": "s", **metadata}, "type": "Opaque", "data": {"K": "dg=="}}).obstacle


@pytest.mark.parametrize(
    "label",
    [
        "argocd.argoproj.io/secret-type",
        "grafana_datasource",
        "jenkins.io/credentials-type",
        "cnpg.io/reload",
        "sealedsecrets.bitnami.com/sealed-secrets-key",
        "reconcile.fluxcd.io/watch",
    ],
)
def test_a_secret_that_others_find_by_its_label_stays(label: str) -> None:
    for owners in ([], SEALED):
        said = obstacle(labels={"app": "shop", label: "x"}, ownerReferences=owners)
        assert said == (
            f"others may find it by its label {label}, which its copy would not have: leave it, or take that off first "
            "if nothing needs it"
        )


def test_argocd_finds_what_is_called_a_part_of_it() -> None:
    assert "by its label app.kubernetes.io/part-of=argocd" in obstacle(labels={"app.kubernetes.io/part-of": "argocd"})
    assert obstacle(labels={"app.kubernetes.io/part-of": "shop"}) == ""


@pytest.mark.parametrize(
    "label",
    [
        *("app", "name", "chart", "release", "heritage", "component", "env", "environment", "team", "tier", "version"),
        *("app.kubernetes.io/name", "app.kubernetes.io/managed-by", "helm.sh/chart", "argocd.argoproj.io/instance"),
        *("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace", "velero.io/restore-name"),
        "applyset.kubernetes.io/part-of",
    ],
)
def test_what_only_says_whose_it_is_is_no_obstacle(label: str) -> None:
    assert obstacle(labels={label: "Helm"}, ownerReferences=SEALED) == ""


@pytest.mark.parametrize(
    "annotation",
    [
        "reflector.v1.k8s.emberstack.com/reflection-allowed",
        "replicator.v1.mittwald.de/replicate-to",
        "kubed.appscode.com/sync",
        "reloader.stakater.com/match",
        "tekton.dev/git-0",
        "kpack.io/docker",
        "secretgen.carvel.dev/image-pull-secret",
        "cert-manager.io/allow-direct-injection",
    ],
)
def test_a_secret_whose_annotation_others_act_on_stays(annotation: str) -> None:
    said = obstacle(annotations={annotation: "x"}, ownerReferences=SEALED)
    assert said.startswith(f"others act on its annotation {annotation}, which its copy would not have: leave it, or ")


@pytest.mark.parametrize(
    "annotation",
    [
        *("kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name", "helm.sh/resource-policy"),
        *("sealedsecrets.bitnami.com/managed", "argocd.argoproj.io/sync-wave", "reloader.stakater.com/ignore"),
    ],
)
def test_other_annotations_are_no_obstacle(annotation: str) -> None:
    assert obstacle(annotations={annotation: "x"}) == ""


def test_what_external_secrets_has_delivered_is_not_moved_again() -> None:
    """Where it stays without its delivery, nothing owns it and Infisical's operator has left no annotation."""
    assert obstacle(labels={"infisical-platform/application": "shop"}) == "it comes from Infisical already"


@pytest.mark.parametrize("owners", [[], SEALED])
def test_what_a_sealed_secret_only_adds_to_stays(owners: list[dict[str, Any]]) -> None:
    """It makes its own keys again, and no others. Without `managed` nothing says that it is there."""
    patch = "sealedsecrets.bitnami.com/patch"
    said = obstacle(annotations={patch: "true"}, ownerReferences=owners)
    assert said == "a SealedSecret only adds to it: what else it has would not come back with that"
    assert obstacle(annotations={patch: "false"}, ownerReferences=owners) == ""
