"""Say in Markdown what a run did or would do. Property names are shown and values are not, so no secret can be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from operations.drift.found import Drift
from operations.drift.report import named, who
from settings import Commands

Report = Mapping[str, Any]

LIMIT = 60_000  # GitHub refuses a comment of more than 65,536 characters
_SHOWN = 100  # lines of a log
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# What deserves a second look comes first.
_WORDS = {
    "delete": "deletes",
    "delete-replaced": "",  # the second half of a replacement
    "create-replacement": "",
    "replace": "replaces",
    "update": "changes",
    "create": "creates",
    "read": "reads",
    "discard": "forgets",
    "import": "imports",
}


MARK = "<!-- infisical-platform: preview of "


def mark(stack: str) -> str:
    """Return the first line of a preview's comment, by which the next run finds it."""
    return f"{MARK}{stack} -->"


def previewed(stack: str, report: Report) -> str:
    """Return what `up` would do."""
    steps = [step for step in report.get("steps", ()) if _WORDS.get(step["op"])]
    if not steps:
        return _page([mark(stack), f"### Preview of `{stack}`: nothing changes"])
    counts = Counter(step["op"] for step in steps)
    head = ", ".join(f"{_WORDS[op]} {counts[op]}" for op in _WORDS if op in counts)
    lines = [mark(stack), f"### Preview of `{stack}`: {head}", ""]
    for op in ("delete", "replace"):
        names = [f"`{_name(step)}`" for step in steps if step["op"] == op]
        if names:
            lines += [f"**{_WORDS[op].capitalize()}** {', '.join(names)}", ""]
    return _page([*lines, *_folded("All of it", _table(steps))])


def drifted(stack: str, drifts: Sequence[Drift]) -> str:
    """Return what the cluster has otherwise than the stack."""
    if not drifts:
        return f"### `{stack}` has no drift"
    heal = f"`ci/deliver.sh heal {stack}` puts it back. What should stay belongs into the stack file."
    return _page([f"### `{stack}` has drifted: {_counted(drifts)}", "", *_fields(drifts), "", heal])


def healed(stack: str, drifts: Sequence[Drift], left: Sequence[Drift]) -> str:
    """Return what was put back, and what has changed again since."""
    if not drifts:
        return drifted(stack, drifts)
    if left:
        head = f"### `{stack}` was healed, and has drifted again: {_counted(left)}"
        return _page([head, "", *_fields(left), "", "Whoever changes this has to be found and stopped."])
    return _page([f"### `{stack}` is healed: {_counted(drifts)}", "", *_fields(drifts)])


def _counted(drifts: Sequence[Drift]) -> str:
    objects = len({drift.key for drift in drifts})
    return f"{objects} object{'s' * (objects != 1)}"


def _fields(drifts: Sequence[Drift]) -> Iterator[str]:
    yield "| object | field | owned by | since |"
    yield "|---|---|---|---|"
    for drift in drifts:
        field = "is gone" if drift.gone else f"`{drift.field}`"
        yield f"| {named(drift.key)} | {field} | {who(drift)} | {drift.by.since if drift.by else ''} |"


def updated(stack: str, lines: Sequence[str]) -> str:
    """Return that an update is done, with Pulumi's own counts."""
    text = [_COLOURS.sub("", line) for line in lines]
    starts = [number for number, line in enumerate(text) if line.startswith("Resources:")]
    return _page([f"### `{stack}` is up to date", "", "```", *text[starts[-1] if starts else len(text) :], "```"])


def failed(stack: str, command: str, lines: Sequence[str]) -> str:
    """Return that a command failed, with what Pulumi said last. Pulumi writes [secret] where a secret would stand."""
    text = [_COLOURS.sub("", line) for line in lines]
    starts = [number for number, line in enumerate(text) if line.startswith(("Diagnostics:", "Policies:"))]
    said = text[starts[0] :] if starts else text
    head = mark(stack) if command == "preview" else ""
    return _page([*filter(None, [head]), f"### `{command}` of `{stack}` failed", "", "```", *said[-_SHOWN:], "```"])


def stopped(stack: str, reason: str) -> str:
    """Return that nothing was begun, and why."""
    return f"### `{stack}` was not updated\n\n{reason}"


def locked(stack: str, lines: Sequence[str], commands: Commands) -> str:
    """Return who holds the stack's lock, and what to do if that run is dead."""
    held = [line.strip() for line in lines if "created by" in line]
    who = "\n".join(["", "```", *held, "```", ""]) if held else "\n"
    return stopped(
        stack,
        f"A different run has locked it.\n{who}\nIf that run lives, start this one again once it has ended. If it was "
        f"killed, `{commands.make('repair')}` (in CI: `ci/deliver.sh repair {stack}`) releases the lock and clears "
        "what was left half done. No run does that by itself, because two at once would write two states.",
    )


def _table(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| | resource | kind | what of it |"
    yield "|---|---|---|---|"
    order = list(_WORDS)
    for step in sorted(steps, key=lambda step: (order.index(step["op"]), _name(step))):
        yield f"| {_WORDS[step['op']]} | `{_name(step)}` | {_kind(step)} | {_paths(step)} |"


def _paths(step: Mapping[str, Any]) -> str:
    known = step.get("detailedDiff") or {*(step.get("replaceReasons") or ()), *(step.get("diffReasons") or ())}
    paths = sorted(known)
    return ", ".join(f"`{path}`" for path in paths[:10]) + (f" and {len(paths) - 10} more" if paths[10:] else "")


def _name(step: Mapping[str, Any]) -> str:
    return str(step["urn"]).rpartition("::")[2]


def _kind(step: Mapping[str, Any]) -> str:
    return str(step["urn"]).split("::")[2].rpartition("$")[2].rpartition(":")[2]


def _folded(title: str, lines: Iterator[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>"]


def _page(lines: Sequence[str]) -> str:
    """Return the lines, without the last ones of a page that is too long for a comment."""
    page = "\n".join(lines)
    if len(page) <= LIMIT:
        return page
    kept = page[:LIMIT].rpartition("\n")[0]
    return f"{kept}\n\n(The rest is in the job's log.)"
