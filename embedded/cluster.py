"""Start, stop and look at the embedded cluster from the host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedded import imagebuild, network, pki, registry, sample
from embedded.addons import authority, manifests
from embedded.errors import EmbeddedError
from embedded.instance import PLAIN, Instance, NodePlace
from embedded.machine import Machine, sh
from embedded.pinned import PROGRAMS
from embedded.programs import Programs

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
        self.instance = self._instance = instance
        self._programs = programs
        self._progress = progress
        self._first = Machine(instance, instance.node)
        self._second = Machine(instance, instance.second_node)

    def up(self, images: imagebuild.Layout, domain: str = "", *, bare: bool = False, kind: str = PLAIN) -> None:
        """Start what is not running, over whatever a killed run left. It is safe to repeat.

        A cluster keeps its first `domain`, because running pods look names up in it, stays `bare` of operators, and is
        of one `kind`. Raises EmbeddedError that names the daemon or add-on that did not come up.
        """
        self._name(domain)
        if bare and not self._instance.bare:
            self._begin("bare", "", "has operators")
        if kind != PLAIN and not self._instance.began(kind):
            self._begin(kind, "", f"is not {kind}")
        if self._instance.hostile:
            registry.fill(self._instance.folder / registry.PROGRAM, images)
        if not self._first.pids():
            self._start()
        self._await("the container runtime", lambda: self._instance.node.containerd_socket.is_socket())
        self._await("the API server", lambda: self._kubectl("get", "--raw", "/readyz", check=False).returncode == 0)
        self._say_what_is_missing()
        self.import_images(images, self._instance.node)
        self._install_addons(images)

    def down(self) -> None:
        """End the node and delete all that the instance has on disk: volumes, state, logs."""
        self.kill()
        shutil.rmtree(self._instance.folder, ignore_errors=True)

    def status(self) -> Status:
        """Return what runs. It raises nothing, because a cluster that does not answer has no ready pod."""
        running = bool(self._first.pids())
        listed = self._kubectl("get", "pods", "-A", "-o", "json", check=False) if running else None
        pods = json.loads(listed.stdout)["items"] if listed and listed.returncode == 0 else []
        return Status(running, self._first.failure(), tuple(_name(pod) for pod in pods if not _is_ready(pod)))

    def _name(self, domain: str) -> None:
        if not domain or domain == self._instance.domain:
            return
        self._begin("domain", domain, f"has domain {self._instance.domain}")

    def _begin(self, file: str, content: str, otherwise: str) -> None:
        """Note what a cluster is from its first start on. Raises EmbeddedError for one that has begun."""
        if self._instance.logs.exists() or (self._instance.folder / file).exists():
            raise EmbeddedError(f"instance {self._instance.name} {otherwise}: make down first")
        self._instance.folder.mkdir(parents=True, exist_ok=True)
        (self._instance.folder / file).write_text(content)

    def _start(self) -> None:
        self.kill()
        instance = self._instance
        self._progress("starting the node")
        instance.logs.mkdir(parents=True, exist_ok=True)
        nodes = (instance.node, instance.second_node)
        pki.create(
            instance.folder,
            instance.ranges.api_server,
            {node.name: str(node.address) for node in nodes},
            {registry.PROGRAM: registry.HOST} if instance.hostile else {},
        )
        self._link_binaries()
        network.connect_first(instance)
        self._first.launch(self._binaries, imagebuild.reference("pause"))

    def join(self, images: imagebuild.Layout) -> None:
        """Start the second node and wait until pods can run there. It is safe to repeat. Raises EmbeddedError."""
        place = self._instance.second_node
        if not self._second.pids():
            self._second.kill()
            self._progress("starting the second node")
            place.folder.mkdir(exist_ok=True)
            network.connect_second(self._instance)
            self._second.launch(self._binaries, imagebuild.reference("pause"))
        self._await("the second node's runtime", lambda: place.containerd_socket.is_socket(), self._second)
        self.import_images(images, place)
        ready = ("wait", "--for=condition=Ready", f"node/{place.name}", "--timeout=2s")
        self._await("the second node", lambda: self._kubectl(*ready, check=False).returncode == 0, self._second)

    def kill_second(self) -> None:
        """End the second node's processes as a power failure does; what it has on disk stays."""
        self._second.kill()

    def kill(self) -> None:
        """End the instance's processes as a power failure does; what it has on disk stays."""
        self._second.kill()
        self._first.kill()
        sh("ip", "link", "delete", self._instance.link, check=False)

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
            if module == registry.PROGRAM:
                wanted = self._instance.hostile
            else:
                wanted = not module.startswith("pulumi") and not program.rehearsals
            if wanted:
                for name in program.binaries:
                    (self._binaries / name).symlink_to(self._programs.path(name))

    def _await(self, what: str, ready: Callable[[], bool], machine: Machine | None = None) -> None:
        machine = machine or self._first
        limit = time.monotonic() + READY_LIMIT_SECONDS
        while not ready():
            if failure := machine.failure():
                raise EmbeddedError(failure)
            if machine.has_ended():
                raise EmbeddedError("the node has ended:\n" + machine.last_words())
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

    def import_images(self, images: imagebuild.Layout, place: NodePlace) -> None:
        """Give a node those of the images that it lacks. Raises EmbeddedError."""
        ctr = [str(self._programs.path("ctr")), "-a", str(place.containerd_socket), "-n", "k8s.io", "images"]
        listed = subprocess.run([*ctr, "list"], capture_output=True, text=True, check=True).stdout.splitlines()
        present = {(row[0], row[2]) for row in map(str.split, listed[1:])}
        missing = [name for name, digest in images.digests().items() if (name, digest) not in present]
        if not missing:
            return
        self._progress(f"importing {len(missing)} images")
        log = place.logs / "import.log"
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
        if not self._instance.bare:
            self._await_authority()

    def bring_sample(self) -> None:
        """Make the namespace of the sample application, and have stack dev keep it from now on."""
        self._apply(sample.NAMESPACE)
        (self._instance.folder / "sample").touch()

    def bring_authority(self) -> None:
        """Make the cluster's own authority as soon as cert-manager is there, whoever installs it."""
        self._apply(authority())
        self._await_authority()

    def _await_authority(self) -> None:
        template = r"go-template={{index .data `tls.crt` | base64decode}}"
        secret = ("get", "secret", "embedded-ca", "-n", "cert-manager", "-o", template)
        self._await("the cluster's authority", lambda: self._kubectl(*secret, check=False).returncode == 0)
        (self._instance.folder / "ca.crt").write_text(self._kubectl(*secret).stdout)

    def _apply(self, manifest: str) -> None:
        """Apply, and repeat while an admission webhook or a kind of an earlier manifest is not served yet."""
        arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        limit = time.monotonic() + READY_LIMIT_SECONDS
        while (done := self._kubectl(*arguments, stdin=manifest, check=False)).returncode:
            transient = (
                "no matches for kind",
                "failed calling webhook",
                "ensure CRDs are installed first",
                "could not find the requested resource",  # a kind that is known, and not served yet
                'namespaces "cert-manager" not found',
            )
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
