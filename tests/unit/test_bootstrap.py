"""Bootstrap: nobody reaches the site before it, what it is told stands in Secrets alone, and what it makes is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.configurations import complaint, load, with_
from tests.unit.harness import Graph, platform

JOB = "Job/bootstrap"
ORGANIZATION = {"name": "dog", "admin": "ops@example.org"}


def bootstrapped(stack: str = "dev", **keys: Any) -> Graph:
    organization = ORGANIZATION | keys.pop("organization", {})
    return platform(stack, organization=organization, **keys)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return bootstrapped()


def config(graph: Graph) -> dict[str, Any]:
    (container,) = graph[JOB]["spec"]["template"]["spec"]["containers"]
    return json.loads(next(each["value"] for each in container["env"] if each["name"] == "CONFIG"))


def test_a_stack_without_an_organization_makes_nothing_and_says_whose_the_site_is() -> None:
    graph = platform("prod")
    assert not [r for r in graph if "bootstrap" in str(r) or "provisioner" in str(r)]
    assert "nobody's yet" in str({each.where: each.value for each in graph.exports.values()}["organization"])


def test_the_organization_is_an_output(graph: Graph) -> None:
    assert {each.where: each.value for each in graph.exports.values()}["organization"] == "dog"


def test_the_way_in_waits_and_the_certificate_does_not(graph: Graph) -> None:
    assert graph.waits(JOB, for_="Job/infisical-gate")
    assert graph.waits("Ingress/ingress-route", for_=JOB)
    assert not graph.waits("Certificate/ingress-certificate", for_=JOB)
    gateway = bootstrapped(ingress={"route": {"kind": "gateway", "name": "public", "namespace": "edge"}})
    assert gateway.waits("HTTPRoute/ingress-route", for_=JOB)


def test_everything_is_there_before_the_call_whose_answer_comes_once(graph: Graph) -> None:
    for needed in ("Secret/bootstrap-kept", "Secret/bootstrap-admin", "RoleBinding/infisical-provisioner"):
        assert graph.waits(JOB, for_=needed)
    assert graph.waits(JOB, for_="ClusterRoleBinding/infisical-provisioner-token-review")


def test_it_is_not_tried_again_by_the_controller(graph: Graph) -> None:
    spec = graph[JOB]["spec"]
    assert spec["backoffLimit"] == 0
    assert not {"parallelism", "completions"} & set(spec)  # the default of both is 1
    assert config(graph)["settle_seconds"] > 60


def test_the_secret_is_made_empty_so_that_its_data_is_never_compared(graph: Graph) -> None:
    kept = graph["Secret/bootstrap-kept"]
    assert not {"data", "stringData"} & set(kept.inputs)


def test_what_is_shown_once_is_protected() -> None:
    graph = bootstrapped("prod")
    assert {"Secret/bootstrap-kept", "RandomPassword/bootstrap-admin-password"} <= {str(r) for r in graph if r.protect}


def test_the_password_is_generated_unless_it_is_given(graph: Graph) -> None:
    assert graph.leaks() == []
    given = bootstrapped(adminPassword="correct horse battery", organizationToken="head.payload.signature")
    assert given["Secret/bootstrap-admin"]["stringData"] == {
        "email": "ops@example.org",
        "password": "correct horse battery",
        "organizationToken": "head.payload.signature",
    }
    assert given.leaks() == []
    assert (config(graph)["mode"], config(given)["mode"]) == ("create", "adopt")


def test_it_may_touch_its_own_secret_alone(graph: Graph) -> None:
    (rule,) = graph["Role/infisical-provisioner"]["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["infisical-bootstrap"], ["get", "patch"])
    (rule,) = graph["ClusterRole/infisical-provisioner-token-review"]["rules"]
    assert (rule["resources"], rule["verbs"]) == (["tokenreviews"], ["create"])


def test_internal_addresses_are_open_only_where_the_api_server_is_asked(graph: Graph) -> None:
    universal = bootstrapped(organization={"machineAuth": "universal"})
    name = "ALLOW_INTERNAL_IP_CONNECTIONS"
    told = [each["Secret/infisical-secrets"]["stringData"][name] for each in (graph, universal)]
    assert told == ["true", "false"]
    assert "ClusterRole/infisical-provisioner-token-review" not in {str(r) for r in universal}


def test_internal_addresses_that_are_closed_by_name_are_a_contradiction() -> None:
    closed = with_(("organization", ORGANIZATION), ("infisical.allowInternalIpConnections", False))
    assert "organization.machineAuth is kubernetes" in complaint(closed)
    closed["organization"] = ORGANIZATION | {"machineAuth": "universal"}
    assert load(closed).organization


@pytest.mark.parametrize("key", ["adminPassword", "organizationToken"])
def test_a_secret_without_its_organization(key: str) -> None:
    config = with_((key, "correct horse battery"))
    with pytest.raises(Exception, match=f"organization.admin.*It belongs to {key}"):
        load(config)
