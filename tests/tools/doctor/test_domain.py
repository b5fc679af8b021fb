"""The domain of the cluster's Services, and of the operators that name Services in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from operations.checks import operators
from operations.checks.result import Check, Level
from tests.tools.doctor.known import NO_RIGHT, OPERATORS, ZALANDO, all_ok, ask, cluster, configured, only, redis

_NODES = {"/api/v1/nodes?limit=1": {"items": [{"metadata": {"name": "worker"}}]}}
_KUBELET = "/api/v1/nodes/worker/proxy/configz"


def _of(domain: str) -> Mapping[str, Any]:
    return {**_NODES, _KUBELET: {"kubeletconfig": {"clusterDomain": domain}}}


TOLD = [
    (operators.postgres_operator, {ZALANDO: configured(cluster_domain="corp.internal")}),
    (operators.redis_operator, {OPERATORS: {"items": [redis(SERVICE_DNS_DOMAIN="corp.internal")]}}),
]
UNTOLD = [(operators.postgres_operator, {}), (operators.redis_operator, {})]


@pytest.mark.parametrize(("check", "told"), TOLD)
def test_an_operator_that_knows_the_domain_is_ok(check: Check, told: Mapping[str, Any]) -> None:
    results = ask(check, cluster({**_of("corp.internal"), **told}))
    assert all_ok(results)
    assert "corp.internal" in {result.seen for result in results.values()}


@pytest.mark.parametrize(("check", "told"), [*TOLD, *UNTOLD])
def test_an_operator_with_a_different_domain_would_reach_nothing(check: Check, told: Mapping[str, Any]) -> None:
    domain = "cluster.local" if told else "corp.internal"
    bad = only(ask(check, cluster({**_of(domain), **told})))
    assert bad.level is Level.FAIL
    assert bad.subject.endswith("-operator: cluster domain")
    assert domain in bad.fix


@pytest.mark.parametrize(("check", "told"), UNTOLD)
@pytest.mark.parametrize("nodes", [{}, {"/api/v1/nodes?limit=1": NO_RIGHT}, {**_NODES, _KUBELET: NO_RIGHT}, _NODES])
def test_without_a_kubelet_that_tells_there_is_no_row(
    check: Check, told: Mapping[str, Any], nodes: Mapping[str, Any]
) -> None:
    results = ask(check, cluster({**nodes, **told}))
    assert all_ok(results)
    assert not any("cluster domain" in subject for subject in results)
