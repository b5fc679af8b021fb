"""Policies that would cut a running platform off are refused before the first resource."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from safeguards import Refusal
from safeguards.cluster import LiveCluster
from safeguards.network import refuse_cut_off
from safeguards.operator_images import operator_of
from settings.cluster import ClusterSettings
from tests.unit.harness import COMMANDS, platform, settings_of

FOUND = {"postgres-operator": ["postgres-operator"], "redis-operator": ["redis-operator"]}
API_SERVER = {("10.0.0.1", 6443)}
THERE = [("kube-system", {"k8s-app": "kube-dns"})]


def refused(
    monkeypatch: pytest.MonkeyPatch,
    images: Mapping[str, Collection[str]] = FOUND,
    api_server: Collection[tuple[str, int]] = frozenset(API_SERVER),
    reader: str = "",
    **policies: Any,
) -> str:
    monkeypatch.setattr(LiveCluster, "images", lambda _: images)
    monkeypatch.setattr(LiveCluster, "api_server", lambda _: api_server)
    monkeypatch.setattr(LiveCluster, "has_pods", lambda *peer: peer[1:] in THERE)
    try:
        reading = {"secretsOperator": {"kind": reader}} if reader else {}
        stack = settings_of("minimal", networkPolicies=policies, **reading)
        refuse_cut_off(stack, LiveCluster(ClusterSettings()), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


def command(key: str, value: str) -> str:
    return f"pulumi config set --stack dev --path 'infisical-platform:networkPolicies.{key}' {value}"


def test_a_cluster_as_the_settings_have_it_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch) == ""
    assert refused(monkeypatch, FOUND | {"postgres-operator": ["others", "postgres-operator"]}) == ""


def test_an_operator_elsewhere_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, FOUND | {"redis-operator": ["ot-operators"]})
    assert "runs in ot-operators, not in redis-operator" in said
    assert command("operators.redis", "ot-operators") in said
    assert command("enabled", "false") in said
    assert "operators.postgres" not in said


def test_a_reader_of_secrets_elsewhere_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = FOUND | {"external-secrets": ["eso"]}
    closed: dict[str, Any] = {"ingressController": [{"namespace": "edge"}]}

    def said(images: Mapping[str, Collection[str]] = elsewhere, reader: str = "externalSecrets", **more: Any) -> str:
        return refused(monkeypatch, images, reader=reader, **more)

    assert "runs in eso, not in external-secrets" in said(**closed)
    assert command("operators.externalSecrets", "eso") in said(**closed)
    assert said(**closed, operators={"externalSecrets": "eso"}) == ""
    path = {"part": "infisical", "peer": {"namespace": "eso"}, "ports": [8080]}
    assert said(**closed, extraIngress=[path]) == ""
    assert said(**closed, extraIngress=[path | {"part": "pooler"}])
    assert said() == "", "everybody reaches Infisical"
    assert said(reader="", **closed) == "", "nothing is read by it"
    assert said(FOUND, **closed) == "", "it may run where this user sees nothing"


def test_an_operator_that_nobody_sees_has_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("operators.postgres", "VALUE") in refused(monkeypatch, {"redis-operator": ["redis-operator"]})


def test_a_stack_that_says_where_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user may not be allowed to list Deployments, and an operator may be no Deployment."""
    assert refused(monkeypatch, {}, operators={"postgres": "postgres-operator", "redis": "elsewhere"}) == ""


def test_a_port_of_the_api_server_that_is_left_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, api_server={("10.0.0.1", 16443)})
    assert command("apiServer.ports[0]", "16443") in said
    both = refused(monkeypatch, api_server={("10.0.0.1", 16443)}, apiServer={"ports": [443, 6443]})
    assert command("apiServer.ports[2]", "16443") in both


@pytest.mark.parametrize(
    ("address", "cidrs", "value"),
    [("10.0.0.1", ["10.1.0.0/16"], "10.0.0.1/32"), ("fd00::1", ["10.0.0.0/8"], "fd00::1/128")],
)
def test_an_address_of_the_api_server_that_is_left_out_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str, cidrs: list[str], value: str
) -> None:
    said = refused(monkeypatch, api_server={(address, 6443)}, apiServer={"cidrs": cidrs})
    assert command("apiServer.cidrs[1]", value) in said
    assert refused(monkeypatch, api_server={(address, 6443)}, apiServer={"cidrs": [*cidrs, value]}) == ""


