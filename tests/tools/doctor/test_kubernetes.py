"""Kubernetes itself, and the kinds it serves."""

from __future__ import annotations

import functools

import pytest

import settings
from operations.checks import kubernetes, operators, rights, storage
from operations.checks.result import Check, Level
from tests.tools.doctor.known import (
    COMMANDS,
    GATEWAY,
    HEALTHY,
    OPERATORS,
    Exported,
    all_ok,
    ask,
    cert_manager,
    cluster,
    only,
    served,
)
from tests.unit.harness import AUTHORITY, configuration, encrypted


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("v1.36.3", Level.OK),
        ("v1.27.0", Level.OK),
        ("v1.30.4-eks-a737599", Level.OK),
        ("v1.26.15", Level.WARN),
        ("v1.37.0+k3s1", Level.WARN),
        ("dirty", Level.WARN),
    ],
)
def test_a_version_of_kubernetes_that_was_not_tried_is_a_warning(version: str, level: Level) -> None:
    results = ask(kubernetes.answers, cluster({"/version": {"gitVersion": version}}))
    assert results["Kubernetes"].level is level
    assert version in results["Kubernetes"].seen


@pytest.mark.parametrize(
    ("version", "drain", "said"), [("v1.29.9", 10, True), ("v1.29.9", 0, False), ("v1.30.0", 10, False)]
)
def test_a_drain_that_kubernetes_can_not_make_is_named(version: str, drain: int, *, said: bool) -> None:
    results = ask(kubernetes.answers, cluster({"/version": {"gitVersion": version}}), infisical={"drainSeconds": drain})
    assert ("infisical.drainSeconds" in results) == said
    if said:
        assert results["infisical.drainSeconds"].level is Level.FAIL


STACK = Exported("dev")
DISTRIBUTION: Check = functools.partial(kubernetes.distribution, COMMANDS)
API_SERVER = "/api/v1/namespaces/default/services/kubernetes"


def test_openshift_is_a_clear_no() -> None:
    openshift = cluster({"/apis/security.openshift.io/v1": served("securitycontextconstraints")})
    result = only(ask(DISTRIBUTION, openshift))
    assert (result.level, result.subject) == (Level.FAIL, "OpenShift")
    assert not ask(DISTRIBUTION)


@pytest.mark.parametrize(
    ("families", "ipv6", "level"),
    [
        (["IPv4"], False, None),
        (["IPv4", "IPv6"], False, None),
        (["IPv6"], False, Level.FAIL),
        (["IPv6"], True, Level.OK),
        (["IPv4"], True, None),
    ],
)
def test_an_image_that_listens_on_ipv4_alone_is_named(families: list[str], ipv6: bool, level: Level | None) -> None:
    found = cluster({API_SERVER: {"spec": {"ipFamilies": families}}})
    results = ask(DISTRIBUTION, found, infisical={"ipv6": ipv6})
    assert [result.level for result in results.values()] == ([] if level is None else [level])
    if level is Level.FAIL:
        assert only(results).fix == "pulumi config set --stack dev --path 'infisical-platform:infisical.ipv6' true"


def test_every_kind_is_there() -> None:
    assert all_ok(ask(kubernetes.kinds))
    assert all_ok(ask(kubernetes.kinds, ingress={"route": GATEWAY}))


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("acid.zalan.do/v1", "postgresqls"),
        ("redis.redis.opstreelabs.in/v1beta2", "redisreplications"),
        ("redis.redis.opstreelabs.in/v1beta2", "redissentinels"),
        ("cert-manager.io/v1", "certificates"),
        ("cert-manager.io/v1", "issuers"),
        ("gateway.networking.k8s.io/v1", "httproutes"),
        ("gateway.networking.k8s.io/v1beta1", "referencegrants"),
    ],
)
def test_a_missing_kind_is_named(group: str, resource: str) -> None:
    rest = [entry["name"] for entry in HEALTHY[f"/apis/{group}"]["resources"] if entry["name"] != resource]
    missing = only(
        ask(kubernetes.kinds, cluster({f"/apis/{group}": served(*rest)}), ingress={"route": GATEWAY}),
    )
    assert missing.level is Level.FAIL
    assert missing.subject == f"CRDs of {group}"
    assert missing.seen.endswith(f"without {resource}")


def test_a_group_that_serves_another_version_says_which() -> None:
    path = "/apis/redis.redis.opstreelabs.in"
    old = cluster({f"{path}/v1beta2": None, path: {"versions": [{"version": "v1beta1"}]}})
    assert only(ask(kubernetes.kinds, old)).seen == "not served, but v1beta1"


def test_gateway_api_is_needed_for_a_gateway_only() -> None:
    without = cluster({"/apis/gateway.networking.k8s.io/v1": None, "/apis/gateway.networking.k8s.io/v1beta1": None})
    assert all_ok(ask(kubernetes.kinds, without))
    assert not all_ok(ask(kubernetes.kinds, without, ingress={"route": GATEWAY}))


OUTSIDE: dict[str, dict[str, object]] = {
    "database": {"kind": "external", "host": "db.example.org", "authority": AUTHORITY},
    "redis": {"kind": "external", "host": "cache.example.org"},
}


@pytest.mark.parametrize("section", OUTSIDE)
def test_no_operator_is_asked_for_what_somebody_else_runs(section: str) -> None:
    """Neither its CRDs, nor a Deployment of it, nor a right to make its resources."""
    group = {"database": "acid.zalan.do/v1", "redis": "redis.redis.opstreelabs.in/v1beta2"}[section]
    operator = {"database": operators.postgres_operator, "redis": operators.redis_operator}[section]
    values = configuration("minimal", **{section: OUTSIDE[section], f"{section}Password": "p"})
    wanted = settings.load(COMMANDS, values, encrypted(values))
    without = cluster({f"/apis/{group}": None, OPERATORS: {"items": [cert_manager()]}})
    assert all(result.level is Level.OK for result in kubernetes.kinds(without, wanted))
    assert not list(operator(without, wanted))
    resource = {"database": "postgresqls.acid.zalan.do", "redis": "redissentinels.redis.redis.opstreelabs.in"}[section]
    assert resource not in {right.resource for right in rights.needed(wanted)}
    assert not any(
        f"StorageClass of {section}" == each.subject for each in storage.storage_classes(STACK, cluster(), wanted)
    )
