"""Read the stack's objects again, in its own cluster alone: elsewhere Pulumi would take all of them for deleted."""

from __future__ import annotations

import argparse

from operations.own_cluster import own_cluster, refuse_last_context
from operations.pulumi import Stack


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Run `pulumi refresh`, which asks. Return 0. Raises OperationError."""
    own_cluster(stack)
    refuse_last_context(stack)
    stack.show("refresh", *(["--yes", "--skip-preview"] if arguments.yes else []))
    return 0
