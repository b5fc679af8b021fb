"""Put back what the stack owns, and take it from whoever has changed it.

`kubectl edit` makes whoever typed it the owner of the field, and Pulumi's next apply a conflict. So each object is
applied as the stack has applied it last, under the stack's own field manager and by force. The API server then takes
the fields that differ from their new owners, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from operations.adoption import effects
from operations.cluster import Cluster, Unanswered
from operations.drift.found import HIDDEN, Drift
from operations.drift.owned import Owned
from operations.drift.report import named, who
from operations.errors import OperationError
from operations.pulumi import Stack
from settings import Commands

_UNKNOWN_MANAGER = "pulumi-kubernetes"  # of a state that was written before Pulumi named its managers


def refuse_loss(drifts: Sequence[Drift], commands: Commands) -> None:
    """Raise OperationError when putting a field back would lose data: a smaller volume, a lower version."""
    lost = [each for each in drifts if not each.gone and each.expected is not HIDDEN and _loses(each)]
    if lost:
        said = "\n".join(f"  {named(each.key)} {each.field}: {_mend(each, commands)}" for each in lost)
        raise OperationError(f"no operator can put this back without losing data, so nothing was changed:\n{said}")


def refuse_half_done(stack: Stack) -> None:
    """Raise OperationError while an `up` works, or was killed: the state doesn't say yet what it has already changed.

    Healing would put back what that `up` has just replaced.
    """
    begun = [entry["resource"]["urn"].rpartition("::")[2] for entry in stack.deployment.get("pending_operations") or []]
    if begun:
        raise OperationError(
            f"an `up` is changing {', '.join(begun[:4])}, or was killed while it did, so nothing was changed. If it "
            f"runs, wait for its end. If it was killed: `{stack.commands.make('repair')}`, then "
            f"`{stack.commands.pulumi('up')}`"
        )


def plan(drifts: Sequence[Drift]) -> Iterator[str]:
    """Yield a sentence for each thing that healing does."""
    for each in drifts:
        if each.gone:
            how = "applies it from the chart" if each.owned.released else "`pulumi up --refresh` makes it again"
            yield f"{named(each.key)} is gone: {how}"
        else:
            owner = f" from {who(each)}" if each.by and each.by.manager != each.owned.manager else ""
            yield f"{named(each.key)}: takes {each.field}{owner}, and puts back what the stack has applied"


def put_back(cluster: Cluster, drifts: Sequence[Drift]) -> list[Drift]:
    """Apply each object that has drifted. Return those that are gone and that only `up` can make again.

    Raises OperationError with the object that the cluster refuses. Repeating does no harm.
    """
    left: list[Drift] = []
    healed: list[Owned] = []
    for each in drifts:
        if each.gone and not each.owned.released:
            left.append(each)
        elif not any(each.owned is other for other in healed):
            healed.append(each.owned)
    for owned in healed:
        try:
            cluster.apply(owned.applied, owned.manager or _UNKNOWN_MANAGER)
        except Unanswered as reason:
            # What is refused can be a value, and that of a Secret is not shown.
            said = "" if owned.applied["kind"] == "Secret" else f": {reason}"
            raise OperationError(f"{named(owned.key)} could not be put back{said}; run this again") from None
    return left


def _loses(drift: Drift) -> bool:
    path = drift.field
    return effects.loses_data(effects.Difference(path=path, live=drift.found, wanted=drift.expected))


def _mend(drift: Drift, commands: Commands) -> str:
    setting = effects.SETTINGS.get(drift.owned.applied["kind"], {}).get(drift.field)
    is_and_was = f"it is {drift.found}, and the stack has {drift.expected}"
    return f"{is_and_was}: `{commands.set(setting, str(drift.found))}` keeps it" if setting else is_and_was
