"""Say what still needs Secrets that have moved, and what ends that."""

from __future__ import annotations

from collections.abc import Sequence

from operations.moving.holders import Holder
from operations.moving.move import Move

_NAMED = 3  # of the objects that come from one
_NO_PARTITION = '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'


def still_used(move: Move, left: Sequence[Holder]) -> str:
    """Return what uses Secrets that have moved, and what ends that, a line for each Secret and what makes its users."""
    groups: dict[tuple[str, str, str, str], list[Holder]] = {}
    for holder in left:
        groups.setdefault((holder.secret, holder.maker, holder.end, holder.annotation), []).append(holder)
    targets = {secret.name: secret.target for secret in move.moving}
    lines = [
        f"  {group[0].secret} is used by {_shortened(group)}: {_advice(move, group[0], targets[group[0].secret])}"
        for group in groups.values()
    ]
    again = f"Nothing was deleted. Afterwards {move.command('retire', '--yes')}"
    return "\n".join(["these Secrets are still needed:", *lines, again])


def _shortened(group: Sequence[Holder]) -> str:
    objects, maker = [holder.object for holder in group], group[0].maker
    more = f" and {len(objects) - _NAMED} more" if len(objects) > _NAMED else ""
    return f"{', '.join(objects[:_NAMED])}{more}{f' of {maker}' if objects != [maker] else ''}"


def _advice(move: Move, holder: Holder, target: str) -> str:
    if holder.end in ("switch", "finish", "anew", "maker", "annotation"):
        return _change(move, holder, target)
    return _replacement(move, holder)


def _change(move: Move, holder: Holder, target: str) -> str:
    match holder.end:
        case "switch":
            return move.command("switch", "--yes")
        case "anew":
            return f"make it anew yourself, with {target}"
        case "maker":
            return f"point {holder.maker} at {target} yourself, and see its pods replaced"
        case "annotation":
            return (
                f"its annotation {holder.annotation} has that name: point it at {target} yourself. If it means "
                f"something else, leave this Secret: {move.command('retire', '--yes', f'--leave {holder.secret}')}"
            )
        case _:
            return "wait until they have ended"


def _replacement(move: Move, holder: Holder) -> str:
    """Return what replaces pods of a workload that has been switched."""
    kubectl, workload = move.cluster.kubectl, f"{holder.maker} -n {move.namespace}"
    match holder.end:
        case "paused":
            return f"its rollout is paused, so {kubectl(f'rollout resume {workload}')}"
        case "delete":
            delete = kubectl(f"delete -n {move.namespace} {holder.object}")
            return f"its updateStrategy is OnDelete, so delete them, one after the other is ready again: {delete}"
        case "partition":
            patch = f"patch {workload} --type=merge -p '{_NO_PARTITION}'"
            return f"its updateStrategy has a partition that keeps them. Where nothing needs that, {kubectl(patch)}"
        case "restart":
            return f"they began with it, so {kubectl(f'rollout restart {workload}')}"
        case _:
            return f"it is not rolled out yet, see {kubectl(f'rollout status {workload}')}"
