"""The CronJob of ci/drift-cronjob.yaml may read whatever a stack makes, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from settings.names import Names
from tests.contract.manifests import manifests
from tests.unit.harness import ROOT, SHAPES, shape

DOCUMENTS: list[dict[str, Any]] = [*yaml.safe_load_all((ROOT / "ci" / "drift-cronjob.yaml").read_text())]
CLUSTER_SCOPED = {"Namespace", "CustomResourceDefinition"}
READING = {"get", "list"}


def rules(role: str) -> list[dict[str, list[str]]]:
    [found] = [each for each in DOCUMENTS if (each["kind"], each["metadata"]["name"]) == ("ClusterRole", role)]
    return found["rules"]


def bindings(kind: str) -> Iterator[tuple[str, str]]:
    """Yield the namespace and the role of each binding to the CronJob's account."""
    for each in DOCUMENTS:
        if each["kind"] == kind:
            [subject] = each["subjects"]
            assert (subject["kind"], subject["name"]) == ("ServiceAccount", "drift")
            yield each["metadata"].get("namespace", ""), each["roleRef"]["name"]


def test_it_only_reads() -> None:
    for role in {role for kind in ("RoleBinding", "ClusterRoleBinding") for _, role in bindings(kind)}:
        assert all({*rule["verbs"]} == READING for rule in rules(role)), role


def test_it_reads_each_namespace_of_a_stack() -> None:
    assert dict(bindings("RoleBinding")) == dict.fromkeys(Names().namespaces, "infisical-platform:reads")
    assert rules("infisical-platform:reads") == [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]


@pytest.mark.parametrize("name", SHAPES)
def test_it_reads_what_is_in_no_namespace(name: str) -> None:
    assert [*bindings("ClusterRoleBinding")] == [("", "infisical-platform:reads-cluster")]
    found = rules("infisical-platform:reads-cluster")
    readable = {(group, resource) for rule in found for group in rule["apiGroups"] for resource in rule["resources"]}
    for manifest in manifests(shape(name)):
        kind = manifest["kind"]
        if kind in CLUSTER_SCOPED or kind.startswith("Cluster"):
            group = manifest["apiVersion"].rpartition("/")[0]
            assert (group, f"{kind.lower()}s") in readable, f"{kind} {manifest['metadata']['name']}"
        else:
            assert manifest["metadata"].get("namespace"), kind
