"""Which answers of the API server are worth another try."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import kube
import pytest
from job import Failed, Pending
from job_engines import free_port
from job_pki import DAY, Pair, authority

Trusting = Callable[..., kube.Api]


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trusting:
    """The client, with a service account that trusts these authorities, of an API server at this port."""

    def client(*authorities: Pair, port: int = 0) -> kube.Api:
        (tmp_path / "token").write_text("secret-token")
        (tmp_path / "ca.crt").write_text("".join(each.pem for each in authorities))
        monkeypatch.setenv("KUBE_CREDENTIALS", str(tmp_path))
        monkeypatch.setenv("KUBE_API_URL", f"https://127.0.0.1:{port or free_port()}")
        return kube.Api()

    return client


@pytest.fixture
def api(trusting: Trusting) -> kube.Api:
    """An API server which does not listen."""
    return trusting(authority())


class Empty(http.server.BaseHTTPRequestHandler):
    """Answers `{}` to every GET."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[[Pair], int]]:
    """Starts an API server under a certificate; returns its port."""
    servers: list[http.server.HTTPServer] = []

    def start(pair: Pair) -> int:
        (tmp_path / "server.pem").write_text(pair.pem + pair.key_pem)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "server.pem")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every context starts as `create_default_context` of Python 3.13 makes it."""
    make: Any = ssl.SSLContext.__new__

    def stricter(cls: type[ssl.SSLContext], *arguments: Any) -> ssl.SSLContext:
        context = make(cls, *arguments)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl.SSLContext, "__new__", stricter)


@pytest.mark.usefixtures("strict")
def test_authority_without_key_identifiers(trusting: Trusting, serving: Callable[[Pair], int]) -> None:
    ca = authority(key_identifiers=False)
    port = serving(ca.issue("127.0.0.1", key_identifiers=False))
    assert trusting(ca, port=port).get("/api") == {}


def test_intermediate_authority_alone(trusting: Trusting, serving: Callable[[Pair], int]) -> None:
    intermediate = authority().sub_authority("intermediate")
    port = serving(intermediate.issue("127.0.0.1"))
    assert trusting(intermediate, port=port).get("/api") == {}


@pytest.mark.parametrize(
    ("names", "lasts", "own", "complaint"),
    [
        (["127.0.0.1"], DAY, False, "unable to get local issuer certificate"),
        (["127.0.0.1"], -DAY, True, "certificate has expired"),
        (["kubernetes"], DAY, True, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
def test_refused_certificate_is_final(
    trusting: Trusting, serving: Callable[[Pair], int], names: list[str], lasts: timedelta, own: bool, complaint: str
) -> None:
    ca = authority()
    port = serving(ca.issue(*names, lasts=lasts))
    with pytest.raises(Failed) as refusal:
        trusting(ca if own else authority(), port=port).get("/api")
    assert str(refusal.value) == f"API server 127.0.0.1:{port}: certificate refused: {complaint}"


# --- answers ---------------------------------------------------------------------------------------------------------


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


def test_address_of_a_pod(monkeypatch: pytest.MonkeyPatch, api: kube.Api) -> None:
    monkeypatch.delenv("KUBE_API_URL")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert kube.Api()._url.netloc == "[fd00::1]:443"
