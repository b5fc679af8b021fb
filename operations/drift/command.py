"""Look for drift, and heal it: `make drift`, `make heal` and what CI systems call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from enum import IntEnum

from operations.cluster import Cluster, Unanswered
from operations.drift import healing, report
from operations.drift.found import Drift, look
from operations.drift.owned import owned
from operations.errors import OperationError
from operations.own_cluster import own_cluster, refuse_last_context
from operations.pulumi import Stack


class Status(IntEnum):
    """What the caller reads. An OperationError ends with 1."""

    NONE = 0
    DRIFT = 2


def run_drift(stack: Stack, arguments: argparse.Namespace) -> int:
    """Print what has drifted. Return 2 when something has, otherwise 0. Raises OperationError."""
    drifts = drifted(stack, cluster_of(stack))
    if arguments.json:
        print(report.document(stack.name, drifts))
    elif not drifts:
        print(f"stack {stack.name} has no drift")
    else:
        print("\n".join(report.rows(drifts)))
        print(f"\n{stack.commands.make('heal')} puts it back; what should stay belongs into the stack file")
    return Status.DRIFT if drifts else Status.NONE


def run_heal(stack: Stack, arguments: argparse.Namespace) -> int:
    """Say what healing does, ask, and do it. Return 2 when something has drifted again, otherwise 0.

    Raises OperationError.
    """
    cluster = cluster_of(stack)
    drifts = drifted(stack, cluster)
    if not drifts:
        print(f"stack {stack.name} has no drift")
        return Status.NONE
    print("\n".join(report.rows(drifts)), end="\n\n")
    healing.refuse_loss(drifts, stack.commands)
    healing.refuse_half_done(stack)
    print("\n".join(healing.plan(drifts)), flush=True)
    if not arguments.yes:
        if not _agreed():
            print("nothing was changed")
            return Status.DRIFT
        _refuse_other_state(stack)
    if healing.put_back(cluster, drifts):
        refuse_last_context(stack)
        stack.show("up", "--refresh", *(["--yes", "--skip-preview"] if arguments.yes else []))
    left = drifted(stack, cluster)
    print(f"\n{after(stack, left)}")
    return Status.DRIFT if left else Status.NONE


def _refuse_other_state(stack: Stack) -> None:
    """Raise OperationError when the state is no longer the one that was looked at before the question.

    Healing would put back what an `up` has changed meanwhile.
    """
    looked_at = stack.deployment
    stack.forget_state()
    healing.refuse_half_done(stack)
    if stack.deployment != looked_at:
        raise OperationError(
            "an `up` has run while the question stood, so nothing was changed, and what is said above may be out of "
            "date: run this again"
        )


def cluster_of(stack: Stack) -> Cluster:
    """Return the stack's cluster. Raises OperationError when the settings lead to a different one."""
    return own_cluster(stack)


def drifted(stack: Stack, cluster: Cluster) -> list[Drift]:
    """Return what has drifted. Raises OperationError, also when the cluster doesn't answer."""
    try:
        return look(cluster, owned(stack, cluster))
    except Unanswered as reason:
        raise OperationError(f"the cluster does not answer: {reason}") from None


def after(stack: Stack, left: Sequence[Drift]) -> str:
    """Return how healing has ended."""
    if not left:
        return f"healed: stack {stack.name} has no drift"
    owners = ", ".join(sorted({report.who(each) or report.named(each.key) for each in left}))
    return f"something has changed it again: {owners}. Find out what it is, and stop it"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise OperationError("nobody is there to ask: --yes does it without asking")
    return input("\nPut it back? [y/N] ").strip().lower() in ("y", "yes")
