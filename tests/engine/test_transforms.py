"""A fork's own transform reaches what this program makes, as docs/consumers.md promises."""

from __future__ import annotations

import json

from checkout import Checkout

# Stands above the program, as a fork would write it.
_LABELS = """
import pulumi

def _labelled(args):
    metadata = args.props.get("metadata")
    if args.type_.startswith("kubernetes:") and isinstance(metadata, dict):
        labels = {**metadata.get("labels", {}), "cost-centre": "blue"}
        return pulumi.ResourceTransformResult({**args.props, "metadata": {**metadata, "labels": labels}}, args.opts)
    return None

pulumi.runtime.register_resource_transform(_labelled)
"""


def test_a_transform_of_a_fork_reaches_every_object(checkout: Checkout) -> None:
    program = checkout.folder / "__main__.py"
    first = "from pathlib import Path\n"
    assert program.read_text().count(first) == 1
    program.write_text(program.read_text().replace(first, first + _LABELS))
    checkout("pulumi", "stack", "init", "dev")
    printed = checkout("pulumi", "preview", "--stack", "dev", "--non-interactive", "--json")
    steps = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])["steps"]
    metadata = {
        step["urn"]: step["newState"]["inputs"]["metadata"]
        for step in steps
        if "metadata" in step.get("newState", {}).get("inputs", {})
    }
    assert len(metadata) > 50
    assert [urn for urn, found in metadata.items() if found.get("labels", {}).get("cost-centre") != "blue"] == []
