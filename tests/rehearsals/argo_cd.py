"""Run the real ArgoCD beside the cluster, as its own developers do: state in the cluster, processes on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from embedded.programs import Programs
from embedded.stack import PROJECT
from tests.e2e.views import Kubectl
from tests.e2e.waits import ROLLOUT, eventually, kubectl_timeout

SETUP = Path(__file__).with_name("argocd")
NAMESPACE = "argocd"
APPLICATION = "platform"
_LOCAL = "127.0.0.1"
_OWN = ("--address", _LOCAL, "--metrics-address", _LOCAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArgoCD:
    """The application controller, the repository server and their Redis, while they run."""

    kubectl: Kubectl
    folder: Path

    def deploy(self, repository: Path) -> None:
        """Create the Application that deploys `repository` by itself, prunes and heals."""
        values = {"repository": f"file://{repository}"}
        self.kubectl("apply", "-f", "-", stdin=Template((SETUP / "application.yaml").read_text()).substitute(values))

    def application(self, field: str) -> str:
        """Return a field of the Application's, for example status.health.status."""
        asked = ("get", "-n", NAMESPACE, f"applications.argoproj.io/{APPLICATION}", "-o", f"jsonpath={{.{field}}}")
        return self.kubectl(*asked, check=False)

    def said(self) -> str:
        """Return the last lines of each log, for a failure."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-3000:]}" for log in logs)


def repository(folder: Path, sealed: Mapping[str, str]) -> Path:
    """Make a Git repository with the chart of the replaced setup, Infisical's chart, and SealedSecrets by file name."""
    checkout = folder / "repository"
    shutil.copytree(SETUP / "platform", checkout / "platform")
    shutil.copytree(PROJECT / "embedded" / "charts" / "infisical", checkout / "platform" / "charts" / "infisical")
    for name, manifest in sealed.items():
        (checkout / "platform" / "templates" / name).write_text(manifest)
    identity = ("-c", "user.name=ops", "-c", "user.email=ops@example.org")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "The platform")):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    return checkout


@contextlib.contextmanager
def running(kubectl: Kubectl, programs: Programs, folder: Path) -> Iterator[ArgoCD]:
    """Create its kinds, and run its parts for as long as the block takes."""
    kubectl("create", "namespace", NAMESPACE)
    for kind in sorted(programs.path("argocd-crds").glob("*-crd.yaml")):
        kubectl("apply", "--server-side", "-f", str(kind))
    kubectl("wait", "--for=condition=Established", "crd", "--all", kubectl_timeout(ROLLOUT))
    kubectl("apply", "-f", str(SETUP / "state.yaml"))
    redis, repositories, *metrics = _free_ports(4)
    found = ["--redis", f"{_LOCAL}:{redis}", "--metrics-port"]
    parts = {
        "redis": ["redis-server", "--bind", _LOCAL, "--port", f"{redis}", "--save", ""],
        "argocd-repo-server": ["argocd", *found, f"{metrics[0]}", *_OWN, "--port", f"{repositories}"],
        "argocd-application-controller": [
            *("argocd", *found, f"{metrics[1]}", "--repo-server", f"{_LOCAL}:{repositories}"),
            *("--kubeconfig", str(kubectl.instance.kubeconfig), "--namespace", NAMESPACE, "--app-resync", "15"),
        ],
    }
    with contextlib.ExitStack() as processes:
        for name, command in parts.items():
            processes.enter_context(_process(name, command, _environment(name, kubectl, programs, folder), folder))
            if port := {"redis": redis, "argocd-repo-server": repositories}.get(name):
                eventually(lambda port=port: _answers(port), f"{name} listens", ROLLOUT)
        yield ArgoCD(kubectl=kubectl, folder=folder)


def _environment(name: str, kubectl: Kubectl, programs: Programs, folder: Path) -> dict[str, str]:
    places = {"TMPDIR": "tmp", "HOME": "home", "ARGOCD_TLS_DATA_PATH": "tls", "ARGOCD_SSH_DATA_PATH": "ssh"}
    places |= {"ARGOCD_PLUGINSOCKFILEPATH": "plugins"}
    for place in places.values():
        (folder / place).mkdir(exist_ok=True)
    paths = [str(programs.path(binary).parent) for binary in ("argocd", "helm")]
    return {
        **{variable: str(folder / place) for variable, place in places.items()},
        "PATH": os.pathsep.join([*paths, os.environ["PATH"]]),
        "KUBECONFIG": str(kubectl.instance.kubeconfig),
        "ARGOCD_BINARY_NAME": name,  # one program, which looks at its name
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_GPG_ENABLED": "false",
    }


@contextlib.contextmanager
def _process(name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.create_server((_LOCAL, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in opened]


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((_LOCAL, port), timeout=1):
        return True
    return False
