"""Find what has drifted. Nothing is changed, nothing is locked, and reading is all that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operations.cluster import Cluster, Object
from operations.drift.compare import Difference, differences
from operations.drift.owned import Owned
from operations.drift.paths import Path, Writer, text, writer
from operations.field_managers import Key, found

_NO_FIELDS = frozenset({"apiVersion", "kind", "metadata", "stringData", "status"})
# Who may write what a stack has applied: controllers, AKS' guard of webhooks (Azure/AKS#4002), the operators, and the
# stack's own Jobs.
_CONTROLLERS = re.compile(
    r"kube-controller-manager|kube-scheduler|kubelet|cluster-autoscaler|cloud-controller-manager|cert-manager-.*|vpa-.*"
    r"|keda.*|admissionsenforcer|postgres-operator|Patroni|operator|redis-operator|manager"
    r"|cert-sync|platform-db-gate|backup|restore|infisical-bootstrap|infisical-platform(-applications)?"
)
HIDDEN = "differs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """A field that the stack owns and that somebody has changed; with an empty path, an object that is gone."""

    owned: Owned
    path: Path
    expected: Any  # HIDDEN for what may be a secret
    found: Any
    by: Writer | None

    @property
    def key(self) -> Key:
        """Return which object it is."""
        return self.owned.key

    @property
    def gone(self) -> bool:
        """Return whether there is no such object."""
        return not self.path

    @property
    def field(self) -> str:
        """Return the field as people write it."""
        return text(self.path)


def look(cluster: Cluster, stack: list[Owned]) -> list[Drift]:
    """Return what has drifted, in the order in which the stack made it. Raises Unanswered."""
    live = found(cluster, {each.key for each in stack})
    drifts: dict[tuple[Key, Path], Drift] = {}
    for each in stack:
        # A chart's object and the stack's patch of it are compared both. The patch is the nearer owner, and comes last.
        drifts |= {(drift.key, drift.path): drift for drift in _drifted(each, live.get(each.key))}
    return list(drifts.values())


def _drifted(stack: Owned, live: Object | None) -> Iterator[Drift]:
    if live is None:
        if stack.whole:
            yield Drift(owned=stack, path=(), expected="", found="", by=None)
        return
    for each in _differences(stack, live):
        by = writer(live, each.path)
        if by and _CONTROLLERS.fullmatch(by.manager):
            continue
        hide = _may_be_secret(stack, each.path) or _has_environment(each.expected) or _has_environment(each.found)
        shown = (HIDDEN, HIDDEN) if hide else (each.expected, each.found)
        yield Drift(owned=stack, path=each.path, expected=shown[0], found=shown[1], by=by)


def _differences(stack: Owned, live: Object) -> Iterator[Difference]:
    fields = {key: value for key, value in stack.applied.items() if key not in _NO_FIELDS}
    metadata = stack.applied["metadata"]
    annotations = metadata.get("annotations") or {}
    named = {
        "labels": metadata.get("labels") or {},
        # Pulumi's own tell its provider what to do, and some never reach the object.
        "annotations": {name: value for name, value in annotations.items() if not name.startswith("pulumi.com/")},
    }
    # No kind has an empty label: also a custom resource's metadata is Kubernetes' own.
    yield from differences({"metadata": named}, live, built_in=True)
    yield from differences(fields, live, built_in=stack.built_in)


def _may_be_secret(stack: Owned, path: Path) -> bool:
    if stack.applied["kind"] == "Secret" and path[0] != "metadata":
        return True
    if "env" in path:
        return True  # a hand may have put one there
    return any(path[: len(secret)] == secret or secret[: len(path)] == path for secret in stack.secret)


def _has_environment(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "env" in value or any(map(_has_environment, value.values()))
    return isinstance(value, list) and any(map(_has_environment, value))
