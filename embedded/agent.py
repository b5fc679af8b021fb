"""Run what every node has: a container runtime, a kubelet and kube-proxy, in file systems and networks of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from embedded import enforcement, hostile, registry
from embedded.daemons import Daemons
from embedded.instance import Instance, NodePlace


class Agent:
    """The part of a node that runs pods."""

    def __init__(self, instance: Instance, place: NodePlace, binaries: Path, pause_image: str) -> None:
        self._folder = instance.folder  # certificates and kubeconfigs
        self._api_server = str(instance.node_address)
        self._ranges = instance.ranges
        self._domain = instance.domain
        self._hostile = instance.hostile
        self._tainted = instance.hostile and place == instance.second_node
        self._place = place
        self._binaries = binaries
        self._pause_image = pause_image
        self.daemons = Daemons(place, binaries)

    def isolate(self) -> None:
        """Give the node file systems for what daemons leave in fixed places, and its end of the network."""
        _run("mount", "--make-rshared", "/")
        for path in ("/run", "/var/log", "/var/lib/cni"):
            Path(path).mkdir(parents=True, exist_ok=True)
            _run("mount", "-t", "tmpfs", "tmpfs", path)
        _run("hostname", self._place.name)
        if self._hostile:
            names = f"{Path('/etc/hosts').read_text()}\n{self._api_server} {registry.HOST}\n"
            _run("mount", "--bind", str(self.write("hosts", names)), "/etc/hosts")
        for setting in self._ranges.forwarding:
            Path("/proc/sys/net", setting).write_text("1")
        # The bridge plugin's own rule would hide a pod's address from the other node, and policies would misjudge it.
        pods = self._ranges.pods
        outwards = ("-s", pods, "!", "-d", pods, "-j", "MASQUERADE")
        _run(self._ranges.firewall, "-t", "nat", "-A", "POSTROUTING", *outwards)

    def start_runtime(self) -> None:
        """Start containerd."""
        self.daemons.start("containerd", "--config", self.write("containerd.toml", self._containerd_config()))

    def enforce_policies(self) -> None:
        """Start the program that judges connections, or note why the kernel can't ask it."""
        if reason := enforcement.install(self._ranges):
            self.write("unenforced", reason)
            return
        kubectl = [str(self._binaries / "kubectl"), f"--kubeconfig={self._folder}/admin.conf"]
        _run(*kubectl, "apply", "--server-side", "--force-conflicts", "-f", str(enforcement.MANIFEST))
        enforcement.write_account(self._folder, self._folder / "pki" / "ca.crt")
        server = {"KUBERNETES_SERVICE_HOST": self._api_server, "KUBERNETES_SERVICE_PORT": "6443"}
        self.daemons.start(enforcement.PROGRAM, *enforcement.arguments(self._place.name), **server)

    def start_kubelet(self) -> None:
        """Start the kubelet and kube-proxy once containerd listens."""
        self.daemons.wait("containerd", self._place.containerd_socket.exists)
        self.daemons.start(
            "kubelet",
            "--config",
            self.write("kubelet.json", json.dumps(self._kubelet_config())),
            f"--kubeconfig={self._folder}/{self._place.name}.conf",
            f"--hostname-override={self._place.name}",
            f"--root-dir={self._place.folder}/kubelet",
            f"--node-ip={self._place.address}",
            f"--cert-dir={self._place.folder}/kubelet/pki",
            *([f"--node-labels={hostile.LABEL}"] if self._tainted else []),
        )
        self.daemons.start("kube-proxy", "--config", self.write("kube-proxy.json", json.dumps(self._proxy_config())))

    def write(self, name: str, content: str) -> Path:
        """Write a file into the node's folder and return its path."""
        path = self._place.folder / name
        path.write_text(content)
        return path

    def _containerd_config(self) -> str:
        cni = self._place.folder / "cni"
        (cni / "net.d").mkdir(parents=True, exist_ok=True)
        subnet = {"subnet": self._place.pods}
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[subnet]],
                "routes": [{"dst": self._ranges.anywhere}],
            },
        }
        plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
        network = {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}
        (cni / "net.d" / "10-pods.conflist").write_text(json.dumps(network, indent=1))
        # restrict_oom_score_adj: a container host without CAP_SYS_RESOURCE could not start a single pod otherwise.
        return f"""\
version = 3
root = "{self._place.folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{self._place.containerd_socket}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{self._pause_image}"
{self._registries()}[plugins.'io.containerd.cri.v1.runtime']
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

    def _registries(self) -> str:
        if not self._hostile:
            return ""
        path = registry.trusted(self._place.folder / "registries", self._folder / "pki" / "ca.crt")
        return f"[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = \"{path}\"\n"

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
            "tlsCertFile": f"{pki}/{self._place.name}.crt",
            "tlsPrivateKeyFile": f"{pki}/{self._place.name}.key",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._place.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "address": self._ranges.anywhere.partition("/")[0],
            "clusterDNS": [self._ranges.dns],
            "clusterDomain": self._domain,
            "resolvConf": "",
            "containerRuntimeEndpoint": f"unix://{self._place.containerd_socket}",
            "podLogsDir": f"{self._place.folder}/pod-logs",
            "volumePluginDir": f"{self._place.folder}/kubelet/plugins-exec",
            "imageGCHighThresholdPercent": 100,  # no registry would bring a collected image back
            "imageMinimumGCAge": "8760h",
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "maxPods": 200,
            **(hostile.kubelet(tainted=self._tainted) if self._hostile else {}),
        }

    def _proxy_config(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": self._ranges.pods,
            "clientConnection": {"kubeconfig": f"{self._folder}/proxy.conf"},
            "hostnameOverride": self._place.name,
            "conntrack": {"maxPerCore": 0},  # this limit belongs to the host
        }


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
