"""Run a node as process 1 of a process namespace of its own: the first with the control plane, a second one without.

`cluster.py` starts it inside of fresh process, mount and network namespaces. All that it starts and mounts lives there:
when it ends, for whatever reason, the kernel ends the pods and daemons with it, and no mount, bridge or firewall rule
stays behind on the host. A daemon that dies ends the node, and `failure` names it with its last log lines.
"""

from __future__ import annotations

import json
import signal
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from embedded import enforcement, hostile, registry
from embedded.agent import Agent
from embedded.instance import Instance


class ControlPlane:
    """Start etcd and the daemons around the API server."""

    def __init__(self, instance: Instance, agent: Agent) -> None:
        self._folder = instance.folder
        self._pki = instance.folder / "pki"
        self._hostile = instance.hostile
        self._kubectl = instance.folder / "bin" / "kubectl"
        self._address = instance.node_address
        self._ranges = instance.ranges
        self._daemons = agent.daemons

    def start_api_server(self) -> None:
        """Start etcd and the API server."""
        self._daemons.start(
            "etcd",
            "--data-dir",
            self._folder / "etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",  # a crash of the machine may lose the cluster; a crash of the process does not
        )
        self._daemons.start(
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--bind-address={self._ranges.anywhere.partition('/')[0]}",
            "--secure-port=6443",
            f"--advertise-address={self._address}",
            f"--tls-cert-file={self._pki}/apiserver.crt",
            f"--tls-private-key-file={self._pki}/apiserver.key",
            f"--client-ca-file={self._pki}/ca.crt",
            f"--service-account-key-file={self._pki}/service-accounts.pub",
            f"--service-account-signing-key-file={self._pki}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={self._ranges.services}",
            f"--token-auth-file={enforcement.token_file(self._folder)}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={self._pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={self._pki}/apiserver-kubelet-client.key",
            f"--kubelet-certificate-authority={self._pki}/ca.crt",
            *self._admission(),
        )

    def _admission(self) -> Iterator[str]:
        if self._hostile:
            path = self._folder / "admission.json"
            path.write_text(json.dumps(hostile.admission()))
            yield f"--admission-control-config-file={path}"

    def start_controllers(self) -> None:
        """Start the controllers and the scheduler once the API server answers."""
        self._daemons.wait("kube-apiserver", self._api_is_ready)
        self._daemons.start(
            "kube-controller-manager",
            f"--kubeconfig={self._folder}/controller-manager.conf",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._pki}/service-accounts.key",
            f"--root-ca-file={self._pki}/ca.crt",
            f"--service-cluster-ip-range={self._ranges.services}",
            "--leader-elect=false",
        )
        self._daemons.start("kube-scheduler", f"--kubeconfig={self._folder}/scheduler.conf", "--leader-elect=false")
        if self._hostile:
            arguments = ("-m", hostile.__name__, self._kubectl, self._folder / "admin.conf")
            root = str(Path(__file__).parent.parent)
            self._daemons.start("tenants", *arguments, program=sys.executable, PYTHONPATH=root)
            files = (self._pki / f"{registry.PROGRAM}.{kind}" for kind in ("crt", "key"))
            served = (self._folder / registry.PROGRAM, *files, registry.login(self._folder))
            self._daemons.start(registry.PROGRAM, f":{registry.PORT}", *served)

    def _api_is_ready(self) -> bool:
        context = ssl.create_default_context(cafile=self._pki / "ca.crt")
        try:
            with urllib.request.urlopen("https://127.0.0.1:6443/readyz", timeout=2, context=context):
                return True
        except (urllib.error.URLError, OSError):
            return False


def main(arguments: Sequence[str]) -> None:
    """Run `python -m embedded.node INSTANCE NODE BINARIES PAUSE_IMAGE` inside of the namespaces."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for `make up`, not for the cluster
    name, node, binaries, pause_image = arguments
    instance = Instance(name)
    place = instance.node if node == instance.node.name else instance.second_node
    agent = Agent(instance, place, Path(binaries), pause_image)
    agent.isolate()
    if place == instance.node:
        control_plane = ControlPlane(instance, agent)
        control_plane.start_api_server()
        agent.start_runtime()
        control_plane.start_controllers()
    else:
        agent.start_runtime()
    agent.enforce_policies()
    agent.start_kubelet()
    agent.daemons.watch()


if __name__ == "__main__":
    main(sys.argv[1:])
