"""Clients that work beside what is rehearsed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence


@contextlib.contextmanager
def at_work(work: Sequence[Callable[[], None]], done: threading.Event) -> Iterator[None]:
    """Run each of `work` in a thread for as long as the block takes. It ends by itself once `done` is set."""
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
