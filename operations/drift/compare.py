"""Compare what the stack has applied with what is there, as a server-side apply would merge it.

What the stack doesn't say is not compared: it is somebody else's. What the API server takes for equal is equal: `1` and
`1000m`, `90m` and `1h30m0s`, an empty field and none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from operations.drift.paths import Item, Path

# Lists that Kubernetes merges by a key. All others are one value, so one element more is a difference.
_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "secrets": "name",
    "volumeMounts": "mountPath",
    "topologySpreadConstraints": "topologyKey",
}
# Maps that are one value: a label more selects something else.
_WHOLE = frozenset({"selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector"})
# An element of these lists of a NetworkPolicy means something else once it has a field more.
_RULES = frozenset({"ingress", "egress", "from", "to"})
_GONE = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A field that is not as the stack made it. `found` is None where it is gone."""

    path: Path
    expected: Any
    found: Any


def differences(expected: Mapping[str, Any], live: Mapping[str, Any], *, built_in: bool) -> Iterator[Difference]:
    """Yield what of `expected` an object has otherwise. Only built-in kinds merge lists and drop empty fields."""
    for key, value in expected.items():
        yield from _compare((key,), value, live.get(key, _GONE), built_in)


def _compare(path: Path, expected: Any, found: Any, built_in: bool, whole: bool = False) -> Iterator[Difference]:
    if expected is None or _left_out(expected, found, built_in):
        return
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        rule = isinstance(path[-1], Item) and path[-2] in _RULES
        whole = whole or (built_in and (rule or path[-1] in _WHOLE))
        for key in expected:
            yield from _compare((*path, key), expected[key], found.get(key, _GONE), built_in, whole)
        for key in sorted(set(found) - set(expected)) if whole else ():
            yield Difference(path=(*path, key), expected=None, found=found[key])
    elif isinstance(expected, list) and isinstance(found, list):
        yield from _lists(path, expected, found, built_in)
    elif not same(expected, found):
        yield Difference(path=path, expected=expected, found=None if found is _GONE else found)


def _lists(path: Path, expected: Sequence[Any], found: Sequence[Any], built_in: bool) -> Iterator[Difference]:
    key = merge_key(path) if built_in else ""
    if key and all(isinstance(each, Mapping) and key in each for each in (*expected, *found)):
        there = {each[key]: each for each in found}
        for each in expected:
            yield from _compare((*path, Item(key, each[key])), each, there.get(each[key], _GONE), built_in)
    elif len(expected) != len(found):
        yield Difference(path=path, expected=expected, found=found)
    else:
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _compare((*path, Item("", place)), one, other, built_in)


def merge_key(path: Path) -> str:
    """Return the field by which Kubernetes merges the elements of a list, empty for a list that is one value."""
    last = str(path[-1])
    if last == "ports":  # of a container or of a Service; those of a policy's rule are one value
        container = len(path) > 1 and isinstance(path[-2], Item) and path[-3] in ("containers", "initContainers")
        return "containerPort" if container else "port" if path == ("spec", "ports") else ""
    return _KEYS.get(last, "")


def same(one: Any, other: Any) -> bool:
    """Return whether two scalars mean the same to Kubernetes."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if one == other:
        return True
    if not isinstance(one, str | int | float) or not isinstance(other, str | int | float):
        return False
    if str(one) == str(other):
        return True
    for measure in (quantity, _seconds):
        if (known := measure(str(one))) is not None and known == measure(str(other)):
            return True
    return False


def _left_out(expected: Any, found: Any, built_in: bool) -> bool:
    """Return whether a field is absent because it is empty. Custom resources keep an empty map or list: a user, say."""
    scalar = isinstance(expected, str | int | float)
    empty = expected in (False, 0, "") if scalar else not expected
    return (found is _GONE or found is None) and empty and (scalar or built_in)


_UNITS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(written: str) -> Decimal | None:
    """Return the number that Kubernetes reads, as in 1.5Gi, 500m or 10e9; None for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)([KMGTPE]i|[numkMGTPE]?)", written, re.ASCII)
    if not found:
        return None
    number, unit = Decimal(found[1]), found[2]
    return number * 1024 ** _BINARY[unit] if unit in _BINARY else number.scaleb(_UNITS[unit])


def _seconds(written: str) -> Decimal | None:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", written, re.ASCII)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != written:
        return None
    length = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
    return sum((Decimal(number) * length[unit] for number, unit in parts), Decimal(0))
