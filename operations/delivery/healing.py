"""Take from hands what they changed, so that the stack may put it back.

`kubectl edit` makes whoever typed it the owner of the field, and the stack's next apply a conflict.
"""

from __future__ import annotations

from collections.abc import Collection

from operations.adoption.owners import is_deployer
from operations.cluster import Cluster
from operations.ownership import Key, found, key_of, write_owners
from operations.pulumi import Stack
from operations.state import resources_of


def take_from_hands(stack: Stack, cluster: Cluster, urns: Collection[str]) -> int:
    """Remove the managers of other deployers from drifted resources. Return from how many. Raises Unanswered."""
    drifted = {key[1] for key in map(_key, resources_of(stack.deployment)) if key and key[0] in urns}
    taken = 0
    for key, live in found(cluster, sorted(drifted)).items():
        managers = live["metadata"].get("managedFields", [])
        kept = [each for each in managers if not is_deployer(each)]
        if len(kept) < len(managers):
            write_owners(cluster, key, live, kept)
            taken += 1
    return taken


def _key(resource: dict[str, object]) -> tuple[str, Key] | None:
    outputs = resource.get("outputs")
    if not isinstance(outputs, dict) or "name" not in outputs.get("metadata", {}) or "kind" not in outputs:
        return None
    return str(resource["urn"]), key_of(outputs)
