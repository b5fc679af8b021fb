"""Ask questions that must not hold up the others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

SECONDS = 5  # for an answer over the network


def bounded(ask: Callable[[], T], seconds: float = SECONDS) -> T:
    """Return or raise what `ask` does; raise TimeoutError after `seconds`, because getaddrinfo has no limit."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()  # the end of the program does not wait for it
    return answer.result(seconds)
