"""Tell what the cluster lacks now and gets from `up`, so that nobody is asked for it."""

from __future__ import annotations

from collections.abc import Mapping

from operations.checks.result import Result, ok
from operations.cluster import Cluster
from settings import Settings
from settings.operators import Operator

BY_STACK = "installed by this stack"
GROUPS: Mapping[str, Operator] = {
    "acid.zalan.do": "postgres",
    "redis.redis.opstreelabs.in": "redis",
    "cert-manager.io": "certManager",
}


def comes(cluster: Cluster, settings: Settings, operator: Operator) -> bool:
    """Return whether `up` will bring an operator whose kinds the cluster doesn't serve yet."""
    if operator not in settings.operators.installed:
        return False
    [group] = (group for group, each in GROUPS.items() if each == operator)
    return not cluster.get(f"/apis/{group}")


def by_stack(subject: str, chart: str) -> Result:
    """Return the row of something that `up` brings."""
    return ok(subject, f"{BY_STACK}, from {chart}")
