"""docs/rights.md is the whole truth: what any shape of stack grants, and nothing else."""

from __future__ import annotations

import pytest

from components.base.names import DATABASE_CREDENTIALS
from tests.contract.rights import Right, accounts, granted, written
from tests.unit.harness import OUTSIDE, SHAPES, shape


@pytest.mark.parametrize("name", [*SHAPES, *OUTSIDE])
def test_what_a_stack_grants_is_written_down(name: str) -> None:
    graph = shape(name)
    there = accounts(graph)
    assert granted(graph) == {right for right in written(graph) if right.account in there}


def test_what_is_written_down_is_granted_by_some_stack() -> None:
    assert set[Right]().union(*(granted(shape(name)) for name in (*SHAPES, *OUTSIDE))) >= written(shape("applications"))


@pytest.mark.parametrize("name", [*SHAPES, *OUTSIDE])
def test_nobody_may_read_a_secret_with_a_private_key(name: str) -> None:
    secrets = {right.name for right in granted(shape(name)) if right.resource == "secrets"}
    proof = {"infisical-identity-operator-canary", "operator-canary"}
    delivered = {"infisical-bootstrap", "infisical-identity-shop", "shop-env", *proof}
    assert secrets <= {
        "infisical-secrets",
        "external-database",
        "platform-kv-auth",
        DATABASE_CREDENTIALS,
        "move-in-server",
        *delivered,
    }
