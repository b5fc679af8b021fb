"""Make a cluster that asks much of pods and namespaces, as strict administrators do (`make up CLUSTER=hostile`).

Pods run on the second node alone, which is tainted. Pod Security is `restricted` where a namespace says nothing. Each
new namespace gets a LimitRange, a quota and a policy that closes it: `main` does what a policy engine that generates
objects would do. Images are private: embedded/registry.py. There are no operators, the domain is a different one, and
the ingress controller publishes no address.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DOMAIN = "corp.internal"
TAINT = {"key": "dedicated", "value": "secrets", "effect": "NoSchedule"}
LABEL = "pool=secrets"
TENANT = Path(__file__).parent / "manifests" / "hostile" / "tenant.yaml"
# Namespaces of the cluster itself, whose pods need more.
OWN = ("kube-system", "kube-public", "kube-node-lease", "ingress", "local-path-storage")
_PUBLISHES = ("publishservice", "statusaddress")
_EACH = 'jsonpath={.metadata.name} {.status.phase}{"\\n"}'


def admission() -> dict[str, Any]:
    """Return the API server's admission configuration."""
    pod_security = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "restricted", "enforce-version": "latest"},
        "exemptions": {"namespaces": list(OWN)},
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "PodSecurity", "configuration": pod_security}],
    }


def kubelet(*, tainted: bool) -> dict[str, Any]:
    """Return what such a cluster adds to a kubelet's configuration.

    An image that a pod has pulled with a log-in is not given to one without: the kubelet remembers images by digest.
    Those of the cluster's own pods are the same, imported by a name that no registry has.
    """
    pulls = {
        "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
        "preloadedImagesVerificationAllowlist": ["embedded.local/*"],
    }
    return {**pulls, **({"registerWithTaints": [TAINT]} if tainted else {})}


def unpublished(manifest: str) -> str:
    """Return the ingress controller's manifest without the arguments that have it publish an address."""
    return "".join(line for line in manifest.splitlines(True) if not any(word in line for word in _PUBLISHES))


def equip(kubectl: Sequence[str]) -> None:
    """Apply what is asked of tenants to each namespace that is there or comes, until the API server ends the watch."""
    listing = [*kubectl, "get", "namespaces", "--watch", "-o", _EACH]
    with subprocess.Popen(listing, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout
        for name, phase in map(str.split, watch.stdout):
            if phase == "Active" and name not in OWN:
                # It may fail: the namespace can be gone by now.
                subprocess.run([*kubectl, "apply", "--server-side", "-n", name, "-f", str(TENANT)])


def main(kubectl: str, kubeconfig: str) -> None:
    """Run `python -m embedded.hostile KUBECTL KUBECONFIG` and equip namespaces until it is ended."""
    while True:
        equip([kubectl, f"--kubeconfig={kubeconfig}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
