"""What Kubernetes' Pod Security Standards ask of a pod at level "restricted", which includes "baseline".

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, as of 1.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = ("RuntimeDefault", "Localhost")


def refusals(template: Json) -> list[str]:
    """Why a pod of this template would not be admitted: the field, and what is asked of it."""
    pod: Json = template["spec"]
    return [
        *_metadata(template.get("metadata", {})),
        *_pod(pod),
        *(r for c in _containers(pod) for r in _container(*c, pod)),
    ]


def _containers(pod: Json) -> Iterator[tuple[str, Json]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(pod.get(kind) or []):
            yield f"{kind}[{index}]", container


def _metadata(metadata: Json) -> Iterator[str]:
    for name, value in (metadata.get("annotations") or {}).items():
        if name.startswith("container.apparmor.security.beta.kubernetes.io/") and value == "unconfined":
            yield f"{name}: runtime/default or localhost/…"


def _pod(pod: Json) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field}: false"
    for index, volume in enumerate(pod.get("volumes") or []):
        if kinds := volume.keys() - {"name"} - VOLUMES:
            yield f"volumes[{index}]: not {', '.join(sorted(kinds))}"
    for sysctl in (pod.get("securityContext") or {}).get("sysctls") or []:
        if sysctl["name"] not in SYSCTLS:
            yield f"securityContext.sysctls: not {sysctl['name']}"
    yield from _context("securityContext", pod.get("securityContext") or {})


def _context(where: str, context: Json) -> Iterator[str]:
    """What is asked of a pod's and of a container's alike."""
    if context.get("runAsUser") == 0:
        yield f"{where}.runAsUser: not 0"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield f"{where}.appArmorProfile: not Unconfined"
    options: Json = context.get("seLinuxOptions") or {}
    if options.get("type", "") not in SELINUX or options.get("user") or options.get("role"):
        yield f"{where}.seLinuxOptions: a container's type, and neither user nor role"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{where}.windowsOptions.hostProcess: false"


def _container(where: str, container: Json, pod: Json) -> Iterator[str]:
    own: Json = container.get("securityContext") or {}
    # A container's own setting wins over the pod's, also when it is the worse one.
    context: Json = {**(pod.get("securityContext") or {}), **own}
    yield from _context(f"{where}.securityContext", own)
    if own.get("privileged"):
        yield f"{where}.securityContext.privileged: false"
    if own.get("procMount", "Default") != "Default":
        yield f"{where}.securityContext.procMount: Default"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{where}.securityContext.allowPrivilegeEscalation: false"
    if context.get("runAsNonRoot") is not True:
        yield f"{where}.securityContext.runAsNonRoot: true"
    if (context.get("seccompProfile") or {}).get("type") not in PROFILES:
        yield f"{where}.securityContext.seccompProfile.type: {' or '.join(PROFILES)}"
    capabilities: Json = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{where}.securityContext.capabilities.drop: ALL"
    if more := set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{where}.securityContext.capabilities.add: not {', '.join(sorted(more))}"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield f"{where}.ports: no hostPort"
    handlers = [container.get(probe) or {} for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [handler or {} for handler in (container.get("lifecycle") or {}).values() if isinstance(handler, dict)]
    if any((handler.get(kind) or {}).get("host") for handler in handlers for kind in ("httpGet", "tcpSocket")):
        yield f"{where}: no host in a probe or a hook"
