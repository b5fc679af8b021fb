"""The API server for a script that does more than wait: one that is busy for a moment must not undo its work."""

from job import Report, wait
from kube import Api


class PatientApi(Api):
    """Asks again itself where a retry can help. Raises Failed in the end, and never Pending."""

    def __init__(self, report: Report, patience_seconds: float) -> None:
        super().__init__()
        self._report, self._patience_seconds = report, patience_seconds

    def _request(
        self, method: str, target: str, body: str | None = None, content_type: str = "application/merge-patch+json"
    ) -> bytes:
        ask = super()._request
        return wait(
            lambda: ask(method, target, body, content_type), self._report, deadline_seconds=self._patience_seconds
        )
