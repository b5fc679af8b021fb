"""Remove a lost cluster from the state. Generated keys and passwords stay, so that data can be restored."""

from __future__ import annotations

import argparse
from typing import Any

from operations.errors import OperationError
from operations.pulumi import Stack
from operations.state import PROVIDER, resources_of, write_copy

UNKNOWN = "unknown"  # for a state from before stacks knew their cluster


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Forget the cluster `arguments.cluster`, a uid as `up` prints it. Return 0.

    It first writes the old state into a file of the working directory, where secrets stay encrypted. Raises
    OperationError when the stack is in a different cluster.
    """
    deployment = stack.deployment
    resources = resources_of(deployment)
    known = {str(r.get("outputs", {}).get("clusterIdentifier") or UNKNOWN) for r in resources if r["type"] == PROVIDER}
    if arguments.cluster not in known:
        raise OperationError(
            f"stack {stack.name} is in {' and '.join(sorted(known)) or 'no cluster'}, not in {arguments.cluster}: "
            "nothing is forgotten"
        )
    stays = [resource for resource in resources if not _is_in_cluster(resource)]
    _prune(stays, {resource["urn"] for resource in stays})
    copy = write_copy(stack)
    stack.replace_deployment(deployment | {"resources": stays, "pending_operations": []})
    gone = len(resources) - len(stays)
    print(f"{gone} resources of cluster {arguments.cluster} are forgotten; the state as it was: {copy}")
    print(f"kept, with its value: {', '.join(sorted(_names_of_secrets(stays))) or 'nothing'}")
    return 0


def _is_in_cluster(resource: dict[str, Any]) -> bool:
    return resource["type"].startswith("kubernetes:") or resource["type"] == PROVIDER


def _prune(resources: list[dict[str, Any]], known: set[str]) -> None:
    """Remove references to what is gone, because Pulumi refuses a state with a reference into nothing."""
    for resource in resources:
        if "dependencies" in resource:
            resource["dependencies"] = [urn for urn in resource["dependencies"] if urn in known]
        for urns in (resource.get("propertyDependencies") or {}).values():
            if urns:
                urns[:] = [urn for urn in urns if urn in known]


def _names_of_secrets(resources: list[dict[str, Any]]) -> set[str]:
    return {r["urn"].rpartition("::")[2] for r in resources if r["type"].startswith("random:")}
