"""Run Pebble, Let's Encrypt's own test server, and the DNS that it believes, on the host beside the cluster."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.instance import Instance
from embedded.programs import Programs
from tests.e2e.views import Kubectl
from tests.e2e.waits import REQUEST, eventually
from tests.rehearsals import name_server
from tests.rehearsals.name_server import NameServer

_DNS_PORT, _DNS_CONTROL_PORT = 8053, 8055
_NAMESPACE = "cert-manager"
BEHIND_GATEWAY = "pebble-gateway"  # the ClusterIssuer whose challenges a listener of the Gateway answers
PLAIN_LISTENER = "plain"
BY_DNS, BY_A_STRANGE_KEY = "pebble-dns", "pebble-dns-no"  # those that prove names by DNS, with the right key or none
_INGRESS = {"ingress": {"ingressClassName": "nginx"}}
_PARENT = {"kind": "Gateway", "name": "public", "namespace": "ingress", "sectionName": PLAIN_LISTENER}
_GATEWAY = {"gatewayHTTPRoute": {"parentRefs": [_PARENT]}}
_HURRY = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}  # by default it sleeps and refuses at random


@dataclass(frozen=True)
class Acme:
    """Pebbles by the name of their ClusterIssuer, and their DNS."""

    instance: Instance
    folder: Path
    ports: dict[str, int]

    def resolves_to(self, address: str) -> None:
        """Have every name lead to an address from now on."""
        body = json.dumps({"ip": address}).encode()
        url = f"http://{self.instance.host_address}:{_DNS_CONTROL_PORT}/set-default-ipv4"
        urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=REQUEST).read()

    def root(self, name: str) -> str:
        """Return the certificate of the authority that one of them has made for itself."""
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        url = f"https://{self.instance.host_address}:{self.ports[name] + 1000}/roots/0"
        return urllib.request.urlopen(url, timeout=REQUEST, context=context).read().decode()


@contextmanager
def running(instance: Instance, programs: Programs, kubectl: Kubectl, folder: Path) -> Iterator[Acme]:
    """Start the servers, and make ClusterIssuers for them. The last one knows that it must refuse the host."""
    ports = {"pebble-staging": 14100, "pebble": 14200, "pebble-no": 14300, BY_DNS: 14400}
    acme = Acme(instance=instance, folder=folder, ports=ports)
    _certificate(instance, kubectl, folder)
    with ExitStack() as stack:
        names = stack.enter_context(name_server.running(instance, folder))

        def start(name: str, *command: str) -> None:
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [str(programs.path(name.split("@")[0])), *command], cwd=folder, stdout=log, stderr=log, env=_HURRY
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)

        address = instance.host_address
        servers = ("-http01", "-https01", "-tlsalpn01", "-doh")
        none = [part for server in servers for part in (server, "")]
        start(
            "pebble-challtestsrv",
            *none,
            *("-dnsserver", f"{address}:{_DNS_PORT}"),
            *("-management", f"{address}:{_DNS_CONTROL_PORT}"),
            *("-defaultIPv4", str(instance.node_address), "-defaultIPv6", ""),
        )
        for name, port in acme.ports.items():
            config = {
                "listenAddress": f"{address}:{port}",
                "managementListenAddress": f"{address}:{port + 1000}",
                "certificate": "tls.crt",
                "privateKey": "tls.key",
                "httpPort": 80,
                "tlsPort": 443,
                "domainBlocklist": ["secrets.infisical.test"] if name == "pebble-no" else [],
            }
            (folder / f"{name}.json").write_text(json.dumps({"pebble": config}))
            resolver = names.address if name == BY_DNS else f"{address}:{_DNS_PORT}"
            start(f"pebble@{name}", "-config", f"{name}.json", "-dnsserver", resolver)
            for issuer, solver in _solvers(name, names).items():
                made = _issuer(issuer, f"https://{address}:{port}/dir", folder, solver)
                kubectl("apply", "-f", "-", stdin=json.dumps(made))
        _keys(kubectl, names)
        _looks_there(kubectl, programs, instance.node.name, f"{address}:{_DNS_PORT}", names.address)
        yield acme


def _certificate(instance: Instance, kubectl: Kubectl, folder: Path) -> None:
    """Have the cluster's own authority issue the certificate of the servers' API."""
    spec = {
        "secretName": "pebble-tls",
        "ipAddresses": [str(instance.host_address)],
        "issuerRef": {"kind": "ClusterIssuer", "name": "embedded-ca"},
    }
    metadata = {"name": "pebble-tls", "namespace": _NAMESPACE}
    certificate = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata, "spec": spec}
    kubectl("apply", "-f", "-", stdin=json.dumps(certificate))
    kubectl("wait", "-n", _NAMESPACE, "certificate/pebble-tls", "--for=condition=Ready", "--timeout=60s")
    for key, value in kubectl.secret(_NAMESPACE, "pebble-tls").items():
        (folder / key).write_bytes(base64.b64decode(value))


def _issuer(name: str, server: str, folder: Path, solver: Mapping[str, object]) -> dict[str, object]:
    acme = {
        "server": server,
        "caBundle": base64.b64encode((folder / "ca.crt").read_bytes()).decode(),
        "email": "ops@example.org",
        "privateKeySecretRef": {"name": f"{name}-account"},
        "solvers": [solver],
    }
    metadata = {"name": name}
    return {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": metadata, "spec": {"acme": acme}}


def _solvers(server: str, names: NameServer) -> Mapping[str, Mapping[str, object]]:
    """Return the solvers of a server's ClusterIssuers."""
    if server == BY_DNS:
        return {issuer: _by_dns(issuer, names) for issuer in (BY_DNS, BY_A_STRANGE_KEY)}
    gateway = {BEHIND_GATEWAY: {"http01": _GATEWAY}} if server == "pebble" else {}
    return {server: {"http01": _INGRESS}, **gateway}


