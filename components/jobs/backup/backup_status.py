"""Tell what became of the last backup and of the last rehearsal, in the ConfigMap that people and metrics read."""

import contextlib
import time
from collections.abc import Callable, Generator, Mapping

from job import Failed, Pending, Report, wait
from kube import Api

FIELD_MANAGER = "backup"
_PATIENCE_SECONDS = 60  # with an API server that is away: the work itself is done by then, and must not be done again


class Status:
    """The ConfigMap `backup-status`. Every value is text."""

    def __init__(self, api: Api, namespace: str, name: str, report: Report) -> None:
        self._api, self._report = api, report
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    def read(self) -> Mapping[str, str]:
        """Return what was told before."""
        found = wait(lambda: self._api.get(self._path), self._report, deadline_seconds=_PATIENCE_SECONDS)
        return found.get("data") or {}

    def tell(self, **values: object) -> None:
        """Set these keys and keep the others; None takes one away."""
        wait(lambda: self._set(values), self._report, deadline_seconds=_PATIENCE_SECONDS)

    def tell_failure(self, **values: object) -> None:
        """Set these keys on the way to a failure, whose own cause must not be hidden by this one's, nor be late."""
        with contextlib.suppress(Failed, Pending):
            self._set(values)

    @contextlib.contextmanager
    def failing_as(self, described: Callable[[str], Mapping[str, object]]) -> Generator[None]:
        """Tell a failure of the block by the keys that describe its cause, and raise it on."""
        try:
            yield
        except Exception as error:
            self.tell_failure(**described(str(error)))
            raise

    def _set(self, values: Mapping[str, object]) -> None:
        data = {key: None if value is None else str(value) for key, value in values.items()}
        self._api.merge_patch(self._path, {"data": data}, field_manager=FIELD_MANAGER)


def now() -> str:
    """Return this moment as the ConfigMap has it: 2026-11-26T11:34:02Z."""
    return moment(time.time())


def moment(seconds: float) -> str:
    """Return the moment so many seconds after 1970 began, in the same form."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
