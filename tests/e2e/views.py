"""What the end-to-end tests look through: the site as a browser sees it, and the administrator's kubectl."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass
from typing import Any

from embedded.instance import Instance
from embedded.programs import Programs
from tests.e2e.waits import REQUEST, eventually

HOST = "secrets.infisical.test"


@dataclass(frozen=True)
class Site:
    """Infisical as a browser reaches it: over HTTPS through the ingress, the certificate checked."""

    instance: Instance
    host: str = HOST
    authority: str = ""  # PEM, the cluster's own one where it is empty

    def request(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
        """Raises ssl.SSLError when the certificate does not verify, OSError when nobody answers."""
        with contextlib.closing(self.connect()) as connection:
            return self.ask(connection, method, path, body, token)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that may carry many requests."""
        cluster_authority = self.instance.folder / "ca.crt"
        context = ssl.create_default_context(cadata=self.authority or cluster_authority.read_text())
        raw = socket.create_connection((str(self.instance.node_address), 443), timeout=REQUEST)
        connection = http.client.HTTPConnection(self.host, timeout=REQUEST)
        connection.sock = context.wrap_socket(raw, server_hostname=self.host)
        return connection

    def ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object = None, token: str = ""
    ) -> tuple[int, Any]:
        """Send one request over a connection, and return what is answered."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content[:1] in (b"{", b"[") else content.decode()

    def status(self) -> dict[str, Any]:
        """The body of /api/status, once the server's database answers: the 200 alone says nothing of it."""
        return eventually(lambda: self._ok("/api/status"), "/api/status tells of a database that answers")

    def _ok(self, path: str) -> dict[str, Any] | None:
        try:
            code, body = self.request("GET", path)
        except OSError:
            return None
        return body if code == 200 and "error" not in body["detail"]["database"] else None


@dataclass(frozen=True)
class Kubectl:
    """The administrator's kubectl."""

    programs: Programs
    instance: Instance

    def __call__(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        command = [str(self.programs.path("kubectl")), f"--kubeconfig={self.instance.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def watch(self, *objects: str) -> subprocess.Popen[str]:
        """Prints a line whenever one of `objects` appears or changes. The caller ends it."""
        command = [str(self.programs.path("kubectl")), f"--kubeconfig={self.instance.kubeconfig}"]
        command += ["get", *objects, "--watch-only", "-o", "name"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """The base64 of each key."""
        return json.loads(self("get", "secret", name, "-n", namespace, "-o", "json"))["data"]
