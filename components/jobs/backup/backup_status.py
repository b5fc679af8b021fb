"""Tell what became of the last backup and of the last rehearsal, in the ConfigMap that people and metrics read."""

import contextlib
from collections.abc import Mapping

from job import Failed, Pending
from kube import Api

FIELD_MANAGER = "backup"


class Status:
    """The ConfigMap `backup-status`. Every value is text."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    def read(self) -> Mapping[str, str]:
        """Return what was told before."""
        return self._api.get(self._path).get("data") or {}

    def tell(self, **values: object) -> None:
        """Set these keys and keep the others; None takes one away."""
        data = {key: None if value is None else str(value) for key, value in values.items()}
        self._api.merge_patch(self._path, {"data": data}, field_manager=FIELD_MANAGER)

    def tell_failure(self, **values: object) -> None:
        """Set these keys on the way to a failure, whose own cause must not be hidden by this one's."""
        with contextlib.suppress(Failed, Pending):
            self.tell(**values)
