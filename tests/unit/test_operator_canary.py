"""The operator's proof: a secret of the stack's own, which applications can't touch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.operator_canary import canary
from settings.applications import CANARY, PeopleOwned, secrets_of
from tests.unit.harness import OPERATOR, ORGANIZATION, SHOP, Graph, platform, shape, with_applications
from tests.unit.network import Network, Pod
from tests.unit.test_application_settings import complaints, shop

HOME = "infisical-secrets-operator"
JOB = "Job/operator-canary"
STATIC = f"InfisicalStaticSecret/secret-delivery-{HOME}-operator-canary"
BOTH: dict[str, Any] = {"organization": ORGANIZATION, "secretsOperator": OPERATOR}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return shape("applications")


def template(graph: Graph, job: str = JOB) -> dict[str, Any]:
    return graph[job]["spec", "template"]


def config(graph: Graph, job: str = JOB) -> dict[str, Any]:
    [container] = template(graph, job)["spec"]["containers"]
    return json.loads(next(each["value"] for each in container["env"] if each["name"] == "CONFIG"))


def test_it_takes_an_organisation_and_an_operator_and_no_application() -> None:
    assert [r for r in platform(**BOTH).components if r.kind == "OperatorCanary"]
    for shape_ in ("organization", "operator", "dev"):
        assert not [str(r) for r in shape(shape_) if "canary" in str(r)]


def test_the_secret_is_delivered_into_the_operators_own_namespace_within_seconds(graph: Graph) -> None:
    assert graph[STATIC]["metadata", "namespace"] == HOME
    assert graph[STATIC]["spec", "syncOptions", "refreshInterval"] == "5s"
    [target] = graph[STATIC]["spec", "targets"]
    assert (target["namespace"], target["name"]) == (HOME, CANARY)
    others = graph["InfisicalStaticSecret/secret-delivery-shop-shop-env"]
    assert others["spec", "syncOptions", "refreshInterval"] == "30s"


def test_external_secrets_operator_is_proven_too() -> None:
    graph = platform(organization=ORGANIZATION, secretsOperator={"kind": "externalSecrets"})
    secret = graph[f"ExternalSecret/secret-delivery-{HOME}-operator-canary"]
    assert secret["spec", "refreshInterval"] == "5s"
    assert graph.waits(JOB, for_=str(secret))
    assert config(graph)["why"] == f"kubectl describe externalsecret {CANARY} -n {HOME}"


def test_it_comes_after_what_delivers_it_and_the_right_to_look(graph: Graph) -> None:
    for earlier in (STATIC, "Job/secret-delivery-gate", "Job/application-secrets", f"RoleBinding/{CANARY}"):
        assert graph.waits(JOB, for_=earlier)
    assert graph.free("ingress-route", of=JOB)


def test_all_of_it_is_a_part_of_the_applications(graph: Graph) -> None:
    proof = graph[f"OperatorCanary/{CANARY}"]
    assert proof.parent == graph["ApplicationSecrets/application-secrets"].urn
    made = [r for r in graph.objects if r.name.startswith(CANARY)]
    assert sorted(r.kind for r in made) == ["ConfigMap", "Job", "Role", "RoleBinding"]
    assert {r.parent for r in made} == {proof.urn}


def test_the_provisioner_changes_it_and_may_read_what_arrives(graph: Graph) -> None:
    assert template(graph)["spec"]["serviceAccountName"] == "infisical-provisioner"
    [volume] = [each["secret"] for each in template(graph)["spec"]["volumes"] if "secret" in each]
    assert volume["secretName"] == "infisical-bootstrap"
    role = graph[f"Role/{CANARY}"]
    assert role["metadata", "namespace"] == HOME
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [CANARY], "verbs": ["get"]}]
    [subject] = graph[f"RoleBinding/{CANARY}"]["subjects"]
    assert (subject["name"], subject["namespace"]) == ("infisical-provisioner", "infisical")


def test_it_says_where_to_look(graph: Graph) -> None:
    assert config(graph) | {"address": ""} == {
        "address": "",
        "project": CANARY,
        "environment": "canary",
        "key": "CANARY",
        "namespace": HOME,
        "secret": CANARY,
        "why": f"kubectl logs deployment/infisical-secre-controller-manager -n {HOME}",
        "anew": "`kubectl delete job application-secrets -n infisical`, `make refresh STACK=NAME`, "
        "`pulumi up --stack NAME`",
        "deadline_seconds": 180,
    }


def test_a_different_operator_or_server_is_proven_again_and_a_changed_application_is_not(graph: Graph) -> None:
    changed = with_applications(applications={"shop": SHOP | {"people": {}}})
    assert template(changed) == template(graph)
    for changed in (
        with_applications(secretsOperator=OPERATOR | {"memoryLimit": "300Mi"}),
        with_applications(infisical={"image": "infisical/infisical:v0.999.0"}),
        with_applications(organization=ORGANIZATION | {"machineAuth": "universal"}),
    ):
        assert template(changed)["metadata"]["annotations"] != template(graph)["metadata"]["annotations"]


def test_a_different_log_in_is_proven_for_each_delivery_too(graph: Graph) -> None:
    """The canary has an account of its own, and so has each application."""
    changed = with_applications(organization=ORGANIZATION | {"machineAuth": "universal"})
    gates = [each["Job/secret-delivery-gate"]["spec", "template", "metadata"] for each in (graph, changed)]
    assert gates[0]["annotations"] != gates[1]["annotations"]
    deliveries = [each["InfisicalStaticSecret/secret-delivery-shop-shop-env"]["metadata"] for each in (graph, changed)]
    assert deliveries[0]["annotations"] != deliveries[1]["annotations"], "for the operator then looks at once"
    assert [config(each, "Job/secret-delivery-gate")["operator"]["method"] for each in (graph, changed)] == [
        "kubernetes",
        "universal",
    ]


def test_people_own_its_value_so_that_nobody_puts_it_back() -> None:
    [secret] = secrets_of(canary(HOME))
    assert isinstance(secret.value, PeopleOwned)
    assert secret.value.initial


def test_it_is_none_of_the_stacks_applications(graph: Graph) -> None:
    """So nobody has to retire it."""
    assert graph["application-secrets"].outputs == [{"applications": ["shop"]}]


@pytest.mark.parametrize("name", [CANARY, "shop"])
def test_no_application_takes_its_name_or_its_project(name: str) -> None:
    [line] = complaints({name: shop()["shop"] | {"project": CANARY}})
    assert "the proof of" in line


def test_it_reaches_infisical_and_the_api_server(graph: Graph) -> None:
    network, pod = Network(graph), Pod("infisical", {"infisical-platform/job": CANARY})
    assert network.allows(pod, "10.0.0.1", 6443)
    assert network.allows(pod, Pod("kube-system", {"k8s-app": "kube-dns"}), 53, "UDP")
    assert network.allows(pod, Pod("infisical", {"component": "infisical"}), 8080)
    assert not network.allows(Pod("default"), pod, 8080)
