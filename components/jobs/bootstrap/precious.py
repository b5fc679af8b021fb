"""Keep what is shown once in a Secret of the cluster."""

import base64
from collections.abc import Callable, Mapping

from job import Report, wait
from kube import Api, Object, path

_MANAGER = "infisical-bootstrap"


class PreciousSecret:
    """The Secret that Pulumi has made empty. A change is written until the API server has taken it, and read back."""

    def __init__(self, namespace: str, name: str, report: Report, deadline_seconds: float) -> None:
        self.name = f"{namespace}/{name}"
        self._path, self._report, self._deadline = path("secrets", namespace, name), report, deadline_seconds
        self._api = Api()

    def read(self) -> dict[str, str]:
        """Return its keys and values."""
        found = self._wait(lambda: self._api.get(self._path))
        data: dict[str, str] = found.get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def write(self, changes: Mapping[str, str | None]) -> None:
        """Set these keys, and remove those that are None."""
        data = {k: None if v is None else base64.b64encode(v.encode()).decode() for k, v in changes.items()}
        self._wait(lambda: self._api.merge_patch(self._path, {"data": data}, field_manager=_MANAGER))
        kept = self.read()
        wrong = sorted(key for key, value in changes.items() if kept.get(key) != value)
        if wrong:
            raise RuntimeError(f"Secret {self.name} has not kept {', '.join(wrong)}")

    def _wait(self, call: Callable[[], Object]) -> Object:
        return wait(call, self._report, deadline_seconds=self._deadline)
