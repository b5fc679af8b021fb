"""The three operators: there, running, of a version that works, and acting where the platform is."""

from __future__ import annotations

from typing import Any

import pytest

from operations import doctor
from operations.checks import operators
from operations.checks.result import Level
from tests.tools.doctor.known import (
    GATEWAY,
    LETS_ENCRYPT,
    NO_RIGHT,
    OPERATORS,
    PUBLIC,
    ZALANDO,
    all_ok,
    ask,
    cert_manager,
    cluster,
    configured,
    deployment,
    only,
    redis,
    stack_settings,
    with_,
    zalando,
)

CHECKS = {
    "postgres-operator": operators.postgres_operator,
    "redis-operator": operators.redis_operator,
    "cert-manager": operators.cert_manager,
}


@pytest.mark.parametrize("subject", CHECKS)
def test_an_operator_that_runs_is_ok(subject: str) -> None:
    results = ask(CHECKS[subject])
    assert all_ok(results)
    assert "operators/" in results[subject].seen


@pytest.mark.parametrize("subject", CHECKS)
def test_an_operator_that_is_not_there_comes_with_the_command_that_installs_it(subject: str) -> None:
    absent = only(ask(CHECKS[subject], with_(deployment("other", "nginx"))))
    assert (absent.level, absent.subject) == (Level.FAIL, subject)
    assert absent.fix.startswith("helm install ")
    assert subject == "cert-manager" or " --version " in absent.fix, "the newest need not be one that works"


@pytest.mark.parametrize(
    ("subject", "stopped"),
    [
        ("postgres-operator", zalando(available=0)),
        ("redis-operator", redis(available=0)),
        ("cert-manager", cert_manager(available=0)),
    ],
)
def test_an_operator_without_a_pod_fails(subject: str, stopped: dict[str, Any]) -> None:
    down = only(ask(CHECKS[subject], with_(stopped)))
    assert (down.level, down.subject) == (Level.FAIL, subject)
    assert "no available pod" in down.seen
    assert stopped["metadata"]["name"] in down.fix


@pytest.mark.parametrize("subject", CHECKS)
def test_an_operator_that_the_caller_may_not_see_is_unknown(subject: str) -> None:
    blind = cluster({OPERATORS: NO_RIGHT})
    [row] = [r for r in doctor.examine(blind, stack_settings(), {subject: CHECKS[subject]}) if r.subject == subject]
    assert row.level is Level.UNKNOWN
    assert row.seen == f"unknown: {NO_RIGHT}"
    assert row.fix


@pytest.mark.parametrize(
    ("operator", "subject", "level"),
    [
        (zalando(":v1.15.0"), "postgres-operator", Level.OK),
        (zalando(":v2.0.2"), "postgres-operator", Level.OK),
        (zalando(":v2.1.0"), "postgres-operator", Level.OK),
        (zalando(":v2.0.0"), "postgres-operator", Level.FAIL),
        (zalando(":v2.0.1"), "postgres-operator", Level.FAIL),
        (zalando(":v1.14.0"), "postgres-operator", Level.WARN),
        (zalando(":v3.0.0"), "postgres-operator", Level.WARN),
        (zalando("@sha256:" + "0" * 64), "postgres-operator", Level.WARN),
        (redis("-0.23.0/redis-operator:main"), "redis-operator", Level.WARN),
        (zalando(":main"), "postgres-operator", Level.WARN),
        (redis(":v0.23.0"), "redis-operator", Level.OK),
        (redis(":v0.25.1@sha256:" + "0" * 64), "redis-operator", Level.OK),
        (redis(":v0.26.0@sha256:" + "0" * 64), "redis-operator", Level.FAIL),
        (redis(":v0.26.1"), "redis-operator", Level.WARN),
        (redis(":v0.24.0"), "redis-operator", Level.FAIL),
        (redis(":v0.22.1"), "redis-operator", Level.WARN),
        (cert_manager(":v1.11.0"), "cert-manager", Level.OK),
        (cert_manager(":v1.10.2"), "cert-manager", Level.WARN),
        (deployment("redis", "registry:5000/redis-operator:0.23.0"), "redis-operator", Level.OK),
        (deployment("c", "embedded.local/cert-manager:1.21.2", args=["controller"]), "cert-manager", Level.OK),
    ],
)
def test_versions_come_from_the_tag(operator: dict[str, Any], subject: str, level: Level) -> None:
    assert ask(CHECKS[subject], with_(operator))[subject].level is level


