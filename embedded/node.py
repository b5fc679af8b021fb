"""Run the node (control plane, container runtime, kubelet) as process 1 of a process namespace of its own.

`cluster.py` starts it inside of fresh process, mount and network namespaces. All that it starts and mounts lives there:
when it ends, for whatever reason, the kernel ends the pods and daemons with it, and no mount, bridge or firewall rule
stays behind on the host. A daemon that dies ends the node, and `failure` names it with its last log lines.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from embedded import enforcement
from embedded.instance import Instance

NAME = "node"
POD_NETWORK = "10.88.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
START_LIMIT_SECONDS = 180  # a machine that builds at the same time is slow


class Node:
    """Start the daemons in order and watch them."""

    def __init__(self, instance: Instance, binaries: Path, pause_image: str) -> None:
        self._instance = instance
        self._folder = instance.folder
        self._address = str(instance.node_address)
        self._binaries = binaries
        self._pause_image = pause_image
        self._daemons: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}

    def run(self) -> None:
        """Run until a daemon dies."""
        self._isolate()
        pki = self._folder / "pki"
        self._start_api_server(pki)
        self._start("containerd", "--config", self._write("containerd.toml", self._containerd_config()))
        self._await("kube-apiserver", self._api_is_ready)
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self._folder}/controller-manager.conf",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki}/service-accounts.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--leader-elect=false",
        )
        self._start("kube-scheduler", f"--kubeconfig={self._folder}/scheduler.conf", "--leader-elect=false")
        self._await("containerd", self._instance.containerd_socket.exists)
        self._enforce_policies(pki)
        self._start(
            "kubelet",
            "--config",
            self._write("kubelet.json", json.dumps(self._kubelet_config())),
            f"--kubeconfig={self._folder}/node.conf",
            f"--hostname-override={NAME}",
            f"--root-dir={self._folder}/kubelet",
            f"--node-ip={self._address}",
            f"--cert-dir={self._folder}/kubelet/pki",
        )
        self._start("kube-proxy", "--config", self._write("kube-proxy.json", json.dumps(self._proxy_config())))
        self._watch()

    def _start_api_server(self, pki: Path) -> None:
        self._start(
            "etcd",
            "--data-dir",
            self._folder / "etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",  # a crash of the machine may lose the cluster; a crash of the process does not
        )
        self._start(
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            "--bind-address=0.0.0.0",
            "--secure-port=6443",
            f"--advertise-address={self._address}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--service-account-key-file={pki}/service-accounts.pub",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--token-auth-file={enforcement.token_file(self._folder)}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
        )

    def _enforce_policies(self, pki: Path) -> None:
        """Start the program that judges connections, or note why the kernel can't ask it."""
        if reason := enforcement.install(POD_NETWORK):
            self._write("unenforced", reason)
            return
        kubectl = [str(self._binaries / "kubectl"), f"--kubeconfig={self._folder}/admin.conf"]
        self._sh(*kubectl, "apply", "--server-side", "--force-conflicts", "-f", str(enforcement.MANIFEST))
        enforcement.write_account(self._folder, pki / "ca.crt")
        server = {"KUBERNETES_SERVICE_HOST": self._address, "KUBERNETES_SERVICE_PORT": "6443"}
        self._start(enforcement.PROGRAM, *enforcement.arguments(NAME), **server)

    def _isolate(self) -> None:
        """Give the node file systems for what daemons leave in fixed places, and its end of the network."""
        self._sh("mount", "--make-rshared", "/")
        for path in ("/run", "/var/log", "/var/lib/cni"):
            Path(path).mkdir(parents=True, exist_ok=True)
            self._sh("mount", "-t", "tmpfs", "tmpfs", path)
        self._sh("hostname", NAME)
        bridge = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
        for setting in (bridge, Path("/proc/sys/net/ipv4/ip_forward")):
            # Without the first, the answer to a pod that called through a Service would bypass the NAT.
            setting.write_text("1")

    def _start(self, name: str, *arguments: str | Path, **environment: str) -> None:
        log = (self._instance.logs / f"{name}.log").open("ab")
        path = f"{self._binaries}:/usr/sbin:/usr/bin:/sbin:/bin"
        process = subprocess.Popen(
            [self._binaries / name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": path, "HOME": str(self._folder), **environment},
        )
        self._daemons[process.pid] = (name, process)  # kept, because a dropped Popen would collect its process itself

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        limit = time.monotonic() + START_LIMIT_SECONDS
        while not ready():
            self._reap(os.WNOHANG)
            if time.monotonic() > limit:
                self._fail(name, f"was not ready within {START_LIMIT_SECONDS} s")
            time.sleep(0.1)

    def _api_is_ready(self) -> bool:
        context = ssl.create_default_context(cafile=self._folder / "pki" / "ca.crt")
        try:
            with urllib.request.urlopen("https://127.0.0.1:6443/readyz", timeout=2, context=context):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _watch(self) -> None:
        while True:
            self._reap(0)

    def _reap(self, options: int) -> None:
        """Collect ended processes, orphans of pods among them. A daemon's end is the node's."""
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._daemons:
                self._fail(self._daemons[pid][0], f"ended with status {os.waitstatus_to_exitcode(status)}")

    def _fail(self, name: str, what: str) -> None:
        last = (self._instance.logs / f"{name}.log").read_text(errors="replace").splitlines()[-10:]
        self._write("failure", "\n".join([f"{name} {what}; its last lines:", *last]) + "\n")
        sys.exit(1)

    def _write(self, name: str, content: str) -> Path:
        path = self._folder / name
        path.write_text(content)
        return path

    @staticmethod
    def _sh(*command: str) -> None:
        subprocess.run(command, check=True)

    def _containerd_config(self) -> str:
        cni = self._folder / "cni"
        (cni / "net.d").mkdir(parents=True, exist_ok=True)
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}]},
        }
        plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
        network = {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}
        (cni / "net.d" / "10-pods.conflist").write_text(json.dumps(network, indent=1))
        # restrict_oom_score_adj: a container host without CAP_SYS_RESOURCE could not start a single pod otherwise.
        return f"""\
version = 3
root = "{self._folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{self._instance.containerd_socket}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{self._pause_image}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{self._binaries}"]
  conf_dir = "{cni}/net.d"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = "{self._binaries}/runc"
    SystemdCgroup = false
"""

    def _kubelet_config(self) -> dict[str, object]:
        pki = self._folder / "pki"
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/node.crt",
            "tlsPrivateKeyFile": f"{pki}/node.key",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._instance.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": "",
            "containerRuntimeEndpoint": f"unix://{self._instance.containerd_socket}",
            "podLogsDir": f"{self._folder}/pod-logs",
            "volumePluginDir": f"{self._folder}/kubelet/plugins-exec",
            "imageGCHighThresholdPercent": 100,  # no registry would bring a collected image back
            "imageMinimumGCAge": "8760h",
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "maxPods": 200,
        }

    def _proxy_config(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": POD_NETWORK,
            "clientConnection": {"kubeconfig": f"{self._folder}/proxy.conf"},
            "hostnameOverride": NAME,
            "conntrack": {"maxPerCore": 0},  # this limit belongs to the host
        }


def main(arguments: Sequence[str]) -> None:
    """Run `python -m embedded.node INSTANCE BINARIES PAUSE_IMAGE` inside of the namespaces."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for `make up`, not for the cluster
    name, binaries, pause_image = arguments
    Node(Instance(name), Path(binaries), pause_image).run()


if __name__ == "__main__":
    main(sys.argv[1:])
