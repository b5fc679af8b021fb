"""What every script here shares: its CONFIG document, waiting until a deadline, and one last line which says why."""

import contextlib
import json
import os
import signal
import sys
import time
import traceback
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import FrameType, UnionType
from typing import Any, NoReturn, TypeVar, cast

T = TypeVar("T")

TERMINATION_MESSAGE_BYTES = 4096  # the kubelet cuts there


class ConfigError(Exception):
    """CONFIG or the environment does not give what the script needs: exit status 2."""


class Pending(Exception):
    """The condition does not hold yet; the message says what is there instead."""


class Failed(Exception):
    """Waiting longer changes nothing: exit status 1; the message is the cause."""


class Report:
    """Prints what is seen whenever that changes. `hide` masks secrets in every printed line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = "nothing seen yet"
        self.hide: Callable[[str], str] = lambda text: text
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the script started."""
        return time.monotonic() - self._started

    def progress(self, seen: str) -> None:
        """Print what is seen, once until it changes."""
        if seen != self.seen:
            self.seen = seen
            self._print(f"{self.elapsed:.0f} s: {seen}")

    def success(self, outcome: str) -> NoReturn:
        """End the script, with its outcome as the last line."""
        self._print(outcome)
        sys.exit(0)

    def failure(self, cause: str, status: int) -> NoReturn:
        """End the script, with the cause as the last line and as the pod's termination message."""
        line = self._print(cause)
        path = Path(os.environ.get("TERMINATION_LOG", "/dev/termination-log"))
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as log:
            log.truncate()
            log.write(line.encode()[:TERMINATION_MESSAGE_BYTES])
        sys.exit(status)

    def _print(self, text: str) -> str:
        line = " ".join(self.hide(f"{self.name}: {text}").split())
        sys.stdout.write(f"{line}\n")  # in one piece: a signal may come at any moment, and the last line is read
        sys.stdout.flush()
        return line


def run(name: str, schema: type[T], main: Callable[[T, Report], str]) -> NoReturn:
    """Runs `main` on the parsed CONFIG and ends the process with its outcome: 0 done, 1 failed, 2 misconfigured."""
    report = Report(name)

    def stop(signum: int, _frame: FrameType | None) -> NoReturn:
        raise Failed(f"stopped by {signal.Signals(signum).name}; last seen: {report.seen}")

    # As PID 1 a process without a handler ignores SIGTERM, and the cause would be lost with SIGKILL.
    signal.signal(signal.SIGTERM, stop)
    try:
        outcome = main(parse(schema, _document()), report)
    except ConfigError as error:
        report.failure(f"misconfigured: {error}", status=2)
    except Failed as error:
        report.failure(f"FAILED after {report.elapsed:.0f} s: {error}", status=1)
    except Exception as error:
        print(report.hide(traceback.format_exc()), flush=True)
        report.failure(f"FAILED after {report.elapsed:.0f} s: {type(error).__name__}: {error}", status=1)
    report.success(outcome)


def wait(check: Callable[[], T], report: Report, *, deadline_seconds: float, interval: float = 0.5) -> T:
    """The first answer of `check` which is not Pending. Raises Failed with the last Pending at the deadline."""
    end = time.monotonic() + deadline_seconds
    while True:
        try:
            return check()
        except Pending as pending:
            report.progress(str(pending))
            if time.monotonic() + interval > end:
                raise Failed(str(pending)) from pending
        time.sleep(interval)


def secret(name: str) -> str:
    """The value of an environment variable which must be there and not empty."""
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError(f"the environment variable {name} is not set")
    return value


def _document() -> Any:
    try:
        return json.loads(secret("CONFIG"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"CONFIG is not JSON: {error}") from error


def parse(schema: Any, value: Any, key: str = "CONFIG") -> Any:
    """`value` as `schema`: a dataclass, tuple[X, ...], Literal, X | None, str, int or float. Raises ConfigError."""
    origin, arguments = typing.get_origin(schema), typing.get_args(schema)
    if is_dataclass(schema):
        return _parse_dataclass(schema, value, key)
    if origin is UnionType:
        return None if value is None else parse(arguments[0], value, key)
    if origin is tuple:
        if not isinstance(value, list) or not value:
            raise ConfigError(f"{key} must be a list with at least one item")
        items = cast(list[Any], value)
        return tuple(parse(arguments[0], item, f"{key}[{i}]") for i, item in enumerate(items))
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{key} must be one of {', '.join(arguments)}")
        return value
    accepted = (int, float) if schema is float else (schema,)
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise ConfigError(f"{key} must be of type {schema.__name__}")
    if value == "" or (isinstance(value, (int, float)) and value < 0):
        raise ConfigError(f"{key} must not be {'negative' if value != '' else 'empty'}")
    return value


def _parse_dataclass(schema: Any, value: Any, key: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{key} must be an object")
    document = cast(dict[str, Any], value)
    types = typing.get_type_hints(schema)
    required = {f.name for f in fields(schema) if f.default is MISSING}
    if unknown := sorted(document.keys() - types.keys()):
        raise ConfigError(f"{key} has unknown keys: {', '.join(unknown)}")
    if missing := sorted(required - document.keys()):
        raise ConfigError(f"{key} lacks keys: {', '.join(missing)}")
    return schema(**{name: parse(types[name], item, f"{key}.{name}") for name, item in document.items()})
