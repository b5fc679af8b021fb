"""Check whether the cluster and its namespaces are the stack's own, as `up` does before it begins."""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster
from operations.pulumi import Stack
from operations.state import state_of
from safeguards import Refusal
from safeguards.cluster import WHOLE
from safeguards.identity import (
    known_cluster,
    operator_namespaces,
    refuse_foreign_namespaces,
    refuse_other_cluster,
    refuse_other_names,
    refuse_taken_namespaces,
)
from settings import Settings


def identity(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Compare the stack's state with the cluster's uid and with the ids that the namespaces carry."""
    operators = (name for _, name in operator_namespaces(settings))
    names = (WHOLE, *settings.cluster.names.namespaces, *operators)
    found = {name: cluster.get(f"/api/v1/namespaces/{name}") for name in names}
    live = {name: namespace["metadata"] for name, namespace in found.items() if namespace}
    uid = live[WHOLE]["uid"]
    state = state_of(stack)
    try:
        refuse_other_names(settings, state, stack.commands)
        refuse_other_cluster(settings, state, live, uid, stack.commands)
        refuse_foreign_namespaces(settings, state, live, stack.commands)
        refuse_taken_namespaces(settings, state, live, stack.commands)
    except Refusal as refusal:
        message = str(refusal)
        seen, _, way_out = message.partition(". " if ". " in message else ": ")
        yield fail("the stack's cluster", seen, way_out)
    else:
        yield ok("the stack's cluster", f"its own, {uid}" if known_cluster(state) else f"a stack that comes to {uid}")
