"""The rules of the policy pack that every provider is explicit, and that data is protected."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from declared import Stack, Unknown

from tests.unit.test_policy import CONFIG_MAP, POSTGRESQL, REPLICATION, SECRET, found


@pytest.mark.parametrize(("provider", "said"), [("default", 1), ("default_4_27_0", 1), ("kubernetes", 0), ("", 0)])
def test_a_default_provider_is_refused(provider: str, said: int) -> None:
    assert len(found("providers-are-explicit", CONFIG_MAP, {}, provider=provider)) == said


PRECIOUS = [
    ("kubernetes:core/v1:Namespace", {}, "infisical"),
    (POSTGRESQL, {}, "cluster"),
    (REPLICATION, {}, "replication"),
    ("random:index/randomPassword:RandomPassword", {}, "infisical-secrets-encryption-key"),
    (SECRET, {"metadata": {"name": "infisical-secrets"}, "stringData": Unknown.VALUE}, "infisical-secrets"),
]


@pytest.mark.parametrize(("type_", "props", "name"), PRECIOUS)
def test_what_is_precious_is_protected_where_the_stack_protects(
    type_: str, props: Mapping[str, object], name: str
) -> None:
    assert found("data-is-protected", type_, props, name=name) == ["it is not protected, and cluster.protect is on"]
    assert found("data-is-protected", type_, props, name=name, protect=True) == []
    assert found("data-is-protected", type_, props, name=name, stack=Stack(protects=False)) == []


@pytest.mark.parametrize(
    ("prefix", "name", "counts"),
    [
        ("", "infisical", True),
        ("", "platform-db-pg", True),
        ("", "cert-manager", False),
        ("", "infisical-secrets-operator", False),
        ("blue", "blue-platform-kv-redis-cluster", True),
        ("blue", "blue-infisical-secrets-operator", False),
    ],
)
def test_a_namespace_counts_where_it_has_data(prefix: str, name: str, counts: bool) -> None:
    props, stack = {"metadata": {"name": name}}, Stack(protects=True, prefix=prefix)
    assert bool(found("data-is-protected", "kubernetes:core/v1:Namespace", props, stack=stack)) == counts


def test_what_can_be_made_again_need_not_be_protected() -> None:
    assert found("data-is-protected", SECRET, {"metadata": {"name": "login"}}) == []
    assert found("data-is-protected", "random:index/randomPassword:RandomPassword", {}, name="password") == []
