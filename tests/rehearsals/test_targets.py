"""`--target` changes one part, and the `up` after it changes what waits for that part."""

from __future__ import annotations

import re

from embedded.cluster import Cluster
from embedded.stack import Stack
from tests.e2e.steps import assert_nothing_to_do, configure
from tests.e2e.views import Kubectl

_WIDER = {"kind": "ingress", "className": "nginx", "maxBodyMib": 33}
_BODY = r"jsonpath={.metadata.annotations.nginx\.ingress\.kubernetes\.io/proxy-body-size}"


def changed(stack: Stack, *options: str) -> set[str]:
    """Return the names of what an `up` makes, changes or replaces."""
    printed = stack.run("up", "--yes", "--skip-preview", "--diff", *options, quiet=True)
    return {*re.findall(r"^ *[~+-]{1,2} ?\S.*\n(?:.*\n)??.*\[urn=urn:pulumi:.*::(\S+)\]", printed, re.MULTILINE)}


def test_a_target_alone_and_then_the_rest(cluster: Cluster, kubectl: Kubectl, stack: Stack) -> None:
    assert cluster
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    configure(stack, ingress={"route": _WIDER})
    assert changed(stack, "--target", "**Ingress::ingress-route") == {"ingress-route"}
    assert kubectl("get", "ingress", "infisical", "-n", "infisical", "-o", _BODY) == "33m"
    assert "ingress-gate" in changed(stack)
    assert_nothing_to_do(stack)
    configure(stack)
    assert {"ingress-route", "ingress-gate"} <= changed(
        stack, "--target", "**Ingress::ingress-route", "--target-dependents"
    )
    assert_nothing_to_do(stack)
