"""Whether the cluster and its namespaces are the stack's own, as `up` will ask before it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator

from operations.checks.result import Result, fail, ok
from operations.cluster import Cluster
from operations.pulumi import Stack
from operations.state import resources_of
from safeguards import LastState, Refusal
from safeguards.cluster import NAMESPACES, WHOLE
from safeguards.identity import refuse_foreign_namespaces, refuse_other_cluster
from settings import Settings


def identity(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Compare the stack's state with the cluster's uid and with the ids that the namespaces carry."""
    found = {name: cluster.get(f"/api/v1/namespaces/{name}") for name in (WHOLE, *NAMESPACES)}
    live = {name: namespace["metadata"] for name, namespace in found.items() if namespace}
    uid = live[WHOLE]["uid"]
    exported = resources_of(json.loads(stack.run("stack", "export")))
    state = LastState({r["urn"]: {"type": r["type"], "outputs": r.get("outputs", {})} for r in exported})
    try:
        refuse_other_cluster(settings, state, live, uid, stack.commands)
        refuse_foreign_namespaces(state, live, stack.commands)
    except Refusal as refusal:
        message = str(refusal)
        seen, _, way_out = message.partition(". " if ". " in message else ": ")
        yield fail("the stack's cluster", seen, way_out)
    else:
        yield ok("the stack's cluster", f"its own, {uid}" if exported else f"a new stack comes to {uid}")
