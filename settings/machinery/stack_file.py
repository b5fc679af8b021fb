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

# The certificate of an authority is public.
_PUBLIC = re.compile(r"databaseReadReplicas\[\d+\]\.authority")


def plain_leaves(
    file: Path, project: str, keys: Collection[str], given: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Yield what stands in plain text below `keys`, of which at least one part is encrypted. It shows no value.

    The engine may have read a different file (`--config-file`). With `given`, what it hands over by key without
    project, nothing else counts. Without a file there is nothing to find. Raises SettingsError.
    """
    kept = _config(file, project)
    for key in sorted(kept.keys() & keys):
        for path, value in _leaves(kept[key]):
            place = key_path(key, *path)
            if not path or _PUBLIC.fullmatch(place):
                continue
            if given is None or _is_read(value, _at(_decoded(given.get(key, "")), path)):
                reason = "it stands in plain text in the stack file, so others may know it. Encrypt a new one"
                yield Finding(place, reason, secret=True)


def changed_numbers(file: Path, project: str, given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield each whole number that is written differently than it is understood, such as 0123 for 83.

    `given` is what the engine hands over by key without project. Raises SettingsError.
    """
    kept = _config(file, project)
    for key in sorted(kept.keys() & given):
        for path, written in _leaves(kept[key]):
            value = _at(_decoded(given[key]), path)
            if type(value) is int and str(value) != written and yaml.safe_load(written) == value:
                yield Finding(key_path(key, *path), IN_QUOTES, text=True)


def _config(file: Path, project: str) -> Mapping[str, object]:
    try:
        # The base loader makes nothing but text, lists and mappings, and leaves every value as it is written.
        content: object = yaml.load(file.read_text(), yaml.BaseLoader)  # noqa: S506
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
