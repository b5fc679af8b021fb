"""NetworkPolicies and the cluster that they are for."""

from __future__ import annotations

import functools
from typing import Any

from components.base.names import JOB_LABEL
from operations.checks import network
from operations.checks.result import Check, Level
from tests.tools.doctor.known import NO_RIGHT, OPERATORS, all_ok, ask, cluster, deployment, only
from tests.unit.harness import COMMANDS, INSTALLED, OPERATOR

CHECK: Check = functools.partial(network.policies, COMMANDS)
HOME = {"ingressController": [{"namespace": "edge"}]}
ENDPOINTS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
DAEMONS = "/apis/apps/v1/daemonsets"


def named(*names: str) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": name}} for name in names]}


def pod(name: str, phase: str = "Running", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "status": {"phase": phase}}


def test_settings_that_fit_are_ok() -> None:
    slices = {"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 6443}]}
    assert all_ok(ask(CHECK, cluster({ENDPOINTS: slices}), networkPolicies=HOME))


def test_an_operator_elsewhere_fails_with_the_command() -> None:
    bad = only(ask(CHECK, networkPolicies=HOME | {"operators": {"postgres": "operators", "redis": "redis"}}))
    assert bad.level is Level.FAIL
    assert (
        bad.fix == "pulumi config set --stack dev --path 'infisical-platform:networkPolicies.operators.redis' operators"
    )


def test_an_operator_that_is_not_there_has_a_row_of_its_own() -> None:
    assert all_ok(ask(CHECK, cluster({OPERATORS: {"items": [deployment("other", "nginx")]}}), networkPolicies=HOME))


def test_an_api_server_that_is_left_out_fails() -> None:
    slices = {"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 16443}]}
    bad = only(ask(CHECK, cluster({ENDPOINTS: slices}), networkPolicies=HOME))
    assert (bad.level, "listens on 16443" in bad.seen) == (Level.FAIL, True)


def test_a_resolver_that_is_no_pod_fails_with_the_usual_one() -> None:
    dns = {"dns": [{"namespace": "kube-system", "labels": {"k8s-app": "coredns"}}]}
    bad = only(ask(CHECK, networkPolicies=HOME | dns))
    assert bad.level is Level.FAIL
    assert "no pod is in namespace kube-system with k8s-app=coredns, so nobody would answer DNS" in bad.seen
    assert bad.fix.endswith("""'infisical-platform:networkPolicies.dns[0].labels["k8s-app"]' kube-dns""")
    cached = {"dns": [*dns["dns"], {"cidr": "169.254.20.10/32"}]}
    assert all_ok(ask(CHECK, networkPolicies=HOME | cached))


def test_visitors_that_are_no_pods_are_a_warning() -> None:
    bad = only(ask(CHECK, networkPolicies={"ingressController": [{"namespace": "edge", "labels": {"app": "nginx"}}]}))
    assert (bad.level, "so nobody would reach Infisical" in bad.seen) == (Level.WARN, True)
    either = {"ingressController": [{"namespace": "edge", "labels": {"app": "nginx"}}, {"namespace": "edge"}]}
    assert all_ok(ask(CHECK, networkPolicies=either))


def test_pods_that_may_not_be_seen_are_believed() -> None:
    hidden = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"
    assert all_ok(ask(CHECK, cluster({hidden: NO_RIGHT}), networkPolicies=HOME))


def test_an_open_door_to_infisical_is_a_warning() -> None:
    bad = only(ask(CHECK, networkPolicies=HOME | {"ingressController": []}))
    assert (bad.level, "ingressController[0].namespace" in bad.fix) == (Level.WARN, True)


def test_no_policies_are_a_warning() -> None:
    bad = only(ask(CHECK, networkPolicies={"enabled": False}))
    assert (bad.level, "networkPolicies.enabled' true" in bad.fix) == (Level.WARN, True)


def test_pods_that_no_path_is_for_are_named() -> None:
    pods = [
        pod("infisical-1", component="infisical", app="infisical-standalone"),
        pod("infisical-gate-x", "Succeeded"),
        pod("shell"),
    ]
    bad = only(ask(CHECK, cluster({"/api/v1/namespaces/infisical/pods": {"items": pods}}), networkPolicies=HOME))
    assert bad.level is Level.WARN
    assert bad.seen.startswith("shell reach")


def test_so_are_those_beside_an_operator_that_the_stack_installs() -> None:
    """As trust-manager in namespace cert-manager, which gets neither DNS nor the API server."""
    name = "app.kubernetes.io/name"
    webhook, gate = pod("webhook", **{name: "webhook"}), pod("gate", **{JOB_LABEL: "cert-manager-gate"})
    others = {"items": [webhook, gate, pod("trust-manager", **{name: "trust-manager"})]}
    there = cluster({"/api/v1/namespaces/cert-manager/pods": others})
    assert all_ok(ask(CHECK, there, networkPolicies=HOME)), "where the stack has not made the namespace"
    operators = {"certManager": "install", "certManagerChart": INSTALLED["certManagerChart"]}
    bad = only(ask(CHECK, there, networkPolicies=HOME, operators=operators))
    assert (bad.level, bad.subject) == (Level.WARN, "NetworkPolicies: cert-manager")
    assert bad.seen.startswith("trust-manager reach")


def test_and_those_beside_the_secrets_operator() -> None:
    operator = pod("operator", **{"app.kubernetes.io/instance": "infisical-secrets-operator"})
    others = {"items": [operator, pod("shell")]}
    there = cluster({"/api/v1/namespaces/infisical-secrets-operator/pods": others})
    bad = only(ask(CHECK, there, networkPolicies=HOME, secretsOperator=OPERATOR))
    assert bad.seen.startswith("shell reach")


def test_flannel_alone_enforces_nothing() -> None:
    bad = only(ask(CHECK, cluster({DAEMONS: named("kube-flannel-ds", "kube-proxy")}), networkPolicies=HOME))
    assert (bad.level, "no effect" in bad.seen) == (Level.WARN, True)
    for program in ("calico-node", "kube-network-policies"):
        assert all_ok(ask(CHECK, cluster({DAEMONS: named("kube-flannel-ds", program)}), networkPolicies=HOME))
