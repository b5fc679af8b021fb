"""Start, stop and look at the embedded cluster from the host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedded import imagebuild, pki
from embedded.addons import manifests
from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.node import NAME
from embedded.programs import PROGRAMS, Programs

READY_LIMIT_SECONDS = 300
ADDON = "infisical-platform/addon"


@dataclass(frozen=True, slots=True)
class Status:
    """What `status` prints."""

    running: bool
    failure: str  # the daemon that ended the node, with its last lines; empty when none did
    not_ready: tuple[str, ...]  # pods


class Cluster:
    """One instance, with its node, its images and its add-ons."""

    def __init__(self, instance: Instance, programs: Programs, progress: Callable[[str], None]) -> None:
        self._instance = instance
        self._programs = programs
        self._progress = progress
        self._launched: subprocess.Popen[bytes] | None = None

    def up(self, images: imagebuild.Layout) -> None:
        """Start what is not running, over whatever a killed run left. It is safe to repeat.

        Raises EmbeddedError that names the daemon or add-on that did not come up.
        """
        if not self._pids():
            self._start()
        self._await("the container runtime", lambda: self._instance.containerd_socket.is_socket())
        self._await("the API server", lambda: self._kubectl("get", "--raw", "/readyz", check=False).returncode == 0)
        self._say_what_is_missing()
        self._import(images)
        self._install_addons(images)

    def down(self) -> None:
        """End the node and delete all that the instance has on disk: volumes, state, logs."""
        self.kill()
        shutil.rmtree(self._instance.folder, ignore_errors=True)

    def status(self) -> Status:
        """Return what runs. It raises nothing, because a cluster that does not answer has no ready pod."""
        running = bool(self._pids())
        listed = self._kubectl("get", "pods", "-A", "-o", "json", check=False) if running else None
        pods = json.loads(listed.stdout)["items"] if listed and listed.returncode == 0 else []
        return Status(running, self._failure(), tuple(_name(pod) for pod in pods if not _is_ready(pod)))

    def _start(self) -> None:
        self.kill()
        instance = self._instance
        self._progress("starting the node")
        instance.logs.mkdir(parents=True, exist_ok=True)
        for stale in (instance.folder / "failure", instance.folder / "unenforced", instance.containerd_socket):
            stale.unlink(missing_ok=True)
        pki.create(instance.folder, str(instance.node_address), NAME)
        self._link_binaries()
        self._make_network()
        self._make_cgroup()
        # --kill-child: the namespaces end with their first process, and that ends with this one.
        command = ["nsenter", f"--net=/run/netns/{instance.network_namespace}", "unshare"]
        command += ["--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
        command += [sys.executable, "-m", "embedded.node", instance.name, str(self._binaries)]
        command += [imagebuild.reference("pause")]
        with (instance.logs / "node.log").open("ab") as log:
            root = Path(__file__).parent.parent
            self._launched = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root, start_new_session=True
            )

    def _say_what_is_missing(self) -> None:
        unenforced = self._instance.folder / "unenforced"
        if unenforced.exists():
            self._progress(
                f"NetworkPolicies have no effect, because this kernel has no NFQUEUE: {unenforced.read_text()}"
            )

    @property
    def _binaries(self) -> Path:
        return self._instance.folder / "bin"

    def _link_binaries(self) -> None:
        """Link the cluster's programs into one folder, where containerd looks for its shim and its network plugins."""
        shutil.rmtree(self._binaries, ignore_errors=True)
        self._binaries.mkdir()
        for module, program in PROGRAMS.items():
            if not module.startswith("pulumi") and not program.rehearsals:
                for name in program.binaries:
                    (self._binaries / name).symlink_to(self._programs.path(name))

    def _make_network(self) -> None:
        instance, namespace = self._instance, self._instance.network_namespace
        routes = json.loads(_sh("ip", "-json", "-4", "route", "get", str(instance.node_address), check=False) or "[]")
        if routes and routes[0].get("dev") not in (None, instance.link) and "gateway" not in routes[0]:
            raise EmbeddedError(
                f"{instance.node_address} is on this machine's interface {routes[0]['dev']} already: "
                "choose another instance name (make up INSTANCE=…)"
            )
        _sh("ip", "netns", "add", namespace)
        _sh("ip", "link", "add", instance.link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _sh("ip", "address", "add", f"{instance.host_address}/30", "dev", instance.link)
        _sh("ip", "link", "set", instance.link, "up")
        _sh("ip", "-netns", namespace, "link", "set", "lo", "up")
        _sh("ip", "-netns", namespace, "address", "add", f"{instance.node_address}/30", "dev", "eth0")
        _sh("ip", "-netns", namespace, "link", "set", "eth0", "up")
        _sh("ip", "-netns", namespace, "route", "add", "default", "via", str(instance.host_address))

    def _make_cgroup(self) -> None:
        root = Path("/sys/fs/cgroup")
        if (root / "cgroup.controllers").exists():  # the unified hierarchy
            controllers = " ".join(f"+{name}" for name in (root / "cgroup.controllers").read_text().split())
            (root / "cgroup.subtree_control").write_text(controllers)
            (root / self._instance.cgroup).mkdir(exist_ok=True)
            (root / self._instance.cgroup / "cgroup.subtree_control").write_text(controllers)
            return
        for hierarchy in filter(Path.is_dir, root.iterdir()):
            (hierarchy / self._instance.cgroup).mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, and nothing could run in it
                if (hierarchy / setting).exists():
                    (hierarchy / self._instance.cgroup / setting).write_text((hierarchy / setting).read_text())

    def kill(self) -> None:
        """End the instance's processes as a power failure does; what it has on disk stays.

        Its network and control groups are removed where there are any.
        """
        limit = time.monotonic() + 30
        while pids := self._pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > limit:
                raise EmbeddedError(f"processes of instance {self._instance.name} do not end: {pids}")
            time.sleep(0.1)
        if self._instance.network_namespace in self._namespaces():
            _sh("ip", "netns", "delete", self._instance.network_namespace)
        _sh("ip", "link", "delete", self._instance.link, check=False)
        # A group can be removed once its last process is gone, a moment after the kill.
        while remaining := self._remove_cgroups():
            if time.monotonic() > limit:
                raise EmbeddedError(f"control group {remaining} is still in use")
            time.sleep(0.1)

    def _remove_cgroups(self) -> Path | None:
        root = Path("/sys/fs/cgroup")
        for top in [*root.glob(self._instance.cgroup), *root.glob(f"*/{self._instance.cgroup}")]:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return Path(folder)
        return None

    @staticmethod
    def _namespaces() -> list[str]:
        return [line.split()[0] for line in _sh("ip", "netns", "list").splitlines() if line]

    def _pids(self) -> list[int]:
        """Return the processes in the node's network namespace. Pods have their own, but end with these processes."""
        if self._instance.network_namespace not in self._namespaces():
            return []
        return [int(pid) for pid in _sh("ip", "netns", "pids", self._instance.network_namespace).split()]

    def _has_ended(self) -> bool:
        return self._launched.poll() is not None if self._launched else not self._pids()

    def _failure(self) -> str:
        path = self._instance.folder / "failure"
        return path.read_text() if path.exists() else ""

    def _await(self, what: str, ready: Callable[[], bool]) -> None:
        limit = time.monotonic() + READY_LIMIT_SECONDS
        while not ready():
            if failure := self._failure():
                raise EmbeddedError(failure)
            if self._has_ended():
                last = (self._instance.logs / "node.log").read_text(errors="replace").splitlines()[-3:]
                raise EmbeddedError("the node has ended:\n" + "\n".join(last))
            if time.monotonic() > limit:
                raise EmbeddedError(f"{what} was not ready within {READY_LIMIT_SECONDS} s; see {self._instance.logs}")
            time.sleep(0.2)

    def _kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        command = [str(self._programs.path("kubectl")), f"--kubeconfig={self._instance.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        if check and done.returncode:
            raise EmbeddedError(f"kubectl {' '.join(arguments[:4])} failed: {done.stderr.strip()}")
        return done

    def _import(self, images: imagebuild.Layout) -> None:
        ctr = [str(self._programs.path("ctr")), "-a", str(self._instance.containerd_socket), "-n", "k8s.io", "images"]
        listed = subprocess.run([*ctr, "list"], capture_output=True, text=True, check=True).stdout.splitlines()
        present = {(row[0], row[2]) for row in map(str.split, listed[1:])}
        missing = [name for name, digest in images.digests().items() if (name, digest) not in present]
        if not missing:
            return
        self._progress(f"importing {len(missing)} images")
        log = self._instance.logs / "import.log"
        with log.open("wb") as said:
            command = [*ctr, "import", "--base-name", "", "-"]
            importer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
            assert importer.stdin
            # If it ends early, the cause is what it said, not that it has closed its end.
            with contextlib.suppress(BrokenPipeError), importer.stdin:
                images.archive(importer.stdin, missing)
        if importer.wait():
            raise EmbeddedError(f"importing images failed: {log.read_text(errors='replace').strip()}")

    def _install_addons(self, images: imagebuild.Layout) -> None:
        wanted = manifests(self._instance, self._programs)
        state = hashlib.sha256(json.dumps([wanted, images.digests()]).encode()).hexdigest()
        applied = self._instance.folder / "addons.digest"
        if not (applied.exists() and applied.read_text() == state):
            self._progress("installing the cluster's add-ons")
            for manifest in wanted:
                self._apply(manifest)
        self._await("the add-ons", self._addons_are_ready)
        applied.write_text(state)
        template = r"go-template={{index .data `tls.crt` | base64decode}}"
        secret = ("get", "secret", "embedded-ca", "-n", "cert-manager", "-o", template)
        self._await("the cluster's authority", lambda: self._kubectl(*secret, check=False).returncode == 0)
        (self._instance.folder / "ca.crt").write_text(self._kubectl(*secret).stdout)

    def _apply(self, manifest: str) -> None:
        """Apply, and repeat while an admission webhook or a kind of an earlier manifest is not served yet."""
        arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        limit = time.monotonic() + READY_LIMIT_SECONDS
        while (done := self._kubectl(*arguments, stdin=manifest, check=False)).returncode:
            transient = ("no matches for kind", "failed calling webhook", "ensure CRDs are installed first")
            if time.monotonic() > limit or not any(text in done.stderr for text in transient):
                raise EmbeddedError(f"applying add-ons failed: {done.stderr.strip()}")
            time.sleep(0.5)

    def _addons_are_ready(self) -> bool:
        listed = self._kubectl("get", "deployments", "-A", "-l", ADDON, "-o", "json", check=False)
        deployments = json.loads(listed.stdout)["items"] if listed.returncode == 0 else []
        return bool(deployments) and all(_is_rolled_out(deployment) for deployment in deployments)


def _name(pod: dict[str, dict[str, str]]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _is_ready(pod: dict[str, dict]) -> bool:  # pyright: ignore[reportMissingTypeArgument]
    conditions = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions", [])}
    return pod["status"].get("phase") == "Succeeded" or conditions.get("Ready") == "True"


def _is_rolled_out(deployment: dict[str, dict]) -> bool:  # pyright: ignore[reportMissingTypeArgument]
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    return (
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("availableReplicas") == status.get("replicas") == wanted
    )


def _sh(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise EmbeddedError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
