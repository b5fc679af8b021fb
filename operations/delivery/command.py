"""Preview, update, watch and heal a stack without anybody at the terminal. The ends of each are exit statuses."""

from __future__ import annotations

import argparse
import os
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
    """Do one command of ci/deliver.sh. Return its exit status. Raises OperationError."""
    if arguments.deliver == "comment":
        forge.publish(arguments.file, os.environ)
        return Status.DONE
    refuse_closed_secrets(stack, os.environ)
    return COMMANDS[arguments.deliver](stack, os.environ)


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
    try:
        cluster = cluster_of(stack)
        drifts = drifted(stack, cluster)
        print("\n".join([*rows(drifts), *healing.plan(drifts)] if drifts else []), file=sys.stderr, flush=True)
        healing.refuse_loss(drifts, stack.commands)
        gone = healing.put_back(cluster, drifts)
        if gone and (status := _change(stack, environment, "up", "--yes", "--refresh", *POLICIES)):
            return status
        left = drifted(stack, cluster) if drifts else []
    except OperationError as error:
        return _failed(stack, "heal", error)
    print(comment.healed(stack.name, drifts, left))
    return Status.DRIFT if left else Status.DONE


def drift(stack: Stack, _: Mapping[str, str]) -> Status:
    """Say what the cluster has otherwise than the stack. Nothing is changed, and the stack isn't locked."""
    try:
        drifts = drifted(stack, cluster_of(stack))
    except OperationError as error:
        return _failed(stack, "drift", error)
    print("\n".join(rows(drifts) if drifts else ["no drift"]), file=sys.stderr)
    print(comment.drifted(stack.name, drifts))
    return Status.DRIFT if drifts else Status.DONE


def mend(stack: Stack, _: Mapping[str, str]) -> Status:
    """Release the lock of a killed run and clear what it left half done. Only people start it."""
    return Status(repair.run(stack, argparse.Namespace()))


COMMANDS: Mapping[str, Callable[[Stack, Mapping[str, str]], Status]] = {
    "preview": preview,
    "up": up,
    "drift": drift,
    "heal": heal,
    "repair": mend,
}


def _change(stack: Stack, environment: Mapping[str, str], *command: str) -> Status:
    if superseded := _superseded(environment):
        print(comment.stopped(stack.name, superseded))
        return Status.SUPERSEDED
    limit = time.monotonic() + float(environment.get("DELIVER_LOCK_SECONDS", LOCK_SECONDS))
    ended = run_pulumi(stack, *command)
    while ended.locked and time.monotonic() < limit:
        print("waiting for the other run to end", file=sys.stderr, flush=True)
        time.sleep(_BETWEEN_TRIES)
        ended = run_pulumi(stack, *command)
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


def _failed(stack: Stack, command: str, error: OperationError) -> Status:
    print(f"error: {error}", file=sys.stderr)
    print(comment.failed(stack.name, command, str(error).splitlines()))
    return Status.FAILED
