"""NetworkPolicies select pods by labels that every program which enforces them knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.unit.harness import platform
from tests.unit.network import Network, Pod
from tests.unit.network_pods import DATABASE, POOLER, REDIS, SENTINEL, STARTING


@pytest.mark.parametrize("pod", [DATABASE, STARTING, POOLER, REDIS, SENTINEL])
def test_each_server_has_the_policy_of_its_kind_alone(pod: Pod) -> None:
    own = {DATABASE: "database", STARTING: "database", POOLER: "pooler", REDIS: "redis", SENTINEL: "sentinel"}
    assert Network(platform()).policies_of(pod) == [own[pod], "others"]


def test_no_policy_selects_by_a_label_that_cilium_does_not_know() -> None:
    """It leaves these out of a pod's identity, and a policy that selects by one has no pods: everything is cut off.

    https://docs.cilium.io/en/stable/operations/performance/scalability/identity-relevant-labels/
    """
    unknown = re.compile(
        r"statefulset\.kubernetes\.io/|apps\.kubernetes\.io/|batch\.kubernetes\.io/|([^/]*\.)?(kubernetes|k8s)\.io(/|$)"
        r"|pod-template-|controller-revision-hash|job-name|controller-uid|annotation|etcd_node"
    )
    known = re.compile(r"app\.kubernetes\.io/")
    selectors = [
        selector
        for policy in platform("prod").of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")
        for selector in _pod_selectors(policy.inputs["spec"])
    ]
    labels = {
        label
        for selector in selectors
        for label in (*selector.get("matchLabels", {}), *(each["key"] for each in selector.get("matchExpressions", [])))
    }
    assert "connection-pooler" in labels
    assert [label for label in labels if unknown.match(label) and not known.match(label)] == []


def _pod_selectors(spec: Any) -> Iterator[Any]:
    """Those of pods at any depth. Namespaces are known by their names."""
    match spec:
        case dict():
            for key, value in cast("dict[str, Any]", spec).items():
                if key == "podSelector":
                    yield value
                elif key != "namespaceSelector":
                    yield from _pod_selectors(value)
        case list():
            for each in cast("list[Any]", spec):
                yield from _pod_selectors(each)
        case _:
            pass
