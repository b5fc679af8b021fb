"""Say what is pending: what the stack asks for and hasn't got, and what others have changed in the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster
from operations.errors import OperationError
from operations.plan import Change, planned
from operations.pulumi import Stack
from settings import Settings

_SHOWN = 4


def last_update(stack: Stack, _: Cluster, __: Settings) -> Iterator[Result]:
    """Judge whether the last `up` came to its end."""
    deployment = stack.deployment
    at = (deployment.get("manifest") or {}).get("time")
    repair = stack.commands.make("repair")
    if pending := deployment.get("pending_operations") or []:
        seen = f"was killed while it worked on {_listed([_urn(entry) for entry in pending])}"
        yield fail("the last `up`", seen, f"{repair}, then `{stack.commands.pulumi('up')}`")
    elif at:
        yield ok(
            "the last `up`", f"changed the state on {datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d at %H:%M} UTC"
        )
    else:
        yield ok("the last `up`", "there was none yet")


def changes(stack: Stack, _: Cluster, settings: Settings) -> Iterator[Result]:
    """Compare the settings with the state, and the state with the cluster, by two previews."""
    with ThreadPoolExecutor(2) as pool:
        mine = pool.submit(planned, stack)
        all_of_them = pool.submit(planned, stack, compared_with_the_cluster=True)
    try:
        wanted, found = mine.result(), all_of_them.result()
    except OperationError as error:
        reason = str(error).partition(" failed: ")[2] or str(error)
        yield fail("pending", f"can't be told: {' '.join(reason.split())}", f"`{stack.commands.pulumi('preview')}`")
        return
    yield _pending(stack, wanted)
    others = [change for change in found if change not in wanted]
    if others:
        seen = f"{_listed([f'{change.resource} ({change.operation})' for change in others])} would be set back by `up`"
        diff = stack.commands.pulumi("preview --refresh --diff")
        yield warn("drift", seen, f"`{diff}` shows what others have changed")
    else:
        yield ok("drift", "none")


def _pending(stack: Stack, wanted: Sequence[Change]) -> Result:
    if not wanted:
        return ok("pending", "nothing: all that the stack says is done")
    named = _listed([f"{change.resource} ({change.operation})" for change in wanted])
    return warn("pending", f"{len(wanted)} changes: {named}", f"`{stack.commands.pulumi('up')}`")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _urn(operation: dict[str, object]) -> str:
    resource = operation.get("resource")
    return str(resource.get("urn", "")).rpartition("::")[2] if isinstance(resource, dict) else "?"
