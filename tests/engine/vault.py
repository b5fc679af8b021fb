"""HashiCorp Vault's transit engine, as far as Pulumi asks it: encrypt and decrypt with one key."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Vault:
    """Where it listens, and how often it opened something."""

    environment: Mapping[str, str]
    kept: dict[str, str] = field(default_factory=dict)
    opened: int = 0


@contextmanager
def running() -> Iterator[Vault]:
    vault = Vault({})

    class Transit(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.startswith("/v1/transit/encrypt/"):
                mask = f"vault:v1:{base64.b64encode(str(len(vault.kept)).encode()).decode()}"
                vault.kept[mask] = sent["plaintext"]
                answer = {"ciphertext": mask}
            else:
                vault.opened += 1
                answer = {"plaintext": vault.kept[sent["ciphertext"]]}
            body = json.dumps({"data": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Transit) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        vault.environment = {
            "VAULT_ADDR": f"http://127.0.0.1:{server.server_port}",
            "VAULT_SERVER_URL": f"http://127.0.0.1:{server.server_port}",
            "VAULT_TOKEN": "throw-away",
            "VAULT_SERVER_TOKEN": "throw-away",
        }
        yield vault
        server.shutdown()
