"""Run BIND beside the cluster: a name server that takes signed updates (RFC 2136), as issuers with DNS-01 make them."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.instance import Instance
from embedded.rootfs import SUITE, extraction

PORT = 8054
KEY, ALGORITHM = "acme", "hmac-sha256"
ZONE = "infisical.test"


@dataclass(frozen=True)
class NameServer:
    """Where it answers, and the secret of the one key that may write TXT records."""

    address: str
    secret: str


@contextmanager
def running(instance: Instance, folder: Path) -> Iterator[NameServer]:
    """Answer for the site's zone, whose names all lead to the cluster."""
    root = folder / "bind"  # Debian's package and its libraries
    subprocess.run(extraction(root, SUITE, ["bind9"]), check=True, capture_output=True)
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    (root / "zone").mkdir()
    names = f"ns A {instance.host_address}\n* A {instance.node_address}\n"
    (root / "zone" / "db").write_text(f"$TTL 1\n@ SOA ns hostmaster 1 60 60 60 1\n@ NS ns\n{names}")
    configuration = root / "named.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(f"{instance.host_address}", secret))
    log = folder / "bind.log"
    with log.open("wb") as out:
        command = ["chroot", str(root), "/usr/sbin/named", "-g", "-c", "/named.conf"]
        server = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            yield NameServer(f"{instance.host_address}:{PORT}", secret)
            assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        finally:
            server.terminate()
            server.wait()


def _configuration(address: str, secret: str) -> str:
    return f"""\
key "{KEY}" {{ algorithm {ALGORITHM}; secret "{secret}"; }};
options {{
  directory "/zone"; listen-on port {PORT} {{ {address}; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; dnssec-validation no; recursion no; allow-query {{ any; }};
}};
controls {{ }};
zone "{ZONE}" {{ type primary; file "db"; update-policy {{ grant {KEY} zonesub TXT; }}; }};
"""
