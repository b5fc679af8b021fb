"""As much of a Kubernetes API server as is asked here, behind TLS of its own: /version, TokenReviews and Secrets."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from tests.standins.authority import Authority

SECRETS = re.compile(r"/api/v1/namespaces/([^/?]+)/secrets/?([^?]*)")
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@dataclass(kw_only=True)
class KubernetesApi:
    """Which tokens it knows, as `namespace:name`, which of them may create TokenReviews, and the Secrets there are."""

    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    reviewers: set[str] = field(default_factory=set[str])
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])  # by namespace/name

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def answer(self, bearer: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if SECRETS.match(path):
            return self._secret(path)
        if path != REVIEWS:
            return 200, {"gitVersion": "v1.36.3"}
        if bearer not in self.tokens:
            return 401, {"message": "Unauthorized"}
        if bearer not in self.reviewers:
            return 403, {"message": f'User "system:serviceaccount:{self.tokens[bearer]}" cannot create tokenreviews'}
        known = self.tokens.get(body["spec"]["token"])
        if known is None:
            return 201, {"status": {"error": "invalid bearer token"}}
        username = f"system:serviceaccount:{known}"
        return 201, {"status": {"authenticated": True, "user": {"username": username}, "audiences": ["cluster"]}}

    def _secret(self, path: str) -> tuple[int, dict[str, Any]]:
        namespace, name = cast("re.Match[str]", SECRETS.match(path)).groups()
        if not name:
            found = [secret for key, secret in self.secrets.items() if key.startswith(f"{namespace}/")]
            return 200, {"items": found}
        secret = self.secrets.get(f"{namespace}/{name}")
        return (200, secret) if secret else (404, {"message": f'secrets "{name}" not found'})


@contextmanager
def kubernetes_api(folder: Path, authority: Authority) -> Iterator[KubernetesApi]:
    """Serve on a free port of 127.0.0.1."""
    api = KubernetesApi()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
            bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, answer = api.answer(bearer, self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = answer  # noqa: N815 -- the names that http.server calls

        def log_message(self, format: str, *args: object) -> None: ...

    authority.issue(folder / "tls.crt", folder / "tls.key", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        api.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield api
        finally:
            server.shutdown()
