"""Preview, update, watch and heal a stack without anybody at the terminal. The ends of each are exit statuses."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from enum import IntEnum

from operations import repair
from operations.delivery import comment, forge
from operations.delivery.newest import why_superseded
from operations.delivery.opened import refuse_closed_secrets
from operations.delivery.running import run_pulumi
from operations.drift import healing
from operations.drift.command import cluster_of, drifted
from operations.drift.report import rows
from operations.errors import OperationError
from operations.own_cluster import refuse_last_context
from operations.plan import previewed
from operations.pulumi import Stack

POLICIES = ("--policy-pack", "policy")
LOCK_SECONDS = 600  # default of DELIVER_LOCK_SECONDS
_BETWEEN_TRIES = 5


class Status(IntEnum):
    """What the caller reads."""

    DONE = 0
    FAILED = 1
    DRIFT = 2
    SUPERSEDED = 3
    LOCKED = 4


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Do one command of ci/deliver.sh. Return its exit status. Raises OperationError for a comment alone.

    Whatever else goes wrong stands on the page, too: the comment of a pull request must not be that of an older commit.
    """
    if arguments.deliver == "comment":
        forge.publish(arguments.file, os.environ)
        return Status.DONE
    try:
        refuse_closed_secrets(stack, os.environ)
        return COMMANDS[arguments.deliver](stack, os.environ)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        print(comment.failed(stack.name, arguments.deliver, str(error).splitlines()))
        return Status.FAILED


def preview(stack: Stack, _: Mapping[str, str]) -> Status:
    """Say what `up` would do, from the state alone: a preview needs neither the cluster nor its credentials."""
    try:
        report = previewed(stack, *POLICIES)
    except OperationError:
        ended = run_pulumi(stack, "preview", *POLICIES)  # as JSON it has no word of a policy that is broken
        if ended.status:
            print(comment.failed(stack.name, "preview", ended.lines))
            return Status.FAILED
        report = previewed(stack, *POLICIES)
    for said in report.get("diagnostics") or ():
        print(said["message"].rstrip(), file=sys.stderr)
    print(comment.previewed(stack.name, report))
    return Status.DONE


def up(stack: Stack, environment: Mapping[str, str]) -> Status:
    """Update the stack, unless this commit isn't the newest one of DELIVER_BRANCH."""
    return _change(stack, environment, "up", "--yes", *POLICIES)


def heal(stack: Stack, environment: Mapping[str, str]) -> Status:
    """Put back what somebody changed by hand, and have `up` make again what is gone."""
    if superseded := _superseded(environment):
        print(comment.stopped(stack.name, superseded))
        return Status.SUPERSEDED
    cluster = cluster_of(stack)
    drifts = drifted(stack, cluster)
    print("\n".join([*rows(drifts), *healing.plan(drifts)] if drifts else []), file=sys.stderr, flush=True)
    healing.refuse_loss(drifts, stack.commands)
    healing.refuse_half_done(stack)
    gone = healing.put_back(cluster, drifts)
    if gone:
        refuse_last_context(stack)
    if gone and (status := _change(stack, environment, "up", "--yes", "--refresh", *POLICIES)):
        return status
    left = drifted(stack, cluster) if drifts else []
    print(comment.healed(stack.name, drifts, left))
    return Status.DRIFT if left else Status.DONE


def drift(stack: Stack, _: Mapping[str, str]) -> Status:
    """Say what the cluster has otherwise than the stack. Nothing is changed, and the stack isn't locked."""
    drifts = drifted(stack, cluster_of(stack))
    print("\n".join(rows(drifts) if drifts else ["no drift"]), file=sys.stderr)
    print(comment.drifted(stack.name, drifts))
    return Status.DRIFT if drifts else Status.DONE


def mend(stack: Stack, _: Mapping[str, str]) -> Status:
    """Release the lock of a killed run and clear what it left half done. Only people start it."""
    return Status(repair.run(stack, argparse.Namespace(yes=True)))


COMMANDS: Mapping[str, Callable[[Stack, Mapping[str, str]], Status]] = {
    "preview": preview,
    "up": up,
    "drift": drift,
    "heal": heal,
    "repair": mend,
}


def _change(stack: Stack, environment: Mapping[str, str], *command: str) -> Status:
    limit = time.monotonic() + _patience(environment)
    while True:
        # Looked at before each try: the run that had the lock may have delivered a newer commit.
        if superseded := _superseded(environment):
            print(comment.stopped(stack.name, superseded))
            return Status.SUPERSEDED
        ended = run_pulumi(stack, *command)
        if not ended.locked or time.monotonic() >= limit:
            break
        print("waiting for the other run to end", file=sys.stderr, flush=True)
        time.sleep(_BETWEEN_TRIES)
    if ended.locked:
        print(comment.locked(stack.name, ended.lines, stack.commands))
        return Status.LOCKED
    if ended.status:
        print(comment.failed(stack.name, command[0], ended.lines))
        return Status.FAILED
    print(comment.updated(stack.name, ended.lines))
    return Status.DONE


def _superseded(environment: Mapping[str, str]) -> str:
    return why_superseded(environment.get("DELIVER_BRANCH", ""))


def _patience(environment: Mapping[str, str]) -> float:
    """Return how long to wait for a lock. CI systems hand on a variable that nobody has set as an empty one."""
    said = environment.get("DELIVER_LOCK_SECONDS") or str(LOCK_SECONDS)
    if not re.fullmatch(r"\d{1,6}", said, re.ASCII):
        raise OperationError("DELIVER_LOCK_SECONDS: write whole seconds, as in 600")
    return float(said)