def test_cert_managers_other_programs_are_not_its_controller() -> None:
    webhook = deployment("w", "quay.io/jetstack/cert-manager-webhook:v1.21.2")
    cainjector = deployment("i", "embedded.local/cert-manager:1.21.2", args=["cainjector"])
    assert only(ask(operators.cert_manager, with_(webhook, cainjector))).level is Level.FAIL


def test_another_postgres_operator_of_that_name_is_none() -> None:
    crunchy = deployment("pgo", "registry.developers.crunchydata.com/crunchydata/postgres-operator:5.8.0")
    assert only(ask(operators.postgres_operator, with_(crunchy))).seen.startswith("no Deployment")


@pytest.mark.parametrize(
    ("environment", "watched", "acts"),
    [
        ({}, "*", True),
        ({}, "platform-db-pg", True),
        ({}, "somewhere", False),
        ({}, "", False),  # its own namespace
        ({}, None, False),
        ({"WATCHED_NAMESPACE": "*"}, "somewhere", True),
        ({"WATCHED_NAMESPACE": "platform-db-pg"}, "", True),
        ({"WATCHED_NAMESPACE": "somewhere"}, "*", False),
        ({"WATCHED_NAMESPACE": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}}, "*", False),
    ],
)
def test_the_zalando_operator_acts_where_environment_or_settings_say(
    environment: dict[str, Any], watched: str | None, acts: bool
) -> None:
    there = with_(zalando(env=environment), **{ZALANDO: configured(watched_namespace=watched)})
    row = ask(operators.postgres_operator, there)["postgres-operator: namespaces"]
    assert row.level is (Level.OK if acts else Level.FAIL)


@pytest.mark.parametrize(
    ("watched", "acts"),
    [
        ("", True),
        ("platform-kv-redis-cluster", True),
        ("a, platform-kv-redis-cluster", True),
        ("platform-kv", False),
        ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}, False),
    ],
)
def test_the_redis_operator_acts_where_its_environment_says(watched: object, acts: bool) -> None:
    row = ask(operators.redis_operator, with_(redis(WATCH_NAMESPACE=watched)))["redis-operator: namespaces"]
    assert row.level is (Level.OK if acts else Level.FAIL)


ON = "GenerateConfigInInitContainer=true"


@pytest.mark.parametrize(
    ("version", "gates", "level"),
    [
        (":v0.23.0", {}, None),
        (":v0.25.0", {}, Level.FAIL),
        (":v0.25.1", {"FEATURE_GATES": "GenerateConfigInInitContainer=false"}, Level.FAIL),
        (":v0.27.0", {"FEATURE_GATES": "Other=true"}, Level.FAIL),
        (":v0.25.0", {"FEATURE_GATES": ON}, Level.OK),
        (":v0.25.0", {"FEATURE_GATES": f"Other=false, {ON}"}, Level.OK),
        (":v0.25.0", {"FEATURE_GATES": "AllAlpha=true"}, Level.OK),
        (":v0.25.0", {"args": ["manager", f"--feature-gates={ON}"]}, Level.OK),
        (":v0.25.0", {"args": ["--feature-gates=Other=true"], "FEATURE_GATES": ON}, Level.FAIL),  # the flag wins
        (":v0.25.0", {"FEATURE_GATES": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}, Level.UNKNOWN),
    ],
)
def test_sentinels_of_0_25_restart_with_the_feature_gate_alone(
    version: str, gates: dict[str, Any], level: Level | None
) -> None:
    row = ask(operators.redis_operator, with_(redis(version, **gates))).get("redis-operator: feature gate")
    assert (row and row.level) is level
    if level is Level.FAIL:
        assert row
        assert "Duplicate master name" in row.seen
        assert "appendfilename" in row.fix


def test_a_cert_manager_of_one_namespace_does_not_do() -> None:
    leader = ["--leader-election-namespace=kube-system"]
    assert all_ok(ask(operators.cert_manager, with_(cert_manager(args=leader))))
    single = with_(cert_manager(args=[*leader, "--namespace=infisical"]))
    assert only(ask(operators.cert_manager, single)).seen == "acts in infisical only, not in platform-db-pg"


@pytest.mark.parametrize(
    ("arguments", "file", "level"),
    [
        ([], None, Level.WARN),
        (["--config=/config.yaml"], "enableGatewayAPI: false", Level.WARN),
        (["--config=/config.yaml"], "enableGatewayAPI: true", Level.OK),
        (["--enable-gateway-api"], None, Level.OK),
        (["--feature-gates=A=true,ExperimentalGatewayAPISupport=true"], None, Level.OK),
    ],
)
def test_a_cert_manager_that_does_not_know_gateways_answers_no_challenge_there(
    arguments: list[str], file: str | None, level: Level
) -> None:
    """The certificate that a site has moves along, so nobody notices before its renewal."""
    written = {"/api/v1/namespaces/operators/configmaps/cert-manager": file and {"data": {"config.yaml": file}}}
    way = {"ingress": {**LETS_ENCRYPT, "route": {**GATEWAY, "redirectListener": "http"}}, "infisical": PUBLIC}
    found = ask(operators.cert_manager, with_(cert_manager(args=arguments), **written), **way)
    assert found["cert-manager: Gateway API"].level is level
    assert "cert-manager: Gateway API" not in ask(operators.cert_manager, with_(cert_manager(args=arguments)))


