"""Find in a stack file what the engine doesn't tell: what is in plain text, and what YAML has changed.

The engine marks whole keys at the top alone as encrypted, and hands over 83 for 0123.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from settings.machinery.finding import Finding, SettingsError, key_path
from settings.machinery.forms import IN_QUOTES

Written = Mapping[str, object]

# It makes nothing but text, lists and mappings, and leaves values as they are written. The one in C takes a fifth.
_LOADER: type[yaml.BaseLoader] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
# The certificate of an authority is public.
_PUBLIC = re.compile(r"databaseReadReplicas\[\d+\]\.authority")


def found_in(file: Path, project: str, keys: Collection[str], given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong in a stack file: plain text below `keys`, and numbers that YAML has changed.

    `given` is what the engine hands over by key without project. Raises SettingsError.
    """
    written = written_in(file, project)
    yield from plain_leaves(written, keys, given)
    yield from changed_numbers(written, given)


def written_in(file: Path, project: str) -> Written:
    """Return what a stack file has of a project, by key, with every value as it is written.

    Without a file it is nothing. Raises SettingsError.
    """
    try:
        content: object = yaml.load(file.read_text(), _LOADER)  # noqa: S506
    except FileNotFoundError:
        return {}
    except yaml.YAMLError:  # its words quote the file
        raise SettingsError(
            f"{file} can't be read as YAML, so nobody can tell whether its secrets are encrypted"
        ) from None
    config = cast("dict[str, object]", content).get("config") if isinstance(content, dict) else None
    entries = cast("dict[str, object]", config).items() if isinstance(config, dict) else ()
    prefix = f"{project}:"
    return {key.removeprefix(prefix): value for key, value in entries if key.startswith(prefix)}


def plain_leaves(written: Written, keys: Collection[str], given: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Yield what stands in plain text below `keys`, of which at least one part is encrypted. It shows no value.

    The engine may have read a different file (`--config-file`). With `given`, what it hands over by key without
    project, nothing else counts.
    """
    for key in sorted(written.keys() & keys):
        decoded = _decoded(given.get(key, "")) if given is not None else None
        for path, value in _leaves(written[key]):
            place = key_path(key, *path)
            if not path or _PUBLIC.fullmatch(place):
                continue
            if given is None or _is_read(value, _at(decoded, path)):
                reason = "it stands in plain text in the stack file, so others may know it. Encrypt a new one"
                yield Finding(place, reason, secret=True)


def changed_numbers(written: Written, given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield each whole number that is written differently than it is understood, such as 0123 for 83.

    `given` is what the engine hands over by key without project.
    """
    for key in sorted(written.keys() & given):
        decoded = _decoded(given[key])
        for path, text in _leaves(written[key]):
            value = _at(decoded, path)
            if type(value) is int and str(value) != text and yaml.safe_load(text) == value:
                yield Finding(key_path(key, *path), IN_QUOTES, text=True)


def _leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the place and the value of each leaf that is not encrypted."""
    match value:
        case {"secure": str()} if len(cast("dict[str, object]", value)) == 1:
            pass
        case dict():
            for key, below in cast("dict[str, object]", value).items():
                yield from _leaves(below, (*path, key))
        case list():
            for number, below in enumerate(cast("list[object]", value)):
                yield from _leaves(below, (*path, number))
        case _:
            yield path, str(value)


def _decoded(value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _at(value: Any, path: tuple[str | int, ...]) -> object:
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def _is_read(written: str, given: object) -> bool:
    """Return whether the engine has this value too. What is no text may be written in several ways."""
    return given == written if isinstance(given, str) else given is not None
