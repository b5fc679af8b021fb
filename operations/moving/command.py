"""Run `make migrate-secrets`: one step of a move, or all of them. Without `--yes` a step only says what it would do."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from operations.cluster import Unanswered
from operations.errors import OperationError
from operations.moving import deliveries, sealed, stack_file
from operations.moving.advice import still_used
from operations.moving.consumers import renaming
from operations.moving.move import Move
from operations.moving.plan import Body, Found, folder_of, target_of
from operations.pulumi import Stack
from operations.table import table

ROLLOUT_SECONDS = 600  # how long Kubernetes itself waits for the progress of a rollout, unless it is told otherwise
OPENING_SECONDS = 60  # for the controller to open what was put back


def _inventory(move: Move) -> str:
    rows = [("SECRET", "TYPE", "KEYS", "BYTES", "MADE BY", "USED BY", "")]
    users: dict[str, dict[str, None]] = {}
    for holder in move.holders:
        users.setdefault(holder.secret, {})[holder.maker] = None
    for secret in move.plan.found:
        size = str(sum(int(key["size"]) for key in secret.keys.values()))
        used = " ".join(users.get(secret.name, ())) or "-"
        verdict = f"stays: {secret.obstacle}" if secret.obstacle else f"moves to {secret.folder}"
        rows.append((secret.name, secret.type, str(len(secret.keys)), size, secret.owner or "-", used, verdict))
    print("\n".join(table(rows)))
    return f"{len(move.plan.movable)} of {len(move.plan.found)} Secrets can move"


def _plan(move: Move) -> str:
    held = stack_file.stated(move.stack.file, move.application)
    if held is not None:
        if unplanned := move.plan.unplanned(held):
            raise OperationError(_without_folders(move, held, unplanned))
        return f"{move.stack.file} has application {move.application} already"
    body = move.plan.body(move.title)
    if move.dry:
        print(stack_file.text_of(move.application, body), end="")
        return f"{move.stack.file} would get this below `applications`"
    stack_file.put(move.stack.file, move.application, body, None)
    return f"{move.stack.file} has application {move.application}: look at it, then {move.stack.commands.pulumi('up')}"


def _without_folders(move: Move, held: Body, secrets: Sequence[Found]) -> str:
    """Return what has to be said of Secrets that the application has no folder for."""
    taken = move.plan.taken(held)
    of_others = sorted(secret.folder for secret in secrets if secret.folder in taken)
    lines = [
        f"{move.stack.file} has application {move.application} already, and in {move.environment} no folder for Secret "
        f"{', '.join(secret.name for secret in secrets)} of namespace {move.namespace}"
    ]
    if of_others:
        lines.append(f"{', '.join(of_others)} is of another namespace, which it is delivered to")
    if free := [secret for secret in secrets if secret.folder not in taken]:
        known = move.environment in (held.get("environments") or {})
        new = {} if known else {"environments": {move.environment: move.title}}
        block = stack_file.text_of(move.application, {**new, **move.plan.folders(free)})
        lines.append(f"write into the stack file as well\n{block}".rstrip())
    begun = [secret.name for secret in move.plan.items(held)]
    if of_others or not begun:
        other = replace(move, application="OTHER", left=(*move.left, *begun))
        lines.append(f"or move them into another application: {other.command('plan', '--yes')}")
    leave = move.command("plan", *(f"--leave {secret.name}" for secret in secrets))
    return "\n".join([*lines, f"or leave them where they are: {leave}"])


def _unplan(move: Move) -> str:
    body = move.stated
    if others := sorted(body.keys() - {"environments", "secrets"}):
        raise OperationError(f"application {move.application} has more than was planned: take out {', '.join(others)}")
    stack_file.put(move.stack.file, move.application, None, body)
    return f"{move.stack.file} has no application {move.application} any more"


def _copy(move: Move) -> str:
    said = move.script("check" if move.dry else "copy")
    count = sum(len(list(_list(line.get("missing" if move.dry else "copied")))) for line in said)
    return f"{count} values {'would be ' if move.dry else ''}copied, of {len(said)} Secrets; none is overwritten"


def _uncopy(move: Move) -> str:
    deliveries.refuse_while_delivered(move)
    said = move.script("remove")
    left = [f"{line['folder']}: {', '.join(map(str, _list(line['left'])))}" for line in said if line["left"]]
    changed = f"; changed since, so left alone: {'; '.join(left)}" if left else ""
    return f"{sum(len(_list(line['removed'])) for line in said)} values removed from Infisical{changed}"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _compare(move: Move) -> str:
    return f"{len(move.script('compare'))} delivered Secrets have the same bytes as those that they come from"


def _switch(move: Move) -> str:
    if not move.dry:
        move.script("compare")
    return _rename(move, {secret.name: secret.target for secret in move.moving})


def _switch_back(move: Move) -> str:
    used = {use.secret for use in move.uses}
    if gone := [name for name in move.plan.gone(move.stated) if target_of(name) in used]:
        raise OperationError(
            f"nothing can be pointed back at {', '.join(gone)}, which the namespace does not have: first "
            f"{move.command('retire', '--undo', '--yes')}"
        )
    return _rename(move, {secret.target: secret.name for secret in move.begun})


def _rename(move: Move, names: Mapping[str, str]) -> str:
    uses = [use for use in move.uses if use.secret in names]
    said = [f"{use.name}: {use.secret} -> {names[use.secret]}{' (make it anew yourself)' * use.fixed}" for use in uses]
    print("\n".join(dict.fromkeys(said)))
    patches = renaming(uses, names)
    for name, operations in patches.items() if not move.dry else ():
        kind, _, found = name.partition("/")
        move.cluster.patch(kind, found, move.namespace, operations)
    verb = "would be changed" if move.dry else "were changed"
    return f"{len(patches)} objects {verb}; change their manifests too, or whoever applies those changes them back"


def _roll_out(move: Move) -> str:
    """Wait for the end of what `switch` has begun. It says nothing against what is left: `retire` refuses that."""
    end = time.monotonic() + ROLLOUT_SECONDS
    while (left := move.held) and all(holder.passes for holder in left) and time.monotonic() < end:
        time.sleep(2)
    return "the pods are not all replaced" if left else "no pod has an old Secret any more"


def _retire(move: Move) -> str:
    if left := move.held:
        raise OperationError(still_used(move, left))
    sealed_ones = [secret for secret in move.moving if secret.sealed]
    plain = [secret.name for secret in move.moving if not secret.sealed]
    if not move.dry:
        move.script("compare")
        sealed.retire(move.cluster, move.kept, move.namespace, sealed_ones)
    if plain:
        delete = move.cluster.kubectl(f"delete secret -n {move.namespace} {' '.join(plain)}")
        print(f"no workload or pod uses these, delete them when you like, unless a custom resource does: {delete}")
    names = ", ".join(secret.sealed for secret in sealed_ones) or "none"
    return f"SealedSecrets {'to delete' if move.dry else f'deleted, kept in {move.kept}'}: {names}"


def _unretire(move: Move) -> str:
    closed = names = sealed.restore(move.cluster, move.kept)
    end = time.monotonic() + OPENING_SECONDS
    while closed := [name for name in closed if not move.cluster.exists("secret", name, "-n", move.namespace)]:
        if time.monotonic() >= end:
            why = move.cluster.kubectl(f"describe sealedsecrets -n {move.namespace} {' '.join(closed)}")
            raise OperationError(f"SealedSecrets are back, but {', '.join(closed)} have no Secret yet. {why} says why")
        time.sleep(1)
    if lacking := _lacking(move, names):
        raise OperationError(
            f"SealedSecrets are back, but they do not make all that {move.stack.file} has: {'; '.join(lacking)}. "
            "Nothing is lost, Infisical has it: add it before anything is pointed back"
        )
    return f"SealedSecrets put back: {', '.join(names) or 'none'}"


def _lacking(move: Move, names: Sequence[str]) -> list[str]:
    """Return what Secrets that were made again lack of what had moved, as the stack file names it."""
    held = stack_file.stated(move.stack.file, move.application)
    folders = ((held or {}).get("secrets") or {}).get(move.environment) or {}
    if not folders.keys() & {folder_of(name) for name in names}:
        return []
    lacking = {each.name: sorted((folders.get(each.folder) or {}).keys() - each.keys.keys()) for each in move.look()}
    return [f"Secret {name} lacks {', '.join(keys)}" for name, keys in lacking.items() if keys and name in names]


def _up(move: Move) -> str:
    if move.dry:
        return move.stack.commands.pulumi("up")
    move.stack.show("up", "--yes", "--skip-preview")
    return "the stack is as its file says"


@dataclass(frozen=True, slots=True)
class Step:
    """What a step does, and what takes it back. Both may be repeated."""

    act: Callable[[Move], str]
    undo: Callable[[Move], str] | None = None


STEPS: Mapping[str, Step] = {
    "inventory": Step(_inventory),
    "plan": Step(_plan, _unplan),
    "copy": Step(_copy, _uncopy),
    "deliver": Step(deliveries.deliver, deliveries.take_out),
    "compare": Step(_compare),
    "switch": Step(_switch, _switch_back),
    "retire": Step(_retire, _unretire),
}
_BETWEEN: Mapping[str, Callable[[Move], str]] = {"up": _up, "roll out": _roll_out}
_ALL = ("inventory", "plan", "up", "copy", "deliver", "up", "compare", "switch", "roll out", "retire")


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Take a step, or all of them. Return 0. Raises OperationError."""
    application = arguments.application or arguments.namespace
    title = arguments.title or arguments.environment.capitalize()
    move = Move(
        stack,
        arguments.namespace,
        application,
        arguments.environment,
        title,
        dry=not arguments.yes,
        left=tuple(arguments.leave),
    )
    try:
        if arguments.all and arguments.yes:
            for name in _ALL:
                print(f"{name}: {(STEPS[name].act if name in STEPS else _BETWEEN[name])(move)}", flush=True)
        elif arguments.undo:
            _take_back(move, arguments.step)
        else:
            print(STEPS[arguments.step].act(move))
            _say_what_is_next(move, arguments.step)
    except Unanswered as reason:
        raise OperationError(f"the cluster does not answer: {reason}. Nothing is lost: run this again") from None
    return 0


def _take_back(move: Move, name: str) -> None:
    undo = STEPS[name].undo
    if undo is None:
        raise OperationError(f"step {name} changes nothing, so there is nothing to take back")
    if move.dry:
        raise OperationError(f"to take step {name} back: {move.command(name, '--undo', '--yes')}")
    print(undo(move))


def _say_what_is_next(move: Move, name: str) -> None:
    names = list(STEPS)
    if move.dry and STEPS[name].undo:
        print(f"nothing was changed. To do it: {move.command(name, '--yes')}")
    elif name != names[-1]:
        print(f"next: {move.command(names[names.index(name) + 1])}")
