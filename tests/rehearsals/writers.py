"""Clients that write numbered secrets while the platform breaks, and read all of them back afterwards."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.e2e.steps import SECRET_PATH
from tests.e2e.views import Site
from tests.rehearsals.clients import at_work

WRITERS = 4
EVERY = 10  # minutes of writing are read back by samples
_PAUSE_SECONDS = 0.2  # before a client tries again


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One attempt to write, by the clock of time.monotonic()."""

    begun: float
    ended: float
    error: str  # empty when it was acknowledged


@dataclass
class Writers:
    """Clients that each write the next number and try again until the site has acknowledged it."""

    site: Site
    token: str
    requests: list[Request] = field(default_factory=list[Request])
    acknowledged: list[int] = field(default_factory=list[int])
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _done: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Write for as long as the block takes; an attempt that is under way at its end is completed."""
        with at_work([self._write_numbers] * WRITERS, self._done):
            yield

    def stop(self) -> None:
        """Have every client end after the attempt that is under way, before the block ends."""
        self._done.set()

    def lost(self, every: int = 1) -> list[int]:
        """Return the acknowledged numbers that do not read back as they were written, of every so many one."""
        asked = self.acknowledged[::every]
        with ThreadPoolExecutor(WRITERS) as pool:
            shares = [asked[start::WRITERS] for start in range(WRITERS)]
            return sorted(itertools.chain.from_iterable(pool.map(self._unread, shares)))

    def in_a_row(self, count: int) -> bool:
        """Return whether the newest attempts, so many of them, were all acknowledged."""
        newest = self.requests[-count:]
        return len(newest) == count and not any(request.error for request in newest)

    def _write_numbers(self) -> None:
        for number in self._numbers:
            while error := self._write(number):
                assert error
                if self._done.wait(_PAUSE_SECONDS):
                    return
            self.acknowledged.append(number)
            if self._done.is_set():
                return

    def _write(self, number: int) -> str:
        begun, error = time.monotonic(), ""
        try:
            status, _ = self.site.request("PUT", f"{SECRET_PATH}-{number}", {"value": f"{number}"}, self.token)
            error = "" if status == 200 else f"{status}"
        except (OSError, http.client.HTTPException) as caught:
            error = type(caught).__name__
        self.requests.append(Request(begun=begun, ended=time.monotonic(), error=error))
        return error

    def _unread(self, numbers: Sequence[int]) -> list[int]:
        """Return those that do not read back, all of them asked for over as few connections as the site allows."""
        found, connection = list[int](), self.site.connect()
        for number in numbers:
            if connection.sock is None:  # the site has said that it would close it
                connection = self.site.connect()
            status, body = self.site.ask(connection, "GET", f"{SECRET_PATH}-{number}", token=self.token)
            if status != 200 or body["value"] != f"{number}":
                found.append(number)
        connection.close()
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What clients saw of a fault, in seconds and attempts."""

    acknowledged: int
    errors: int
    longest_gap: float  # between two acknowledgements, whoever got them
    healed_after: float  # from the fault to the last failure's or gap's end; 0 when nobody noticed
    whole_after: float  # from the fault until every pod was there again and ready


def failures(requests: Sequence[Request], fault_at: float) -> str:
    """Return how many errors of each kind there were, and when: the first and the last, seconds after the fault."""
    ended: dict[str, list[float]] = {}
    for request in sorted(requests, key=lambda each: each.ended):
        if request.error:
            ended.setdefault(request.error, []).append(request.ended - fault_at)
    told = (f"{len(at)} x {error} from {at[0]:.1f} s to {at[-1]:.1f} s" for error, at in ended.items())
    return ", ".join(told) or "no error"


NOTICED_SECONDS = 2.0  # a shorter gap is no failure for anybody


def course(requests: Sequence[Request], fault_at: float, whole_at: float) -> Course:
    """Return what `requests`, in any order, say about a fault; from `whole_at` on nothing was missing."""
    good = sorted(request.ended for request in requests if not request.error)
    gaps = [(later - earlier, later) for earlier, later in itertools.pairwise(good)]
    failures = [request.ended for request in requests if request.error and request.ended > fault_at]
    silences = [end for gap, end in gaps if gap > NOTICED_SECONDS and end > fault_at]
    return Course(
        acknowledged=len(good),
        errors=sum(bool(request.error) for request in requests),
        longest_gap=max((gap for gap, _ in gaps), default=0.0),
        healed_after=max([*failures, *silences], default=fault_at) - fault_at,
        whole_after=whole_at - fault_at,
    )
