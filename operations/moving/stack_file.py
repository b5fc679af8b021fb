"""Change one application in a stack file, and leave every other line of it as it is, comments too."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from operations.errors import OperationError
from operations.moving.plan import Body
from operations.pulumi import PROJECT

_SECTION = f"{PROJECT}:applications"


def text_of(application: str, body: Body) -> str:
    """Return an application as it stands below the section."""
    dumped = yaml.safe_dump({application: body}, sort_keys=False, default_flow_style=None, width=110)
    return textwrap.indent(dumped, " " * 4)


def stated(file: Path, application: str) -> Body | None:
    """Return what a stack file says of an application, None when it says nothing. Raises OperationError."""
    return _applications(_parsed(file.read_text(), file)).get(application)


def put(file: Path, application: str, body: Body | None, before: Body | None) -> None:
    """Make an application of a stack file `body`, where it is `before`; None is none.

    Raises OperationError, and leaves the file alone, when it says something else, or is laid out in a way that can't
    be changed without touching other lines.
    """
    text = file.read_text()
    document = _parsed(text, file)
    held = _applications(document).get(application)
    if held == body:
        return
    if held != before:
        raise OperationError(
            f"{file} says something else of application {application} than this command has written: change it by "
            f"hand to\n{text_of(application, body or {})}"
        )
    changed = _without(text, application) if held is not None else text
    changed = _with(changed, text_of(application, body)) if body is not None else changed
    if _parsed(changed, file) != _expected(document, application, body):
        raise OperationError(
            f"{file} can't be changed without touching other lines. Below `{_SECTION}:` write\n"
            f"{text_of(application, body or {})}"
        )
    file.write_text(changed)


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        raise OperationError(f"{file} is not YAML") from None
    document = document if isinstance(document, dict) else {}
    return {**document, "config": document.get("config") or {}}


def _applications(document: dict[str, Any]) -> dict[str, Any]:
    section = document["config"].get(_SECTION)
    return section if isinstance(section, dict) else {}


def _expected(document: dict[str, Any], application: str, body: Body | None) -> dict[str, Any]:
    others = {name: held for name, held in _applications(document).items() if name != application}
    section = {**others, **({application: body} if body is not None else {})}
    config = {key: value for key, value in document["config"].items() if key != _SECTION}
    return {**document, "config": {**config, **({_SECTION: section} if section else {})}}


def _with(text: str, block: str) -> str:
    header = re.compile(rf"^  ['\"]?{re.escape(_SECTION)}['\"]?:[ \t]*(#.*)?$", re.MULTILINE)
    if found := header.search(text):
        end = found.end() + 1
        return text[:end].rstrip("\n") + "\n" + block + text[end:]
    if not re.search(r"^config:", text, re.MULTILINE):
        return f"{text.rstrip()}\nconfig:\n  {_SECTION}:\n{block}".lstrip("\n")
    lines = text.rstrip("\n").split("\n")
    start = next(index for index, line in enumerate(lines) if line.startswith("config:"))
    after = next((index for index in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[index])), len(lines))
    return "\n".join([*lines[:after], f"  {_SECTION}:", block.rstrip("\n"), *lines[after:]]) + "\n"


def _without(text: str, application: str) -> str:
    lines = text.split("\n")
    own = re.compile(rf"    ['\"]?{re.escape(application)}['\"]?:")
    section = next((i for i, line in enumerate(lines) if line.strip("'\" ").startswith(_SECTION)), None)
    start = next((i for i in range((section or 0) + 1, len(lines)) if own.match(lines[i])), None)
    if section is None or start is None:
        return text
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith("     ")):
        end += 1
    while not lines[end - 1].strip():  # an empty line behind it is the next block's
        end -= 1
    kept = [*lines[:start], *lines[end:]]
    if not any(line.startswith("    ") for line in kept[section + 1 : section + 2]):
        del kept[section]  # it was the only one
    return "\n".join(kept)
