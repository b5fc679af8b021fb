"""Which answers of the API server are worth another try."""

from pathlib import Path

import kube
import pytest
from job import Failed, Pending
from job_engines import free_port
from job_pki import authority


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kube.Api:
    """An API server which does not listen."""
    (tmp_path / "token").write_text("secret-token")
    (tmp_path / "ca.crt").write_text(authority().pem)
    monkeypatch.setenv("KUBE_CREDENTIALS", str(tmp_path))
    monkeypatch.setenv("KUBE_API_URL", f"https://127.0.0.1:{free_port()}")
    return kube.Api()


def test_no_connection(api: kube.Api) -> None:
    with pytest.raises(Pending, match="Connection refused"):
        api.get("/api")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Failed), (403, Pending), (404, kube.NotFound), (409, kube.Conflict), (429, Pending), (503, Pending)],
)
def test_refusals(api: kube.Api, status: int, kind: type[Exception]) -> None:
    refusal = api._refusal("GET /api", status, b'{"message": "because"}')
    assert type(refusal) is kind
    assert str(refusal) == f"API server answers {status} to GET /api: because"


def test_missing_right_is_final_after_a_while(api: kube.Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "RIGHTS_GRACE_SECONDS", 0)
    assert type(api._refusal("GET /api", 403, b"{}")) is Failed


def test_answer_which_is_no_status(api: kube.Api) -> None:
    assert str(api._refusal("GET /api", 502, b"<html>")).endswith(": <html>")


def test_address_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: kube.Api) -> None:
    monkeypatch.delenv("KUBE_API_URL")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert kube.Api()._url.netloc == "[fd00::1]:443"
