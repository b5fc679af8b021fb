"""Finds in a crashing server's log what says why it crashed."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from kube import Object

LOG_LINES = 3
LOG_CHARACTERS = 600
# Lines of a crash which do not say what went wrong: stack frames, carets, brackets, the runtime's own trailer.
NOISE = re.compile(
    r"""\s*$ | \s+at\s | \s*File\s" | Traceback\s | \s*[\^~]+\s*$ | [\s{}()\[\],;]*$ | Node\.js\sv | node:internal
    | goroutine\s\d | \s+throw\s | \S+:\d+$""",
    re.VERBOSE,
)
TELLING = re.compile(
    r"error|exception|fatal|panic|invalid|cannot|could not|failed|refused|denied|missing|required|expected|unable to"
    r"|not found|not match|unsupported|certificate|did not|deadlock|timed? ?out",
    re.IGNORECASE,
)
CHATTER = re.compile(r"posthog|telemetry", re.IGNORECASE)  # it fails where there is no way out, and harms nothing


def telling_lines(log: str, hide: Callable[[str], str]) -> str:
    """Return the last lines that say what went wrong, joined; stack frames and brackets are left out."""
    # Hidden before the log is taken apart and cut: half a secret would not be recognised.
    lines = [_message(line) for line in hide(log).splitlines()]
    lines = [line.strip() for line in lines if not NOISE.match(line)]
    lines = [line for line in lines if not CHATTER.search(line)] or lines
    errors = [line for line in lines if TELLING.search(line)]
    return hide(" | ".join((errors or lines)[-LOG_LINES:]))[-LOG_CHARACTERS:]


def _message(line: str) -> str:
    """Return the text of a structured (JSON) log line, or the line itself."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    fields = cast(Object, entry)
    error = fields.get("err") or fields.get("error")
    texts = [fields.get("msg") or fields.get("message")]
    texts.append(cast(Object, error).get("message") if isinstance(error, dict) else error)
    texts.append("; ".join(_issues(value for key, value in fields.items() if key.isdigit())))
    return ": ".join(dict.fromkeys(str(text) for text in texts if text)) or line


def _issues(values: Iterable[Any]) -> list[str]:
    """Return the issues of a schema: pino prints their array as an object with its indices."""
    issues = [cast(Object, value) for value in values if isinstance(value, dict)]
    return [
        f"{'.'.join(map(str, issue.get('path', [])))}: {issue['message']}" for issue in issues if "message" in issue
    ]