def _by_dns(issuer: str, names: NameServer) -> Mapping[str, object]:
    key = {"tsigKeyName": name_server.KEY, "tsigAlgorithm": "HMACSHA256"}
    secret = {"tsigSecretSecretRef": {"name": issuer, "key": "secret"}}
    return {"dns01": {"rfc2136": {"nameserver": names.address, **key, **secret}}}


def _keys(kubectl: Kubectl, names: NameServer) -> None:
    """Give one issuer the key that the name server knows, and the other one a strange key."""
    for issuer, secret in ((BY_DNS, names.secret), (BY_A_STRANGE_KEY, base64.b64encode(b"strange").decode())):
        metadata = {"name": issuer, "namespace": _NAMESPACE}
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"secret": secret}}
        kubectl("apply", "-f", "-", stdin=json.dumps(made))


def _looks_there(kubectl: Kubectl, programs: Programs, node: str, resolver: str, names: str) -> None:
    """Have a cert-manager that knows ACME and Gateway API check a challenge by the DNS that the server will ask.

    Its program comes from the host, because the image that `make up` builds has only what it needs.
    """
    name = "certmanager-acme"
    pod = "/spec/template/spec"
    arguments = f"{pod}/containers/0/args/-"
    values: list[tuple[str, object]] = [
        (arguments, f"--acme-http01-solver-nameservers={resolver}"),
        (arguments, f"--dns01-recursive-nameservers={names}"),
        (arguments, "--dns01-recursive-nameservers-only"),
        (arguments, "--enable-gateway-api"),
        (f"{pod}/containers/0/command", [f"/programs/{name}"]),
        (f"{pod}/containers/0/volumeMounts", [{"name": "programs", "mountPath": "/programs"}]),
        (f"{pod}/nodeSelector", {"kubernetes.io/hostname": node}),  # the host has no way to the second one's pods
        (f"{pod}/volumes", [{"name": "programs", "hostPath": {"path": str(programs.path(name).parent)}}]),
    ]
    patch = [{"op": "add", "path": path, "value": value} for path, value in values]
    kubectl("patch", "deployment", "cert-manager", "-n", _NAMESPACE, "--type=json", "-p", json.dumps(patch))
    kubectl("rollout", "status", "deployment/cert-manager", "-n", _NAMESPACE, "--timeout=120s")
    accepted = ("get", "clusterissuers", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}")
    eventually(lambda: kubectl(*accepted, check=False).split() == ["True"] * 8, "every ClusterIssuer has its account")