def test_a_resolver_that_is_no_pod_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would find its database any more, in a platform that runs."""
    right, wrong = ({"namespace": "kube-system", "labels": {"k8s-app": name}} for name in ("kube-dns", "coredns"))
    said = refused(monkeypatch, dns=[wrong])
    assert "no pod is in namespace kube-system with k8s-app=coredns, so nobody would answer DNS" in said
    assert command('dns[0].labels["k8s-app"]', "kube-dns") in said
    assert refused(monkeypatch, dns=[{"namespace": "nowhere"}])
    for resolvers in ([], [right], [wrong, right], [wrong, {"cidr": "169.254.20.10/32"}]):
        assert refused(monkeypatch, dns=resolvers) == ""


def test_a_cache_of_names_on_the_nodes_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubespray has one by default. It is no pod of the pods' network, though pods of its name are there."""
    resolver = {"namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    monkeypatch.setattr(f"{__name__}.THERE", [*THERE, ("kube-system", {"k8s-app": "node-local-dns"})])
    said = refused(monkeypatch, dns=[resolver])
    assert "NodeLocal DNSCache answers on every node at an address that no pod has (169.254.20.10" in said
    assert command("dns[1].cidr", "169.254.20.10/32") in said
    for resolvers in ([], [resolver, {"cidr": "169.254.25.10/32"}]):
        assert refused(monkeypatch, dns=resolvers) == ""


def test_without_policies_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, {}, {("10.0.0.1", 16443)}, enabled=False) == ""


def test_it_stops_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a preview asks no cluster."""
    ports = {"apiServer": {"ports": [444]}}
    assert platform(preview=True, networkPolicies=ports)
    with pytest.raises(Exception, match="the API server listens on 6443"):
        platform(networkPolicies=ports)


# --- what the cluster tells ------------------------------------------------------------------------------------------


def test_images_are_known_by_the_last_part_of_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    images = ("mirror.example.org:5000/a/redis-operator:v0.23.0@sha256:00", "proxy", "q/spotahome/redis-operator:v1")
    containers = [{"image": image} for image in images]
    deployment = {"metadata": {"namespace": "ot"}, "spec": {"template": {"spec": {"containers": containers}}}}
    monkeypatch.setattr(LiveCluster, "_get", lambda *_: [deployment])
    assert LiveCluster(ClusterSettings()).images() == {"redis-operator": {"ot"}, "proxy": {"ot"}}


def test_operators_of_others_are_not_taken_for_those_that_the_platform_stands_on() -> None:
    """Crunchy's runs in a namespace called postgres-operator, which is where the Zalando operator is looked for."""
    for image in (
        "registry.developers.crunchydata.com/crunchydata/postgres-operator:ubi9-5.8.2-0",
        "mirror.example.org:5000/crunchydata/postgres-operator@sha256:00",
        "quay.io/spotahome/redis-operator:v1.2.4",
    ):
        assert operator_of(image) == ""
    for image in ("ghcr.io/zalando/postgres-operator:v1.15.1", "postgres-operator:1", "x:5000/postgres-operator"):
        assert operator_of(image) == "postgres-operator"
    assert operator_of("quay.io/opstree/redis-operator:v0.23.0") == "redis-operator"


def test_endpoints_are_every_address_with_every_port(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = {"endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}], "ports": [{"port": 6443}]}
    monkeypatch.setattr(LiveCluster, "_get", lambda *_: [endpoints, {"endpoints": None, "ports": None}])
    assert LiveCluster(ClusterSettings()).api_server() == {("10.0.0.1", 6443), ("10.0.0.2", 6443)}


@pytest.mark.parametrize(("answer", "there"), [("pod/coredns-1\n", True), ("", False), (Refusal("forbidden"), None)])
def test_pods_are_there_unless_the_cluster_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, answer: str | Refusal, there: bool | None
) -> None:
    def kubectl(_: LiveCluster, *arguments: str) -> str:
        assert arguments[:4] == ("get", "pods", "--namespace", "kube-system")
        assert arguments[4:] == ("--selector=k8s-app=kube-dns", "--output", "name")
        if isinstance(answer, Refusal):
            raise answer
        return answer

    monkeypatch.setattr(LiveCluster, "_kubectl", kubectl)
    assert LiveCluster(ClusterSettings()).has_pods("kube-system", {"k8s-app": "kube-dns"}) is there


def test_what_the_user_may_not_see_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: str) -> list[dict[str, Any]]:
        raise Refusal("kubectl can't read the cluster: Error from server (Forbidden): deployments.apps is forbidden")

    monkeypatch.setattr(LiveCluster, "_get", forbidden)
    live = LiveCluster(ClusterSettings())
    assert (live.images(), set(live.api_server())) == ({}, set())