def test_of_several_operators_the_one_that_suits_counts() -> None:
    stranger = zalando(env={"WATCHED_NAMESPACE": "somewhere"})
    assert all_ok(ask(operators.postgres_operator, with_(stranger, zalando())))
    assert all_ok(ask(operators.redis_operator, with_(redis(WATCH_NAMESPACE="a"), redis(), redis(":v0.24.0"))))


# --- variables that come from elsewhere ------------------------------------------------------------------------------

FROM_LABEL = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['acts-in']"}}}
FROM_MAP = {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "where"}}}
FROM_SECRET = {"valueFrom": {"secretKeyRef": {"name": "settings", "key": "where"}}}
SETTINGS = {"name": "settings"}
MAP = "/api/v1/namespaces/operators/configmaps/settings"


def with_sources(operator: dict[str, Any], *sources: dict[str, Any], labels: Any = None) -> dict[str, Any]:
    template = operator["spec"]["template"]
    template["metadata"] = {"labels": labels or {}}
    template["spec"]["containers"][0]["envFrom"] = list(sources)
    return operator


@pytest.mark.parametrize(
    ("operator", "data", "level"),
    [
        (redis(WATCH_NAMESPACE=FROM_MAP), {"where": "platform-kv-redis-cluster"}, Level.OK),
        (redis(WATCH_NAMESPACE=FROM_MAP), {"where": "somewhere"}, Level.FAIL),
        (redis(WATCH_NAMESPACE=FROM_MAP), {}, Level.OK),  # not set: all of them
        (with_sources(redis(WATCH_NAMESPACE=FROM_LABEL), labels={"acts-in": "somewhere"}), {}, Level.FAIL),
        (with_sources(redis(), {"configMapRef": SETTINGS}), {"WATCH_NAMESPACE": "somewhere"}, Level.FAIL),
        (
            with_sources(redis(), {"configMapRef": SETTINGS, "prefix": "WATCH_"}),
            {"NAMESPACE": "x"},
            Level.FAIL,
        ),
        (with_sources(redis(), {"configMapRef": SETTINGS, "prefix": "X_"}), {"NAMESPACE": "x"}, Level.OK),
        (
            with_sources(redis(WATCH_NAMESPACE="platform-kv-redis-cluster"), {"configMapRef": SETTINGS}),
            {"WATCH_NAMESPACE": "somewhere"},
            Level.OK,
        ),
        (redis(WATCH_NAMESPACE=FROM_SECRET), {}, Level.UNKNOWN),
        (with_sources(redis(), {"secretRef": {"name": "settings"}}), {}, Level.UNKNOWN),
    ],
)
def test_a_variable_is_followed_to_where_it_comes_from(
    operator: dict[str, Any], data: dict[str, str], level: Level
) -> None:
    row = ask(operators.redis_operator, with_(operator, **{MAP: {"data": data}}))["redis-operator: namespaces"]
    assert row.level is level


def test_a_flag_may_name_a_variable() -> None:
    own = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    single = with_(cert_manager(args=["--namespace=$(POD_NAMESPACE)"], POD_NAMESPACE=own))
    assert only(ask(operators.cert_manager, single)).seen.startswith("acts in operators only")


def test_settings_are_found_by_a_name_from_elsewhere() -> None:
    environment = {"POSTGRES_OPERATOR_CONFIGURATION_OBJECT": FROM_MAP}
    there = with_(zalando(env=environment), **{MAP: {"data": {"where": "zalando"}}})
    assert all_ok(ask(operators.postgres_operator, there))


@pytest.mark.parametrize(
    ("identity", "level"), [("", None), ("second", Level.FAIL), (FROM_SECRET, Level.UNKNOWN), (FROM_MAP, Level.FAIL)]
)
def test_an_operator_with_an_identity_leaves_our_database_alone(identity: Any, level: Level | None) -> None:
    there = with_(zalando(env={"CONTROLLER_ID": identity}), **{MAP: {"data": {"where": "second"}}})
    row = ask(operators.postgres_operator, there).get("postgres-operator: CONTROLLER_ID")
    assert (row and row.level) is level
