"""Somebody who uses the platform while it changes."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from steps import SECRET_PATH
from views import Site


@dataclass
class Traffic:
    """Somebody who writes a secret and reads it, again and again."""

    site: Site
    token: str
    written: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # after how many seconds, and what
    outage: float = 0  # seconds, the longest
    _done: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._flow)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _flow(self) -> None:
        began = last = time.monotonic()
        while not self._done.is_set():
            if error := self._error_of(f"{self.written}"):
                self.errors.append((round(time.monotonic() - began), error))
                continue
            self.written += 1
            self.outage = max(self.outage, time.monotonic() - last)
            last = time.monotonic()

    def _error_of(self, value: str) -> str:
        """Writes `value` and reads it; what went wrong, if anything did."""
        path = f"{SECRET_PATH}-traffic"
        try:
            status, _ = self.site.request("PUT", path, {"value": value}, self.token)
            if status != 200:
                return f"PUT: {status}"
            status, body = self.site.request("GET", path, token=self.token)
            if status != 200:
                return f"GET: {status}"
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        return "" if body.get("value") == value else f"GET: {body.get('value')} instead of {value}"
