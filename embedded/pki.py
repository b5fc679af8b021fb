"""Make the cluster's own certificates and kubeconfigs, with one authority and a key pair for each component."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from embedded.ranges import url_host

CONTEXT = "infisical-embedded"
_LIFETIME = datetime.timedelta(days=365)


def create(folder: Path, service: str, nodes: Mapping[str, str], servers: Mapping[str, str] | None = None) -> None:
    """Write keys, certificates and a kubeconfig for each client into `folder`, unless they are there.

    `service` is the address of the API server's Service. `nodes` are names with addresses. The first has the control
    plane. No key of the authority is kept, so a node that may join later is among them. `servers` are more files with
    the DNS name that each certificate is for.
    """
    done = folder / "pki" / "complete"
    if done.exists():
        return
    pki = folder / "pki"
    pki.mkdir(parents=True, exist_ok=True)
    authority = _Authority(pki)

    hosts = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    control_plane = next(iter(nodes.values()))
    addresses = ["127.0.0.1", service, control_plane]
    authority.issue("apiserver", "kube-apiserver", sans=[*hosts, *addresses])
    authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
    for name, address in nodes.items():
        authority.issue(name, f"system:node:{name}", "system:nodes", sans=[name, "127.0.0.1", address])
    for name, host in (servers or {}).items():
        authority.issue(name, host, sans=[host])
    authority.issue("admin", "admin", "system:masters")
    authority.issue("controller-manager", "system:kube-controller-manager")
    authority.issue("scheduler", "system:kube-scheduler")
    authority.issue("proxy", "system:kube-proxy")
    for client in ("admin", "controller-manager", "scheduler", "proxy", *nodes):
        _write(folder / f"{client}.conf", _kubeconfig(pki, client, f"https://{url_host(control_plane)}:6443"))

    key = ec.generate_private_key(ec.SECP256R1())
    _write(pki / "service-accounts.key", _pem(key))
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    _write(pki / "service-accounts.pub", key.public_key().public_bytes(serialization.Encoding.PEM, public))
    done.touch()


class _Authority:
    def __init__(self, pki: Path) -> None:
        self._pki = pki
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("infisical-embedded-cluster")
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write(pki / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, file: str, common_name: str, organisation: str = "", sans: Sequence[str] = ()) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = _builder(_name(common_name, organisation), self._name, key.public_key()).add_extension(usages, False)
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(san) for san in sans]), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(self._pki / f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        _write(self._pki / f"{file}.key", _pem(key))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _name(common_name: str, organisation: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain)


def _kubeconfig(pki: Path, client: str, server: str) -> bytes:
    def data(file: str) -> str:
        return b64encode((pki / file).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{client}.crt"), "client-key-data": data(f"{client}.key")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": client, "user": user}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": client}}],
            "current-context": CONTEXT,
        },
        indent=1,
    ).encode()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
