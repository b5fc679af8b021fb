"""The stand-in of the secrets operator as a process, its kinds in a real API server, and an Infisical to copy from."""

import base64
import http.server
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from job_cluster import ADMIN, Cluster, find_program
from job_engines import eventually, free_port, stop

from components.operator_chart import OperatorChart
from settings import LocalChart

ROOT = Path(__file__).parents[2]
HOME = "infisical-secrets-operator"
_GROUP = "/apis/secrets.infisical.com/v1beta1"
PROJECT = "shop-app"
RELOAD = "secrets.infisical.com/auto-reload"
_numbers = itertools.count()


class Infisical:
    """A server with one project: what log-ins and secrets it has is the test's to say."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.identity = "identity"
        self.refusal: tuple[int, str] | None = None  # of a log-in
        self.list_refusal: tuple[int, object] | None = None  # of a list of secrets
        self.requests: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None  # happens while secrets are asked for
        self.content_type = "application/json; charset=utf-8"
        self.port = free_port()
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        infisical = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(*infisical.asked(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply(*infisical.logged_in(self.path, body))

            def reply(self, status: int, answer: object) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", infisical.content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def asked(self, path: str) -> tuple[int, object]:
        self.requests.append(path)
        url = urlsplit(path)
        if url.path == "/api/status":
            return 200, {"message": "Ok"}
        if url.path == f"/api/v1/projects/slug/{PROJECT}":
            return 200, {"id": "p1", "slug": PROJECT}
        if url.path == "/api/v4/secrets":
            self.meanwhile()
        if url.path == "/api/v4/secrets" and self.list_refusal:
            return self.list_refusal
        if url.path == "/api/v4/secrets" and parse_qs(url.query)["projectId"] == ["p1"]:
            found = [{"secretKey": k, "secretValue": v, "secretPath": "/"} for k, v in self.secrets.items()]
            return 200, {"secrets": found, "imports": []}
        return 404, {"message": "not found"}

    def logged_in(self, path: str, body: Mapping[str, str]) -> tuple[int, object]:
        self.requests.append(path)
        if self.refusal:
            return self.refusal[0], {"message": self.refusal[1]}
        if body.get("identityId") != self.identity or body.get("jwt", "").count(".") != 2:
            return 401, {"message": "Invalid credentials"}
        return 200, {"accessToken": "token", "expiresIn": 3600}


class World:
    """A running operator, and a namespace that it delivers into."""

    def __init__(self, cluster: Cluster, infisical: Infisical, namespace: str) -> None:
        self.cluster, self.infisical, self.namespace = cluster, infisical, namespace

    def create(self, kind: str, plural: str, namespace: str, name: str, spec: object, **metadata: object) -> None:
        body = {
            "apiVersion": "secrets.infisical.com/v1beta1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        self.cluster.create(f"{_GROUP}/namespaces/{namespace}/{plural}", body)

    def deliver(self, name: str, project: str = PROJECT, **target: Any) -> None:
        """Ask for a delivery of the whole project into a Secret of that name."""
        wanted = {
            "name": name,
            "namespace": self.namespace,
            "kind": "Secret",
            "creationPolicy": "Orphan",
            "metadata": {"labels": {}, "annotations": {}},
            **target,
        }
        spec = {
            "infisicalAuthRef": {"name": "infisical-shop", "namespace": HOME},
            "syncOptions": {"refreshInterval": "5s"},
            "sources": [{"projectSlug": project, "environmentSlug": "prod", "secretPath": "/"}],
            "targets": [{key: value for key, value in wanted.items() if value is not None}],
        }
        annotations = {"pulumi.com/x": "copied"}
        self.create(
            "InfisicalStaticSecret", "infisicalstaticsecrets", self.namespace, name, spec, annotations=annotations
        )

    def path(self, name: str) -> str:
        """The path of a delivery."""
        return f"{_GROUP}/namespaces/{self.namespace}/infisicalstaticsecrets/{name}"

    def change_target(self, name: str, **target: Any) -> None:
        path = self.path(name)
        [before] = self.cluster.call("GET", path)["spec"]["targets"]
        self.cluster.call("PATCH", path, {"spec": {"targets": [{**before, **target}]}})

    def secret(self, name: str) -> dict[str, Any]:
        return self.cluster.call("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{name}")

    def data(self, name: str) -> dict[str, bytes] | None:
        """What a Secret has, None where there is none."""
        try:
            found = self.secret(name).get("data", {})
        except AssertionError:
            return None
        return {key: base64.b64decode(value) for key, value in found.items()}

    def status(self, name: str, kind: str = "LastReconcileStatus") -> tuple[str, str]:
        """What the operator says of a delivery."""
        path = self.path(name)
        conditions = self.cluster.call("GET", path).get("status", {}).get("conditions", [])
        found = {each["type"]: (each["status"], each["message"]) for each in conditions}
        return found.get(f"secrets.infisical.com/{kind}", ("", ""))

    def restarted_for(self, workload: str, secret: str) -> str | None:
        """The version of a Secret that the pods of a workload were restarted for."""
        template = self.cluster.call("GET", workload)["spec"]["template"]["metadata"]
        return template.get("annotations", {}).get(f"secrets.infisical.com/managed-secret.{secret}")

    def hurry(self, name: str) -> str:
        """Have a delivery looked at without waiting for its interval. Return the version that it has now."""
        annotation = {"hurried": str(next(_numbers))}
        found = self.cluster.call("PATCH", self.path(name), {"metadata": {"annotations": annotation}})
        return found["metadata"]["resourceVersion"]

    def looks_again(self, name: str) -> None:
        """Have a delivery that succeeds looked at, and wait for the end of it.

        The end is a status with another second. Who has begun before can't write it: its object is of a version before.
        """
        before = self.status(name, "LastSuccessfulReconcileAt")[1]
        eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > before, "the second is over")
        path, asked = self.path(name), self.hurry(name)
        looked = lambda: self.cluster.call("GET", path)["metadata"]["resourceVersion"] != asked  # noqa: E731
        eventually(looked, f"the operator has looked at {name} again")

    def arrives(self, name: str, data: Mapping[str, bytes]) -> None:
        """Wait until a Secret has these data, and the operator has said so."""
        here = lambda: self.data(name) == data and self.status(name)[0] == "True"  # noqa: E731
        eventually(here, f"{name} has {sorted(data)}")

    def fails(self, name: str, message: str) -> None:
        eventually(lambda: message in self.status(name)[1] and self.status(name)[0] == "False", message)


@contextmanager
def operator(cluster: Cluster, folder: Path, namespace: str, *arguments: str, user: str = ADMIN) -> Iterator[Path]:
    """An operator as a process, for its own namespace and one more; its log."""
    (folder / "token").write_text(user)
    (folder / "namespace").write_text(HOME)
    (folder / "ca.crt").write_text((cluster.folder / "ca.crt").read_text())
    environment = {"KUBE_API_URL": cluster.url, "KUBE_CREDENTIALS": str(folder)}
    command = [find_program("manager"), f"--namespaces={HOME},{namespace}", *arguments]
    command.append(f"--health-probe-bind-address=127.0.0.1:{free_port()}")
    with (folder / "operator.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield folder / "operator.log"
    finally:
        stop(process)


@contextmanager
def world(cluster: Cluster, folder: Path) -> Iterator[World]:
    """A running operator that may act in its own namespace and in one more."""
    install_kinds(cluster)
    namespace, infisical = cluster.namespace("shop"), Infisical()
    if not any(each["metadata"]["name"] == HOME for each in cluster.call("GET", "/api/v1/namespaces")["items"]):
        cluster.create("/api/v1/namespaces", {"metadata": {"name": HOME}})
    infisical.start()
    found = World(cluster, infisical, namespace)
    try:
        with operator(cluster, folder, namespace):
            log_in(found)
            yield found
    finally:
        infisical.stop()
        for plural, name in (("infisicalauths", "infisical-shop"), ("infisicalconnections", "infisical")):
            cluster.call("DELETE", f"{_GROUP}/namespaces/{HOME}/{plural}/{name}")
        for resource, name in (("secrets", "infisical-identity-shop"), ("serviceaccounts", "infisical-shop")):
            cluster.call("DELETE", f"/api/v1/namespaces/{HOME}/{resource}/{name}")


def log_in(world: World) -> None:
    """Make the connection and the account, as the program does."""
    world.cluster.secret(HOME, "infisical-identity-shop", {"identityId": "identity"})
    account = {"metadata": {"name": "infisical-shop"}}
    world.cluster.create(f"/api/v1/namespaces/{HOME}/serviceaccounts", account)
    address = {"address": world.infisical.address}
    world.create("InfisicalConnection", "infisicalconnections", HOME, "infisical", address)
    identity = {"name": "infisical-identity-shop", "namespace": HOME, "key": "identityId"}
    kubernetes = {"identityIdRef": identity, "serviceAccountRef": {"name": "infisical-shop", "namespace": HOME}}
    connection = {"name": "infisical", "namespace": HOME}
    spec = {"infisicalConnectionRef": connection, "method": "kubernetes", "kubernetes": kubernetes}
    world.create("InfisicalAuth", "infisicalauths", HOME, "infisical-shop", spec)


def install_kinds(cluster: Cluster) -> None:
    """Define the operator's kinds, as the program takes them from its chart."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    there = {each["metadata"]["name"] for each in cluster.call("GET", path)["items"]}
    location = str(ROOT / "embedded/charts/secrets-operator")
    for kind in OperatorChart.read(LocalChart(location=location, digest=""), ROOT).kinds:
        if kind["metadata"]["name"] not in there:
            cluster.create(path, {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", **kind})

    def served() -> bool:
        try:
            return bool(cluster.call("GET", f"{_GROUP}/namespaces/default/infisicalstaticsecrets"))
        except (AssertionError, OSError, ValueError):
            return False

    eventually(served, "the operator's kinds are served")
