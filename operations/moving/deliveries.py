"""Write into the stack file what delivers the Secrets that move, and take that out again, and nothing else of it."""

from __future__ import annotations

from operations.errors import OperationError
from operations.moving import stack_file
from operations.moving.move import Move
from operations.moving.plan import Body, origin_of, target_of


def deliver(move: Move) -> str:
    """Add the deliveries that are not there yet. Return what the stack file says then. Raises OperationError."""
    before = move.stated
    there = {(each["namespace"], each["secret"]) for each in _deliveries(before)}
    wanted = move.plan.deliveries(move.moving)
    if not (lacking := [each for each in wanted if (each["namespace"], each["secret"]) not in there]):
        return f"{move.stack.file} delivers all of {len(wanted)} Secrets to {move.namespace} already"
    after = {**before, "deliver": [*_deliveries(before), *lacking]}
    if move.dry:
        print(stack_file.text_of(move.application, after), end="")
        return f"{move.stack.file} would say this of {move.application}"
    stack_file.put(move.stack.file, move.application, after, before)
    said = f"{len(wanted)} Secrets to {move.namespace}, {len(lacking)} of them from now on"
    return f"{move.stack.file} delivers {said}: {move.stack.commands.pulumi('up')}"


def take_out(move: Move) -> str:
    """Take out the deliveries that `deliver` writes. Those of people stay. Raises OperationError."""
    before = move.stated
    written = [each for each in _deliveries(before) if _of_the_move(move, each)]
    kept = [each for each in _deliveries(before) if each not in written]
    targets = {each["secret"] for each in written}
    if used := {holder.secret: holder.maker for holder in move.holders if holder.secret in targets}:
        users = ", ".join(f"{secret} ({maker})" for secret, maker in used.items())
        raise OperationError(
            f"delivered Secrets are in use: {users}. First {move.command('switch', '--undo', '--yes')}, and point back "
            "yourself what that does not change"
        )
    rest = {key: value for key, value in before.items() if key != "deliver"}
    after = {**rest, "deliver": kept} if kept else rest
    stack_file.put(move.stack.file, move.application, after, before)
    others = f", and keeps what this command has not written: {_named(kept)}" if kept else ""
    said = f"{move.stack.file} delivers nothing that was moved to {move.namespace} any more{others}"
    return f"{said}: {move.stack.commands.pulumi('up')}"


def refuse_while_delivered(move: Move) -> None:
    """Refuse to remove values that are still delivered. Raises OperationError."""
    folders = {secret.folder for secret in move.begun}
    found = [
        each
        for each in _deliveries(move.stated)
        if each["environment"] == move.environment and each.get("path", "/") in folders
    ]
    if not found:
        return
    others = [each for each in found if not _of_the_move(move, each)]
    ends: list[str] = []
    if len(others) < len(found):
        ends.append(f"first {move.command('deliver', '--undo', '--yes')}")
    if others:
        ends.append(f"take out yourself, if nothing uses them, what this command has not written: {_named(others)}")
    why = "still delivers these values, and pods may have no others"
    raise OperationError(f"{move.stack.file} {why}: {'; '.join(ends)}")


def _deliveries(stated: Body) -> list[Body]:
    return stated.get("deliver") or []


def _of_the_move(move: Move, delivery: Body) -> bool:
    """Return whether `deliver` writes it. Its Secret may be gone by now, so the folder alone says what that was."""
    place = (delivery["namespace"], delivery["environment"], delivery["secret"])
    return place == (move.namespace, move.environment, target_of(origin_of(delivery.get("path", "/"))))


def _named(deliveries: list[Body]) -> str:
    return ", ".join(f"{each['namespace']}/{each['secret']}" for each in deliveries)
