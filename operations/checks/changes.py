"""Say what is pending: what the stack asks for and hasn't got, and what others have changed in the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster
from operations.drift.found import Drift, look
from operations.drift.owned import owned
from operations.drift.report import named
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


def changes(stack: Stack, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Compare the settings with the state by a preview, and the state with the cluster. Raises Unanswered."""
    with ThreadPoolExecutor(2) as pool:
        wanted = pool.submit(planned, stack)
        drifts = pool.submit(lambda: look(cluster, owned(stack, cluster)))
    try:
        yield _pending(stack, wanted.result())
    except OperationError as error:
        reason = str(error).partition(" failed: ")[2] or str(error)
        yield fail("pending", f"can't be told: {' '.join(reason.split())}", f"`{stack.commands.pulumi('preview')}`")
        return
    yield _drifted(stack, drifts.result())


def _drifted(stack: Stack, drifts: Sequence[Drift]) -> Result:
    if not drifts:
        return ok("drift", "none")
    objects = list(dict.fromkeys(named(drift.key) for drift in drifts))
    return warn(
        "drift",
        f"not as the stack made it: {_listed(objects)}",
        f"`{stack.commands.make('drift')}` says which field, and who owns it now",
    )


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
