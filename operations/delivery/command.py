"""Preview, update, watch and heal a stack without anybody at the terminal. The ends of each are exit statuses."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from enum import IntEnum

from operations import repair
from operations.cluster import Cluster, Unanswered
from operations.delivery import comment, forge
from operations.delivery.healing import take_from_hands
from operations.delivery.newest import why_superseded
from operations.delivery.opened import refuse_closed_secrets
from operations.delivery.running import Ended, run_pulumi
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
    ended = run_pulumi(stack, "preview", *POLICIES)
    if ended.status:
        print(comment.failed(stack.name, "preview", ended.lines))
        return Status.FAILED
    print(comment.previewed(stack.name, previewed(stack)))
    return Status.DONE


def up(stack: Stack, environment: Mapping[str, str]) -> Status:
    """Update the stack, unless this commit isn't the newest one of DELIVER_BRANCH."""
    return _change(stack, environment, "up", "--yes", *POLICIES)


def heal(stack: Stack, environment: Mapping[str, str]) -> Status:
    """Put back what somebody changed by hand: take it from them, read the cluster again, then update."""
    ended, report = _refreshed(stack)
    if report is None:
        print(comment.failed(stack.name, "heal", ended.lines))
        return Status.FAILED
    if not _superseded(environment):
        settings = stack.settings().cluster
        try:
            taken = take_from_hands(stack, Cluster(settings.context, settings.kubeconfig), comment.changed(report))
        except Unanswered as reason:
            raise OperationError(f"the cluster does not answer: {reason}") from None
        print(f"{taken} objects had a field of somebody else's", file=sys.stderr)
    return _change(stack, environment, "up", "--yes", "--refresh", *POLICIES)


def drift(stack: Stack, _: Mapping[str, str]) -> Status:
    """Say what differs between the cluster and the state. Nothing is changed, and the stack isn't locked."""
    ended, report = _refreshed(stack)
    if report is None:
        print(comment.failed(stack.name, "drift", ended.lines))
        return Status.FAILED
    found = comment.drifted(stack, report)
    print(found.text)
    return Status.DRIFT if found.count else Status.DONE


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
    superseded = _superseded(environment)
    if superseded:
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


def _refreshed(stack: Stack) -> tuple[Ended, comment.Report | None]:
    """Return what a refresh would find, or nothing with Pulumi's words on stderr."""
    ended = run_pulumi(stack, "refresh", "--preview-only", "--json", show=False)
    report = None if ended.status else _document(ended)
    if report is None:
        print("\n".join(ended.lines), file=sys.stderr)
    return ended, report


def _document(ended: Ended) -> dict[str, object] | None:
    text = "\n".join(ended.lines)
    try:
        return json.loads(text[text.index("{") :])
    except ValueError:
        return None
