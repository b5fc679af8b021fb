"""Close sign-up, and see that it stays closed for longer than any server may answer from its cache."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from first_admin import Words
from infisical_api import ApiError, InfisicalApi
from job import Failed, Report

_CONFIG = "/api/v1/admin/config"
_LOOK_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Closed:
    """Sign-up has been closed, or was found closed, at `since`."""

    api: InfisicalApi
    since: float
    by_us: bool

    def verify(self, settle_seconds: float, report: Report) -> None:
        """Read for as long as a server may answer from its cache. Raises Failed when sign-up is open after that."""
        while True:
            is_open, age = _is_open(self.api), time.monotonic() - self.since
            if age >= settle_seconds:
                break
            report.progress(f"sign-up is {'still open' if is_open else 'closed'}; servers' caches live for a minute")
            time.sleep(min(_LOOK_EVERY_SECONDS, settle_seconds - age))
        if is_open:
            raise Failed(
                f"sign-up is open {settle_seconds:.0f} s after it was closed: somebody opens it again, or a server "
                "keeps what it has read"
            )


def close(actor: InfisicalApi, anybody: InfisicalApi, admin: Callable[[], InfisicalApi], words: Words) -> Closed:
    """Close sign-up as the actor, or as the admin where a machine may not. Raises Failed where neither can."""
    if not _is_open(anybody):
        return Closed(anybody, time.monotonic(), by_us=False)
    change = {"allowSignUp": False}
    try:
        actor.patch(_CONFIG, change)
    except ApiError as refusal:
        if refusal.status not in (400, 401, 403):
            raise
        try:
            admin().patch(_CONFIG, change)
        except ApiError as error:
            raise Failed(
                f"sign-up is open, and can't be closed from here: the token may not ({refusal.message}), and "
                f"{words.admin} can't either ({error.message}). The site stays without a way in. "
                f"{words.see('sign-up-is-open')}"
            ) from error
    return Closed(anybody, time.monotonic(), by_us=True)


def _is_open(api: InfisicalApi) -> bool:
    return bool(api.get(_CONFIG)["config"].get("allowSignUp", True))
