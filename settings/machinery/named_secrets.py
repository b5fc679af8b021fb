"""Find the encrypted keys that applications take values from. They are keys at the top because something names them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from pydantic import SecretStr

from settings.applications import ApplicationSettings, Encrypted, secrets_of
from settings.machinery.finding import Finding, key_path

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def named_in(applications: object, place: str = "applications") -> Iterator[tuple[str, str]]:
    """Yield the keys that {from: KEY} names anywhere in what the stack file has, each with its place.

    Whether the rest is right doesn't matter, so that a fault elsewhere doesn't make its secrets look unused.
    """
    match applications:
        case dict():
            for key, value in cast("dict[Any, object]", applications).items():
                if key == "from" and isinstance(value, str) and _KEY.fullmatch(value):
                    yield value, place
                yield from named_in(value, key_path(place, str(key)))
        case list():
            for number, value in enumerate(cast("list[object]", applications)):
                yield from named_in(value, key_path(place, number))
        case _:
            pass


def misnamed(
    places: Mapping[str, str], given: Mapping[str, str], encrypted: Collection[str], settings: Collection[str]
) -> Iterator[Finding]:
    """Report names of keys that are settings, absent, empty or in plain text. `places` has a place for each name."""
    for name, place in places.items():
        if name in settings:
            reason = f"{name} is a setting of its own, so no application may have its value. Take a different name"
            yield Finding(f"{place}.from", reason)
        elif name not in given:
            yield Finding(name, f"required, but not set. {place} takes its value from it", "set", secret=True)
        elif name not in encrypted:
            reason = "it stands in plain text in the stack file, so others may know it. Encrypt a new one"
            yield Finding(name, reason, secret=True)
        elif not given[name]:
            yield Finding(name, "it is encrypted and empty, as an unset variable in CI leaves it", "set", secret=True)


def unreadable(applications: Mapping[str, ApplicationSettings]) -> Iterator[Finding]:
    """Report encrypted keys whose value is not what applications say that it is."""
    for application in applications.values():
        for source in (secret.source for secret in secrets_of(application)):
            if isinstance(source, Encrypted):
                try:
                    source.bytes  # noqa: B018
                except UnicodeError:
                    yield Finding(source.key, "it has half a character, which is no text", secret=True)
                except ValueError as error:
                    yield Finding(source.key, str(error), secret=True)


def values(names: Collection[str], given: Mapping[str, str]) -> dict[str, SecretStr]:
    """Return the values that applications name."""
    return {name: SecretStr(given[name]) for name in names if name in given}
