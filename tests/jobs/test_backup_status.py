"""Telling what became of a backup to an API server that is away for a moment."""

from typing import Any, cast

import pytest
from backup_status import Status
from job import Failed, Pending, Report
from kube import Api


class _Away:
    """An API server that does not answer the first requests."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.data = refusals, {"lastName": "before"}

    def get(self, _path: str) -> dict[str, Any]:
        self._answer()
        return {"data": self.data}

    def merge_patch(self, _path: str, change: dict[str, Any], *, field_manager: str) -> None:
        assert field_manager
        self._answer()
        self.data |= change["data"]

    def _answer(self) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise Pending("API server: timed out")


def _status(api: _Away) -> Status:
    return Status(cast("Api", api), "platform-db-pg", "backup-status", Report("test"))


def test_a_backup_that_is_done_is_told_once_the_api_server_is_back() -> None:
    api = _Away(1)
    _status(api).tell(lastName="after")
    assert api.data == {"lastName": "after"}
    api.refusals = 1
    assert _status(api).read() == {"lastName": "after"}


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backup_status._PATIENCE_SECONDS", 0)
    with pytest.raises(Failed, match="timed out"):
        _status(_Away(9)).tell(lastName="after")


def test_a_failure_is_told_at_once_or_not_at_all() -> None:
    api = _Away(1)
    _status(api).tell_failure(lastFailure="the bucket is full")
    assert (api.data, api.refusals) == ({"lastName": "before"}, 0)
