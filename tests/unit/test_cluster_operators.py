"""Operators that the stack installs: kinds first and for good, each proven before anything needs it."""

from __future__ import annotations

from typing import Any

import pytest

from components.operator_chart import OperatorChart
from components.operator_values import RELEASES, postgres
from settings import LocalChart
from tests.unit.configurations import complaint, errors, repaired, with_
from tests.unit.harness import INSTALLED, ROOT, Graph, platform, settings_of, shape
from tests.unit.placement_changes import CREDENTIALS

KINDS = {
    "postgres-operator": {"postgresqls.acid.zalan.do", "operatorconfigurations.acid.zalan.do"},
    "redis-operator": {
        "redisreplications.redis.redis.opstreelabs.in",
        "redissentinels.redis.redis.opstreelabs.in",
    },
    "cert-manager": {"certificates.cert-manager.io", "issuers.cert-manager.io"},
}
CHARTS = ("postgresChart", "redisChart", "certManagerChart")


@pytest.fixture(scope="module")
def graph() -> Graph:
    return shape("installed")


def installed(*operators: str, **more: Any) -> Graph:
    section = {key: value for key, value in INSTALLED.items() if key in (*operators, *CHARTS)}
    return platform(operators={**section, **more})


def test_without_the_section_nothing_is_installed() -> None:
    assert not [str(r) for r in platform() if r.kind in ("CustomResourceDefinition", "ClusterOperators")]


@pytest.mark.parametrize("operator", RELEASES)
def test_each_is_installed_alone(operator: str) -> None:
    made = installed(operator).made_by("cluster-operators")
    assert {r.name for r in made if r.kind == "Release"} == {RELEASES[operator]}  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("release", KINDS)
def test_kinds_come_before_their_operator_and_outlive_it(graph: Graph, release: str) -> None:
    for kind in KINDS[release]:
        made = graph[f"CustomResourceDefinition/{kind}"]
        assert graph.waits(f"Release/{release}", for_=str(made))
        assert made.retain_on_delete, "with it would go every object of the kind, whoever made it"
    assert graph[f"Release/{release}"]["skipCrds"] is True, "Helm never upgrades what it finds in crds/"


def test_kinds_stay_even_where_data_may_go() -> None:
    graph = platform(operators=INSTALLED, cluster={"protect": False})
    assert {r.retain_on_delete for r in graph if r.kind == "CustomResourceDefinition"} == {True}


@pytest.mark.parametrize("protect", [True, False])
@pytest.mark.parametrize("release", KINDS)
def test_an_operator_that_leaves_a_protected_stack_stays_in_the_cluster(release: str, protect: bool) -> None:
    graph = platform(operators=INSTALLED, cluster={"protect": protect}, registryCredentials=CREDENTIALS)
    policies = [str(made) for made in graph if str(made).startswith(f"NetworkPolicy/{release}-policies-")]
    assert len(policies) > 1, "without them it is cut off in a cluster that denies what nobody has allowed"
    # A node that is drained pulls its image again.
    for name in (f"Release/{release}", f"Namespace/{release}-namespace", f"Secret/pull-secrets-{release}", *policies):
        assert graph[name].retain_on_delete is protect, name
        assert not graph[name].protect, "it would stand in the way of what hands it over"


def test_what_is_no_operators_goes_with_the_stack() -> None:
    graph = platform(operators=INSTALLED, registryCredentials=CREDENTIALS)
    for name in ("Secret/pull-secrets-infisical", "NetworkPolicy/infisical-secrets-policies-others"):
        assert not graph[name].retain_on_delete, name


def test_cert_manager_knows_gateway_api_where_the_way_in_is_a_gateway(graph: Graph) -> None:
    """Without its kinds, which only such a cluster is sure to have, cert-manager would not start."""
    assert "enableGatewayAPI" not in str(graph["Release/cert-manager"]["values"])
    route = {"kind": "gateway", "name": "public", "namespace": "ingress"}
    values = platform(operators=INSTALLED, ingress={"route": route})["Release/cert-manager"]["values"]
    kind = {"apiVersion": "controller.config.cert-manager.io/v1alpha1", "kind": "ControllerConfiguration"}
    assert values["config"] == {**kind, "enableGatewayAPI": True}, "charts of 1.15 have no default for kind and version"


@pytest.mark.parametrize("release", KINDS)
def test_a_gate_waits_for_the_pods_and_runs_again_when_they_change(graph: Graph, release: str) -> None:
    gate = graph[f"Job/{release}-gate"]
    assert graph.waits(str(gate), for_=f"Release/{release}")
    assert graph.waits(f"Release/{release}", for_=f"NetworkPolicies/{release}-policies")
    assert graph[f"Namespace/{release}-namespace"]["metadata", "annotations"].keys() >= {"infisical-platform/stack-id"}
    other = platform(operators={**INSTALLED, "clusterDomain": "corp.internal", "deadlineMinutes": 7})
    assert other[str(gate)].inputs != gate.inputs


@pytest.mark.parametrize(
    "part", ["PlatformDb/platform-db", "PlatformKv/platform-kv", "InfisicalSecrets/infisical-secrets"]
)
def test_what_needs_an_operator_waits_for_its_gate(graph: Graph, part: str) -> None:
    """So `destroy` takes it away while the operator is still there to clean up."""
    for release in KINDS:
        assert graph.waits(part, for_=f"Job/{release}-gate")


