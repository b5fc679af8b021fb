"""Take from hands what they changed, so that the stack may put it back.

`kubectl edit` makes whoever typed it the owner of the field, and the stack's next apply a conflict.
"""

from __future__ import annotations

from collections.abc import Collection

from operations.adoption.owners import is_deployer
from operations.cluster import Cluster
from operations.ownership import Key, key_of, write_owners
from operations.pulumi import Stack
from operations.state import resources_of


def take_from_hands(stack: Stack, cluster: Cluster, urns: Collection[str]) -> int:
    """Remove the managers of other deployers from drifted resources. Return from how many. Raises Unanswered."""
    drifted = {key for key in map(_key, resources_of(stack.deployment)) if key and key[0] in urns}
    taken = 0
    for _, key in sorted(drifted):
        for live in cluster.objects([key.kind], key.namespace):
            managers = live["metadata"].get("managedFields", [])
            kept = [each for each in managers if not is_deployer(each)]
            if key_of(live) == key and len(kept) < len(managers):
                write_owners(cluster, key, live, kept)
                taken += 1
    return taken


def _key(resource: dict[str, object]) -> tuple[str, Key] | None:
    outputs = resource.get("outputs")
    if not isinstance(outputs, dict) or "name" not in outputs.get("metadata", {}) or "kind" not in outputs:
        return None
    return str(resource["urn"]), key_of(outputs)
