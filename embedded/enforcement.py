"""Enforce NetworkPolicies on the node with kube-network-policies, the Kubernetes project's own reference program.

The kernel hands the first packet of each connection between pods to the program, which answers whether the policies
allow it. While the program is not there, the kernel drops these packets, so nothing passes unjudged.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

from embedded.ranges import IPV6, Ranges

PROGRAM = "kube-network-policies"
MANIFEST = Path(__file__).parent / "manifests" / "network-policies.yaml"
_ACCOUNT = Path("/run/secrets/kubernetes.io/serviceaccount")  # where a client within a cluster finds its token
_QUEUE = "100"


def token_file(folder: Path) -> Path:
    """Return the file of static tokens for the API server. It has the program's token, made once."""
    path = folder / "tokens.csv"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"{secrets.token_hex(16)},{PROGRAM},{PROGRAM}\n")
    return path


def write_account(folder: Path, authority: Path) -> None:
    """Give the program the files that a pod would have. /run is the node's own, so the host doesn't see them."""
    _ACCOUNT.mkdir(parents=True)
    (_ACCOUNT / "token").write_text(token_file(folder).read_text().partition(",")[0])
    (_ACCOUNT / "ca.crt").write_bytes(authority.read_bytes())


def arguments(node: str) -> list[str]:
    """Return the program's command line."""
    # The fix reads DNS packets at a hook that this kernel may not offer to nftables.
    metrics = "--metrics-bind-address=127.0.0.1:9080"
    return [f"--hostname-override={node}", f"--nfqueue-id={_QUEUE}", "--netfilter-bug-1766-fix=false", metrics]


def install(ranges: Ranges) -> str:
    """Have the kernel ask the program about each new connection of pods, and return why it won't, or nothing.

    The program's own rules need a part of nftables that not every kernel has. These do the same: after a Service's
    address was translated, and before a pod's is.
    """
    table = [ranges.firewall, "-w", "-t", "mangle"]
    for rule in _rules(ranges):
        done = subprocess.run([*table, *rule], capture_output=True, text=True)
        if done.returncode:
            # A rule alone would drop what nobody reads.
            subprocess.run([*table, "-F", "POSTROUTING"], check=True)
            return done.stderr.strip()
    return ""


def _rules(ranges: Ranges) -> Iterator[list[str]]:
    chain = ["-A", "POSTROUTING"]
    yield [*chain, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"]
    yield [*chain, "-m", "owner", "--uid-owner", "0", "-j", "ACCEPT"]  # the kubelet's probes
    if ranges is IPV6:  # neighbours find each other with it, and policies are about TCP, UDP and SCTP
        yield [*chain, "-p", "ipv6-icmp", "-j", "ACCEPT"]
    for end in ("-s", "-d"):
        yield [*chain, end, ranges.pods, "-j", "NFQUEUE", "--queue-num", _QUEUE]
