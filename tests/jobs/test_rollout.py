"""Rollouts on a real API server with the real Deployment controller; the test plays the kubelet."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from job import Pending
from job_cluster import Cluster, Rule
from job_engines import eventually, free_port
from rollout import Config, Rollout, label_selector

NAME = "infisical-backend"
RULES: list[Rule] = [
    ("apps", "deployments", ["get"], [NAME]),
    ("apps", "replicasets", ["list"], []),
    *(("", kind, ["list"], []) for kind in ("pods", "events")),
    ("", "pods/log", ["get"], []),
]
READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
SECRET = "postgresql://infisical_user:S3cr3t-value@host/db"


def container(state: object, restarts: int = 0, *, ready: bool = False) -> dict[str, Any]:
    status = {
        "name": "infisical",
        "ready": ready,
        "restartCount": restarts,
        "image": "i",
        "imageID": "",
        "state": state,
    }
    return {"containerStatuses": [status], "phase": "Pending"}


class Application:
    """A Deployment of two replicas, and its answer under a URL."""

    def __init__(self, cluster: Cluster, start_job: Callable[..., Any], url: str) -> None:
        self.cluster, self._start_job, self.url = cluster, start_job, url
        self.namespace = cluster.namespace("app")
        cluster.grant(self.namespace, RULES)
        self.path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        self.pods_path = f"/api/v1/namespaces/{self.namespace}/pods"

    def deploy(self, *, progress_deadline: int = 600, replicas: int = 2) -> None:
        labels = {"app": "infisical"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "infisical", "image": "i", "resources": {"requests": {"cpu": "1m"}}}]},
        }
        spec = {
            "replicas": replicas,
            "progressDeadlineSeconds": progress_deadline,
            "selector": {"matchLabels": labels},
            "template": template,
        }
        self.cluster.create(self.path, {"metadata": {"name": NAME}, "spec": spec})

    def update(self) -> None:
        template = {"metadata": {"annotations": {"checksum": "new"}}}
        self.cluster.call("PATCH", f"{self.path}/{NAME}", {"spec": {"template": template}})

    def pods(self, number: int = 2) -> list[str]:
        def found() -> list[str]:
            items = self.cluster.call("GET", self.pods_path)["items"]
            return [item["metadata"]["name"] for item in items]

        eventually(lambda: len(found()) == number, f"{number} pods")
        return found()

    def kubelet(self, pod: str, status: object) -> None:
        self.cluster.call("PATCH", f"{self.pods_path}/{pod}/status", {"status": status})

    @property
    def status(self) -> dict[str, Any]:
        return self.cluster.call("GET", f"{self.path}/{NAME}").get("status", {})

    def condition(self, kind: str) -> None:
        """Waits until the Deployment controller has set a condition."""

        def holds() -> bool:
            conditions = self.status.get("conditions", [])
            return any(item["type"] == kind and item["status"] == "True" for item in conditions)

        eventually(holds, kind)

    def rollout(self, **changed: Any) -> Any:
        env = {"REDACT_DIR": changed.pop("redact")} if "redact" in changed else {}
        config = {
            "namespace": self.namespace,
            "deployment": NAME,
            "url": self.url,
            "login_url": self.url.replace("/api/status", "/login"),
            "deadline_seconds": 120,
            "failure_grace_seconds": 1,
        }
        return self._start_job("rollout.py", config | changed, **self.cluster.environment, **env)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"/api/status": (200, '{"message": "Ok"}'), "/page": (200, "<html>")})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send({"/login": (401, "{}"), "/invalid": (422, "{}"), "/page": (401, "<html>")})

        def _send(self, answers: dict[str, tuple[int, str]]) -> None:
            status, body = answers.get(self.path, (503, "{}"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/status"
    server.shutdown()
    server.server_close()


@pytest.fixture
def application(cluster: Cluster, start_job: Callable[..., Any], url: str) -> Application:
    return Application(cluster, start_job, url)


@pytest.fixture
def secret_folder(tmp_path: Path) -> str:
    folder = tmp_path / "secret"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data" / "DB_CONNECTION_URI").write_text(SECRET)
    (folder / "DB_CONNECTION_URI").symlink_to("..data/DB_CONNECTION_URI")
    return str(folder)


def test_ready(application: Application) -> None:
    application.deploy()
    rollout = application.rollout()
    first, second = application.pods()
    application.kubelet(first, READY)
    rollout.sees("2 updated, 1 available")
    application.kubelet(second, READY)
    outcome = rollout.outcome()
    assert outcome.status == 0
    assert outcome.last_line == (
        f"rollout: ready: deployment {application.namespace}/{NAME}: 2 of 2 replicas, "
        f"GET {application.url} answers 200, and a log-in by nobody 401"
    )


def test_update_waits_for_new_pods_only(application: Application) -> None:
    """Old pods which are ready prove nothing, and old pods which fail are no cause."""
    application.deploy()
    old = application.pods()
    for pod in old:
        application.kubelet(pod, READY)
    assert application.rollout().outcome().status == 0
    application.update()
    new = set(application.pods(3)) - set(old)
    application.kubelet(old[0], container({"waiting": {"reason": "ImagePullBackOff"}}))
    application.kubelet(new.pop(), container({"waiting": {"reason": "ContainerCreating"}}))
    eventually(lambda: application.status.get("updatedReplicas") == 1, "the controller has counted the new pod")
    outcome = application.rollout(deadline_seconds=0).outcome()
    assert outcome.status == 1
    assert "1 updated" in outcome.last_line
    assert "ContainerCreating" in outcome.last_line
    assert "ImagePullBackOff" not in outcome.output


@pytest.mark.parametrize("reason", ["InvalidImageName", "CreateContainerConfigError"])
def test_container_which_cannot_start(application: Application, reason: str, secret_folder: str) -> None:
    application.deploy()
    pod = application.pods()[0]
    waiting = {"reason": reason, "message": f"Error: cannot use {SECRET}"}
    application.kubelet(pod, container({"waiting": waiting}))
    outcome = application.rollout(redact=secret_folder).outcome()
    assert outcome.status == 1
    assert f"pod {pod}, container infisical: {reason} (Error: cannot use ***)" in outcome.last_line
    assert "S3cr3t" not in outcome.output


def test_crash_loop(application: Application) -> None:
    application.deploy()
    pod = application.pods()[0]
    rollout = application.rollout()
    application.kubelet(pod, container({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}, 1))
    rollout.sees("(back-off 10s), 1 restarts")
    time.sleep(1.5)
    assert rollout.process.poll() is None  # one restart may be a hiccup
    application.kubelet(pod, container({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}}, 2))
    rollout.sees("(back-off 20s), 2 restarts")
    application.kubelet(pod, container({"running": {}}, 2))  # a start in between does not reset the count
    outcome = rollout.outcome()
    assert outcome.status == 1
    assert f"pod {pod}, container infisical: " in outcome.last_line
    assert outcome.last_line.endswith("2 restarts; it logged nothing")


def test_recovered_container_is_no_failure(application: Application) -> None:
    application.deploy()
    pods = application.pods()
    rollout = application.rollout(failure_grace_seconds=60)
    application.kubelet(pods[0], container({"waiting": {"reason": "ErrImagePull"}}))
    rollout.sees("ErrImagePull")
    for pod in pods:
        application.kubelet(pod, READY)
    assert rollout.outcome().status == 0


def test_unschedulable_and_quota(application: Application) -> None:
    quotas = f"/api/v1/namespaces/{application.namespace}/resourcequotas"
    application.cluster.create(quotas, {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}})
    eventually(lambda: application.cluster.call("GET", f"{quotas}/one")["status"].get("used"), "the quota is counted")
    application.deploy()
    pod = application.pods(1)[0]
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    application.kubelet(pod, {"conditions": [condition]})
    application.condition("ReplicaFailure")
    outcome = application.rollout(deadline_seconds=0).outcome()
    assert outcome.status == 1
    assert f"pod {pod}: Unschedulable (0/1 nodes)" in outcome.last_line
    assert "FailedCreate: pods " in outcome.last_line
    assert "exceeded quota: one" in outcome.last_line


def test_progress_deadline(application: Application) -> None:
    application.deploy(progress_deadline=1)
    application.pods()
    outcome = application.rollout(deadline_seconds=60).outcome()
    assert outcome.status == 1
    assert "ProgressDeadlineExceeded: " in outcome.last_line
    assert "2 wanted, 2 there, 2 updated, 0 available" in outcome.last_line


def test_missing_deployment(application: Application) -> None:
    outcome = application.rollout().outcome()
    assert outcome.status == 1
    assert f"deployment {application.namespace}/{NAME} does not exist" in outcome.last_line


def test_scaled_to_nothing(application: Application) -> None:
    application.deploy(replicas=0)
    assert "is scaled to 0 replicas" in application.rollout().outcome().last_line


@pytest.mark.parametrize(
    ("path", "complaint"),
    [("/unwell", "status 503, wanted 200"), ("/page", "status 200, but the body is not JSON"), (None, "refused")],
)
def test_url_does_not_answer(application: Application, path: str | None, complaint: str) -> None:
    application.deploy()
    for pod in application.pods():
        application.kubelet(pod, READY)
    application.condition("Available")
    wrong = application.url.replace("/api/status", path) if path else f"http://127.0.0.1:{free_port()}/"
    outcome = application.rollout(url=wrong, deadline_seconds=0).outcome()
    assert outcome.status == 1
    assert f"GET {wrong}: " in outcome.last_line
    assert complaint in outcome.last_line


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/unwell", "status 503, wanted 400 or 401 or 403 or 404"),  # the database is down, or Redis
        ("/invalid", "status 422, wanted"),  # refused before anybody asked the database
        ("/page", "status 401, but the body is not JSON"),  # somebody else's answer
    ],
)
def test_a_status_of_200_is_not_enough(application: Application, path: str, complaint: str) -> None:
    """The real server says it while PostgreSQL is down."""
    application.deploy()
    for pod in application.pods():
        application.kubelet(pod, READY)
    application.condition("Available")
    login = application.url.replace("/api/status", path)
    outcome = application.rollout(login_url=login, deadline_seconds=0).outcome()
    assert outcome.status == 1
    assert f"POST {login}: {complaint}" in outcome.last_line


def test_missing_right_is_named(cluster: Cluster, start_job: Callable[..., Any], url: str) -> None:
    """Refused at first (a binding may be on its way), so still waiting at a deadline within the grace."""
    config = {"namespace": "default", "deployment": NAME, "url": url, "login_url": url, "deadline_seconds": 1}
    outcome = start_job("rollout.py", config, **cluster.environment).outcome()
    assert outcome.status == 1
    assert "403" in outcome.last_line
    assert 'cannot get resource "deployments" in API group "apps" in the namespace "default"' in outcome.last_line


def test_counts_of_an_older_generation_prove_nothing() -> None:
    """Just after a change the status still tells of the pods from before it."""
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": 1, **counts}}

    class Stale:
        def find(self, _path: str) -> object:
            return deployment

    rollout = Rollout(Config("ns", NAME, "http://127.0.0.1:1/", "http://127.0.0.1:1/", 10), Stale(), str)  # type: ignore[arg-type]
    with pytest.raises(Pending, match="generation not observed"):
        rollout.check()


def test_label_selector() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "app", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "x"}, "matchExpressions": expressions}
    assert label_selector(selector) == "app=x,tier in (a,b),app,!old"