def test_what_settings_name_is_read_where_it_can_be_there(graph: Graph) -> None:
    assert sorted(graph.reads.values()) == ["IngressClass/nginx"], "no ClusterIssuer can be there before cert-manager"
    assert "ClusterIssuer/embedded-ca" in installed("postgres", "redis").reads.values()


def test_all_that_is_made_is_below_it(graph: Graph) -> None:
    parent = graph["ClusterOperators/cluster-operators"].urn
    assert graph["ClusterOperators/cluster-operators"].parent == graph["Requirements/requirements"].urn
    for name in (*(f"Release/{release}" for release in KINDS), *(f"Gate/{release}-gate" for release in KINDS)):
        assert graph[name].parent == parent
    for kind in {kind for kinds in KINDS.values() for kind in kinds}:
        assert graph[f"CustomResourceDefinition/{kind}"].parent == parent
    for release in KINDS:
        assert graph[f"Namespace/{release}-namespace"].parent == parent
        assert graph[f"NetworkPolicies/{release}-policies"].parent == parent


# --- what they are told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protect", [True, False])
def test_the_zalando_operator_gets_the_settings_that_doctor_asks_for(protect: bool) -> None:
    """Whatever the stack's own data is worth: the operator has everybody's databases, also their volumes."""
    told = postgres(settings_of(cluster={"protect": protect}))["configKubernetes"]
    assert told["enable_secrets_deletion"] is False
    assert told["enable_owner_references"] is False
    assert told["enable_persistent_volume_claim_deletion"] is False
    assert told["watched_namespace"] == "*"
    assert told["storage_resize_mode"] == "pvc"


def test_an_operator_of_2_x_leaves_patronis_store_where_it_is() -> None:
    """Its default moves it, and the database may have two primaries meanwhile."""
    assert postgres(settings_of())["configGeneral"]["kubernetes_use_configmaps"] is False


@pytest.mark.parametrize(
    ("image", "on", "taken"),
    [
        ("quay.io/opstree/redis-operator:v0.23.0", False, True),
        ("quay.io/opstree/redis-operator:v0.25.0", False, False),
        ("r.example.org:5000/opstree/redis-operator:0.27.1@sha256:" + "0" * 64, False, False),
        ("quay.io/opstree/redis-operator:v0.25.0", True, True),
        ("quay.io/opstree/redis-operator:main", False, True),
    ],
)
def test_a_redis_operator_whose_sentinels_would_not_restart_is_refused(image: str, on: bool, taken: bool) -> None:
    config = with_(("operators", {**INSTALLED, "redisImage": image, "redisConfigInInitContainer": on}))
    if taken:
        assert not complaint(config)
        return
    [line] = errors(config)
    assert line.startswith("- operators.redisImage: ")
    assert "redisConfigInInitContainer" in line
    assert "appendfilename" in line, "a Redis that has data reads another file from then on"
    assert not complaint(repaired(config))


def test_the_image_of_an_operator_that_is_not_installed_is_nobodys_business() -> None:
    assert not complaint(with_(("operators.redisImage", "quay.io/opstree/redis-operator:v0.25.0")))


@pytest.mark.parametrize(
    ("spread", "apart", "preferred"), [(None, False, True), ("preferred", True, True), ("required", True, False)]
)
def test_the_zalando_operator_spreads_as_the_section_pods_says(
    spread: str | None, apart: bool, preferred: bool
) -> None:
    told = postgres(settings_of(pods={"spread": spread} if spread else {}))["configKubernetes"]
    assert told["enable_pod_antiaffinity"] is apart
    assert told["pod_antiaffinity_preferred_during_scheduling"] is preferred


def test_every_image_may_come_from_a_mirror() -> None:
    graph = platform(operators=INSTALLED, pods={"registry": "r.example.org:5000/m"})
    values = {release: str(graph[f"Release/{release}"]["values"]) for release in KINDS}
    assert "'registry': 'r.example.org:5000'" in values["postgres-operator"]
    assert "'repository': 'm/zalando/postgres-operator'" in values["postgres-operator"]
    assert "r.example.org:5000/m/zalando/spilo-17" in values["postgres-operator"]
    assert "r.example.org:5000/m/acid/pgbouncer" in values["postgres-operator"]
    assert "r.example.org:5000/m/opstree/redis-operator" in values["redis-operator"]
    for part in ("controller", "webhook", "cainjector", "acmesolver"):
        assert f"r.example.org:5000/m/jetstack/cert-manager-{part}" in values["cert-manager"]


# --- the charts ------------------------------------------------------------------------------------------------------


def test_kinds_lose_their_descriptions_and_no_field_of_that_name() -> None:
    chart = OperatorChart.read(LocalChart(location=INSTALLED["redisChart"]["path"], digest="d"), ROOT)
    assert len(chart.kinds) == 2, "several stand in one file"
    for whole, terse in zip(chart.kinds, chart.terse_kinds, strict=True):
        schema = terse["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert "description" in whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert schema == {"type": "object", "properties": {"description": {"type": "string"}}}
