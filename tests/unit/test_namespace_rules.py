"""A stack makes namespaces of its own for operators, takes nobody's, and delivers nothing into the platform's."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from tests.unit.configurations import errors, load, with_
from tests.unit.harness import INSTALLED, OPERATOR, ORGANIZATION, platform
from tests.unit.test_application_settings import complaints, shop
from tests.unit.test_application_settings import load as load_shop
from tests.unit.test_stack_identity import OTHER, OWN, STACK, deployed

BOTH = ("operators", {"postgres": "install", "redis": "install"})


@pytest.mark.parametrize(
    ("changes", "key", "whose"),
    [
        ([("secretsOperator", {"namespace": "kube-system"})], "secretsOperator.namespace", "Kubernetes itself"),
        ([("secretsOperator", {"namespace": "infisical"})], "secretsOperator.namespace", "the platform itself"),
        ([("secretsOperator", {"namespace": "default"})], "secretsOperator.namespace", "whoever names none"),
        ([("secretsOperator", {"namespace": "cert-manager"})], "secretsOperator.namespace", "cert-manager"),
        (
            [("secretsOperator", {"kind": "externalSecrets", "namespace": "external-secrets"})],
            "secretsOperator.namespace",
            "networkPolicies.operators.externalSecrets",
        ),
        (
            [("secretsOperator", {"namespace": "postgres-operator"})],  # of the one that the cluster has already
            "secretsOperator.namespace",
            "networkPolicies.operators.postgres",
        ),
        (
            [BOTH, ("networkPolicies.operators.redis", "kube-system")],
            "networkPolicies.operators.redis",
            "Kubernetes itself",
        ),
        (
            [("operators.redis", "install"), ("networkPolicies.operators.redis", "postgres-operator")],
            "networkPolicies.operators.redis",
            "networkPolicies.operators.postgres",
        ),
    ],
)
def test_a_namespace_of_others_is_not_made(changes: list[tuple[str, Any]], key: str, whose: str) -> None:
    [line] = errors(with_(*changes))
    assert line.startswith(f"- {key}: ")
    assert f"is the namespace of {whose}. What the stack makes" in line


def test_two_operators_do_not_share_one() -> None:
    shared = ("networkPolicies.operators", {"postgres": "operators", "redis": "operators"})
    lines = errors(with_(BOTH, shared))
    assert [line.split(":")[0] for line in lines] == [
        "- networkPolicies.operators.postgres",
        "- networkPolicies.operators.redis",
    ]
    load(with_(shared))  # where somebody else has installed both


def test_names_of_their_own_are_taken() -> None:
    load(
        with_(
            ("operators", {**dict.fromkeys(("postgres", "redis", "certManager"), "install")}), ("secretsOperator", {})
        )
    )
    load(with_(("secretsOperator", {"kind": "externalSecrets"})))
    load(with_(("secretsOperator", {"namespace": "kube-system"}), ("cluster.namePrefix", "blue")))


def test_a_name_is_not_too_long_with_its_prefix() -> None:
    namespace = "a" * 59
    load(with_(("secretsOperator", {"namespace": namespace})))
    load(with_(("secretsOperator", {"namespace": namespace}), ("cluster.namePrefix", "abc")))
    [line] = errors(with_(("secretsOperator", {"namespace": namespace}), ("cluster.namePrefix", "abcd")))
    assert line.startswith(f"- secretsOperator.namespace: with cluster.namePrefix it is abcd-{namespace}, which has 64")


def test_a_store_has_a_name() -> None:
    """External Secrets Operator's has namespace and Secret in it, and no namespace of its own."""
    external = {"secretsOperator": {"kind": "externalSecrets"}}
    application = shop("deliver 0 restarts", [])
    application["shop"]["deliver"][0] |= {"namespace": "shop", "secret": "a" * 238}
    load_shop(application, **external)
    application["shop"]["deliver"][0]["secret"] += "a"
    [line] = complaints(application, **external)
    assert "applications.shop.deliver[0].secret: with its namespace it makes a ClusterSecretStore's name of 254" in line
    load_shop(application)


@pytest.mark.parametrize(
    ("namespace", "reason"),
    [
        ("infisical", "it is the platform's own, and the operator would read its keys there"),
        ("platform-db-pg", "it is the platform's own"),
        ("platform-kv-redis-cluster", "it is the platform's own"),
        ("postgres-operator", "it is an operator's namespace"),
        ("cert-manager", "it is an operator's namespace"),
    ],
)
def test_nothing_is_delivered_into_the_platform(namespace: str, reason: str) -> None:
    installed = dict.fromkeys(("postgres", "redis", "certManager"), "install")
    [line] = complaints(shop("deliver 0 namespace", namespace), operators=installed)
    assert f"applications.shop.deliver[0].namespace: {reason}" in line


def test_deliveries_have_names_that_differ_when_they_are_joined() -> None:
    """Pulumi knows a delivery by namespace-secret."""
    application = shop()
    first = application["shop"]["deliver"][0]
    second = {**first, "namespace": "shop-prod", "secret": "env"}
    application["shop"]["deliver"] = [{**first, "secret": "prod-env"}, second]
    [line] = complaints(application)
    assert "applications.shop.deliver[1].secret: with its namespace it is shop-prod-env" in line
    assert "so is that of applications.shop.deliver[0]" in line


# --- before `up` -----------------------------------------------------------------------------------------------------

SECRETS_OPERATOR: dict[str, Any] = {"secretsOperator": OPERATOR}


def refusal(**given: Any) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        platform(**given)
    return str(caught.value)


@pytest.mark.parametrize("marks", [{}, {"infisical-platform/stack": STACK, "infisical-platform/stack-id": OTHER}])
@pytest.mark.parametrize("state", [{}, deployed()])
def test_an_operators_namespace_that_is_there_already_is_somebodys(marks: dict[str, str], state: Any) -> None:
    name = "infisical-secrets-operator"
    message = refusal(state=state, namespaces={name: marks}, organization=ORGANIZATION, **SECRETS_OPERATOR)
    assert message.startswith(f"secretsOperator.namespace: namespace {name} is there, and this stack has not made it")
    assert "pulumi config set --stack dev --path 'infisical-platform:secretsOperator.namespace' NAME" in message
    give = f"annotate namespace {name} infisical-platform/given-to=infisical-platform/dev infisical-platform/stack-id-"
    assert give in message


def test_so_are_those_of_operators_that_the_stack_installs() -> None:
    names = ("postgres-operator", "redis-operator", "cert-manager")
    message = refusal(namespaces={name: {} for name in names}, operators=INSTALLED)
    keys = [line.partition(":")[0] for line in message.splitlines()]
    assert keys == ["networkPolicies.operators.postgres", "networkPolicies.operators.redis", "operators.certManager"]
    assert "'infisical-platform:operators.certManager' present" in message
    assert platform(namespaces={name: {} for name in names}), "where the cluster has them, they are nobody's business"


def test_what_the_stack_has_made_and_what_is_given_to_it_is_taken() -> None:
    name = "infisical-secrets-operator"
    own = {"infisical-platform/stack": STACK, "infisical-platform/stack-id": OWN}
    given = {"infisical-platform/given-to": "infisical-platform/dev"}
    assert platform(state=deployed(), namespaces={name: own}, **SECRETS_OPERATOR)
    assert platform(namespaces={name: given}, **SECRETS_OPERATOR)
    assert "is there" in refusal(namespaces={name: {"infisical-platform/given-to": "x/prod"}}, **SECRETS_OPERATOR)
    assert platform(preview=True, namespaces={name: {}}, **SECRETS_OPERATOR), "a preview asks no cluster"
