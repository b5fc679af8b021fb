"""Read what a stack declares: resources, their texts, and what is secret in them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

_SECRET_KEY = re.compile(r"pass|secret|token|key|uri|credential", re.IGNORECASE)

# `backupAccessKey`, `username`: who logs in. AWS calls the secret that belongs to it SECRET_ACCESS_KEY.
_NAME_KEY = re.compile(r"(?<!secret)(?<!secret[_-])access[_-]?key([_-]?id)?$|user(name)?$", re.IGNORECASE)

Path = tuple[str, ...]
Secret = tuple[str, str]  # what it is called, and its value


class Unknown(Enum):
    """Stand for a value that a preview can't tell."""

    VALUE = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A resource as a policy sees it."""

    type: str
    name: str
    props: Mapping[str, Any]  # plain data; Unknown.VALUE where a preview can't tell
    protect: bool = False
    provider: str = ""  # logical name

    @property
    def kind(self) -> str:
        """Return the last part of the type: Job, postgresql."""
        return self.type.rpartition(":")[2]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Return the metadata of a Kubernetes object."""
        return mapping(self.props, "metadata")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Stack:
    """What rules have to know beside the resource that they look at."""

    def __init__(
        self, *, protects: bool, prefix: str = "", secrets: Iterable[Secret] = (), plain: Collection[str] = ()
    ) -> None:
        self.protects = protects
        self._prefix = prefix
        # What the stack says in plain too may stand anywhere. The first name counts: a key says more than a Secret.
        found = [(form, name) for name, secret in secrets if secret not in plain for form in _forms(secret)]
        self._whole = dict(reversed(found))
        # `on` is a part of too many words.
        self._parts = {form: name for form, name in self._whole.items() if len(form) >= 8}

    def own(self, name: str) -> str:
        """Return the name of a namespace as this stack has it (settings/names.py)."""
        return f"{self._prefix}-{name}" if self._prefix else name

    def reveals(self, text: str) -> str:
        """Return the name of a secret that a text is or contains, as it is or as base64, a URI or JSON has it."""
        return self._whole.get(text) or next((name for form, name in self._parts.items() if form in text), "")


def secrets_of(resources: Iterable[Resource]) -> Iterator[Secret]:
    """Yield the values that a stack's resources keep secret, as far as they are known, and what they are called.

    Values of a Secret count only if their key says so, because a Secret also holds host names and switches, which may
    stand anywhere.
    """
    for resource in resources:
        if resource.kind == "RandomPassword" and isinstance(resource.props.get("result"), str):
            yield str(resource), resource.props["result"]
        elif resource.kind == "Secret":
            for path, text in texts(resource):
                if path[0] in ("data", "stringData") and _SECRET_KEY.search(path[-1]) and not is_name(path):
                    yield f"{resource}: {path[-1]}", text


def strings(key: str, value: object) -> Iterator[tuple[Path, str]]:
    """Yield every text in plain data, at any depth, and where it is. A number stands in a Secret as its text."""
    for path, leaf in leaves({key: value}):
        if isinstance(leaf, str | int) and not isinstance(leaf, bool):
            yield path, str(leaf)


def is_name(path: Path) -> bool:
    """Return whether a key is for the name of a user or of a key, which is no secret."""
    return bool(_NAME_KEY.search(path[-1]))


def names_of(resources: Iterable[Resource]) -> Iterator[str]:
    """Yield the names of a stack's objects and of their namespaces."""
    for resource in resources:
        yield from (text for key in ("name", "namespace") if isinstance(text := resource.metadata.get(key), str))


def texts(resource: Resource) -> Iterator[tuple[Path, str]]:
    """Yield every text of a resource and where it is. The data of a Secret is decoded."""
    for path, value in leaves(resource.props):
        if isinstance(value, str):
            encoded = resource.kind == "Secret" and path[0] == "data"
            yield path, _decoded(value) if encoded else value


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every value that contains no other, and where it is."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, str(number)))
    else:
        yield path, value


def where(path: Path) -> str:
    """Return a path as a message has it."""
    return ".".join(path)


def mapping(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return what is at `path`; empty where there is nothing, or something that a preview can't tell."""
    for key in path:
        item = value.get(key)
        value = item if isinstance(item, Mapping) else {}
    return value


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode(errors="replace")
    except ValueError:
        return value


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, encoded, quote(secret, safe=""), json.dumps(secret)[1:-1]} - {""}
