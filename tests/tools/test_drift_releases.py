"""What belongs to no namespace among a chart's objects: an operator's rights, webhooks and priority class."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
import yaml

from operations.cluster import Object
from operations.drift import healing
from operations.drift.owned import HELM
from operations.drift.report import named
from tests.tools.drifting import Api, changed, found, made

RELEASE = {
    "type": "kubernetes:helm.sh/v3:Release",
    "urn": "u",
    "inputs": {"name": "cert-manager"},
    "outputs": {"name": "cert-manager", "namespace": "cert-manager"},
}
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
ROLE: Object = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}


def recorded(*manifests: Object) -> Object:
    packed = gzip.compress(json.dumps({"manifest": yaml.safe_dump_all(manifests)}).encode())
    data = base64.b64encode(base64.b64encode(packed)).decode()
    labels = {"owner": "helm", "name": "cert-manager", "status": "deployed"}
    return made("Secret", "record", namespace="cert-manager", metadata={"labels": labels}, data={"release": data})


@pytest.mark.parametrize("said", [{}, {"namespace": "cert-manager"}])
@pytest.mark.parametrize(
    ("kind", "api", "field"),
    [
        ("ClusterRole", "rbac.authorization.k8s.io/v1", "rules"),
        ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "subjects"),
        ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", "webhooks"),
        ("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", "webhooks"),
        ("PriorityClass", "scheduling.k8s.io/v1", "value"),
    ],
)
def test_an_object_of_the_whole_cluster_is_not_taken_for_gone(kind: str, api: str, field: str, said: Any) -> None:
    """Helm's record names no namespace for it, nor for what is in the release's."""
    manifest: Object = {"apiVersion": api, "kind": kind, "metadata": {"name": "r", **said}, field: ["a"]}
    service: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"port": 1}}
    live = [
        changed(made(kind, "r", api, namespace=""), **{field: ["a"]}),
        changed(made("Service", "s", namespace="cert-manager"), spec={"port": 1}),
    ]
    assert found(Api(live=[recorded(manifest, service), *live]), RELEASE) == []


def test_what_somebody_added_to_an_operators_rights_is_named_and_put_back() -> None:
    more = [*RULES, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    live = changed(made("ClusterRole", "r", ROLE["apiVersion"], namespace=""), rules=more)
    cluster = Api(live=[recorded({**ROLE, "rules": RULES}), live])
    [drift] = found(cluster, RELEASE)
    assert (named(drift.key), drift.field, drift.gone) == ("ClusterRole r", "rules", False)
    healing.put_back(cluster, [drift])
    assert cluster.applied == [(HELM, {**ROLE, "rules": RULES})]
