"""Make a page of Pulumi's event log: when each resource waited and worked, and which chain took the longest.

The log tells when each resource was worked on, and `pulumi stack export` tells which waited for which. Moments are
whole seconds, and the sequence orders what falls into the same second. The page has no values, only names, types, times
and diagnostics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

_TEMPLATE = Path(__file__).with_name("timeline.html")
_SLOT = "/* data */"
_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_LONGEST_MESSAGE = 600

Event = dict[str, Any]  # of the log
Entry = Mapping[str, Any]  # of a resource in the state


class TimelineError(Exception):
    """A file is not one that Pulumi writes."""


class Moment(NamedTuple):
    """Seconds since the log began, and the order within one."""

    second: int
    sequence: int


@dataclass
class Step:
    """One operation on a resource; a replacement is several."""

    op: str
    begin: Moment
    end: Moment
    ended: bool = False
    failed: bool = False

    @property
    def deletes(self) -> bool:
        """Return whether the operation removes something."""
        return "delete" in self.op or self.op.startswith("discard")


@dataclass
class Bar:
    """A resource in the log. A component is there as soon as it is registered: its members wait for nothing else."""

    urn: str
    type: str
    component: bool = False
    parent: str = ""
    needs: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    said: str = ""
    severity: str = ""
    held_by: str = ""  # URN of the need that was there last
    ready: Moment = field(default=Moment(0, -1))  # when that was
    critical: bool = False

    @property
    def name(self) -> str:
        """Return the logical name."""
        return self.urn.rpartition("::")[2]

    @property
    def made(self) -> list[Step]:
        """Return the operations that somebody waits for. Deletions count only when there are no others."""
        return [step for step in self.steps if not step.deletes] or self.steps

    @property
    def begin(self) -> Moment:
        """Return when the first operation began."""
        return min(step.begin for step in self.steps)

    @property
    def done(self) -> Moment:
        """Return when others may begin."""
        return self.begin if self.component else max(step.end for step in self.made)

    @property
    def failed(self) -> bool:
        """Return whether any operation failed."""
        return any(step.failed for step in self.steps)

    @property
    def op(self) -> str:
        """Return what happened to the resource as one word."""
        ops = [step.op for step in self.steps]
        return "replace" if any("replace" in op for op in ops) else ops[-1]


@dataclass
class Timeline:
    """A whole `up`."""

    bars: dict[str, Bar]  # by URN
    seconds: int
    stack: str
    changes: dict[str, int]
    complete: bool  # whether Pulumi came to an end
    errors: list[tuple[str, str]]  # name of the resource, message

    def needs(self, bar: Bar) -> list[Bar]:
        """Return the needs that had to be there before the bar began, the last one first."""
        found = [self.bars[urn] for urn in bar.needs if urn in self.bars]
        return sorted((n for n in found if n.done <= bar.begin), key=lambda need: need.done, reverse=True)

    @property
    def critical_path(self) -> list[Bar]:
        """Return the chain that set the total time, earliest first.

        The path leads back from the resource that was done last, at each step to the need that was there last.
        """
        last = max((b for b in self._resources() if not b.made[-1].deletes), key=lambda b: b.done, default=None)
        path: list[Bar] = []
        while last:
            path.insert(0, last)
            last = next(iter(self.needs(last)), None)
        return path

    def _resources(self) -> Iterable[Bar]:
        return (bar for bar in self.bars.values() if not bar.component and bar.steps)


def write(events: Path, state: Mapping[str, Any] | Path | None, output: Path) -> Timeline:
    """Write the page to `output`; `state` is what `pulumi stack export` prints. Raises TimelineError."""
    timeline = read(events, _state(state) if isinstance(state, Path) else state or {})
    output.write_text(page(timeline))
    return timeline


def read(events: Path, state: Mapping[str, Any]) -> Timeline:
    """Return what log and state say together. Raises TimelineError."""
    log = list(_events(events))
    entries = {e["urn"]: e for e in state.get("deployment", {}).get("resources", []) if not e.get("delete")}
    start = log[0]["timestamp"]
    bars: dict[str, Bar] = {}
    open_: dict[str, Step] = {}
    errors: list[tuple[str, str]] = []
    last = Moment(log[-1]["timestamp"] - start, log[-1]["sequence"])
    for event in log:
        now = Moment(event["timestamp"] - start, event["sequence"])
        if before := event.get("resourcePreEvent"):
            bar = _bar(bars, before["metadata"], entries)
            open_[bar.urn] = Step(before["metadata"]["op"], now, last)
            bar.steps.append(open_[bar.urn])
        elif after := event.get("resOutputsEvent") or event.get("resOpFailedEvent"):
            if step := open_.pop(after["metadata"]["urn"], None):
                step.end, step.ended, step.failed = now, True, "resOpFailedEvent" in event
        elif diagnostic := event.get("diagnosticEvent"):
            _note(bars, diagnostic, errors)
    summary = next((event["summaryEvent"] for event in log if "summaryEvent" in event), None)
    stack = next(iter(bars), "urn:pulumi:").split(":")[2]
    timeline = Timeline(
        bars,
        last.second,
        stack,
        (summary or {}).get("resourceChanges") or {},
        bool(summary),
        [e for e in errors if e[0]] or errors,
    )
    for bar in bars.values():
        if needs := timeline.needs(bar):
            bar.held_by, bar.ready = needs[0].urn, needs[0].done
    for bar in timeline.critical_path:
        bar.critical = True
    return timeline


def _state(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except ValueError:
        raise TimelineError(f"{file} is not what `pulumi stack export` prints: give its output") from None


def _events(file: Path) -> Iterator[Event]:
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            yield {**event, "timestamp": int(event["timestamp"]), "sequence": int(event["sequence"])}
        except (ValueError, KeyError, TypeError):
            if number == len(lines) > 1:  # Pulumi was killed while it wrote
                return
            raise TimelineError(
                f"{file}, line {number}: not an event; give what "
                "`PULUMI_DEBUG_COMMANDS=true pulumi up --event-log FILE` writes"
            ) from None
    if not lines:
        raise TimelineError(f"{file} is empty: `pulumi up` did not begin; run it again with --event-log")


def _bar(bars: dict[str, Bar], metadata: Event, entries: Mapping[str, Entry]) -> Bar:
    urn: str = metadata["urn"]
    if urn not in bars:
        entry = entries.get(urn, {})
        recorded = metadata.get("new") or metadata.get("old") or {}
        parent = entry.get("parent") or recorded.get("parent") or ""
        provider = (metadata.get("provider") or "").rpartition("::")[0]
        needs = {*entry.get("dependencies", []), provider, parent, entry.get("deletedWith", "")} - {""}
        bars[urn] = Bar(urn, metadata["type"], not recorded.get("custom", False), parent, needs)
    return bars[urn]


def _note(bars: Mapping[str, Bar], diagnostic: Event, errors: list[tuple[str, str]]) -> None:
    """Keep the last message about each resource. A message of less weight never replaces an error."""
    message = " ".join(_COLOUR.sub("", diagnostic["message"]).split())
    if len(message) > _LONGEST_MESSAGE:  # what happened is at its beginning, and the cause often at its end
        message = f"{message[: _LONGEST_MESSAGE // 2]} … {message[-_LONGEST_MESSAGE // 2 :]}"
    severity = diagnostic["severity"]
    if not message or severity == "debug":
        return
    bar = bars.get(diagnostic.get("urn", ""))
    if severity == "error":
        errors.append((bar.name if bar else "", message))
    if bar and (severity == "error" or bar.severity != "error"):
        bar.said, bar.severity = message, severity


# --- the page --------------------------------------------------------------------------------------------------------


def page(timeline: Timeline) -> str:
    """Return one HTML file that needs no network."""
    data = {
        "stack": timeline.stack,
        "seconds": timeline.seconds,
        "changes": timeline.changes,
        "complete": timeline.complete,
        "errors": timeline.errors,
        "rows": list(_rows(timeline)),
    }
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    before, _, after = _TEMPLATE.read_text().partition(_SLOT)
    return before + text + after


def _rows(timeline: Timeline) -> Iterator[dict[str, object]]:
    """Yield every resource below its component, in the order of their beginning. The page stands for the stack."""
    below: dict[str, list[Bar]] = {}
    for bar in timeline.bars.values():
        below.setdefault(bar.parent if bar.parent in timeline.bars else "", []).append(bar)

    def row(bar: Bar, depth: int) -> Iterator[dict[str, object]]:
        members = [
            item for member in sorted(below.get(bar.urn, []), key=lambda b: b.begin) for item in row(member, depth + 1)
        ]
        if bar.type != "pulumi:pulumi:Stack":
            yield _row(timeline, bar, depth, len(members))
        yield from members

    for root in sorted(below.get("", []), key=lambda bar: bar.begin):
        yield from row(root, -1 if root.type == "pulumi:pulumi:Stack" else 0)


def _row(timeline: Timeline, bar: Bar, depth: int, members: int) -> dict[str, object]:
    held_by = timeline.bars.get(bar.held_by)
    shown = {
        "name": bar.name,
        "type": bar.type,
        "op": bar.op,
        "depth": depth,
        "members": members,
        "component": bar.component,
        "ready": bar.ready.second,
        "for": f"{held_by.name} {'began' if held_by.component else 'was done'}" if held_by else "",
        "steps": [[s.begin.second, s.end.second, s.op, int(s.ended)] for s in bar.steps],
        "failed": bar.failed,
        "critical": bar.critical,
        "said": bar.said,
    }
    return {key: value for key, value in shown.items() if value or key in ("name", "depth", "steps")}
