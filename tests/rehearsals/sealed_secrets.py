"""Run the real Sealed Secrets controller in the cluster, and seal what a team would have in its repository."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from embedded import imagebuild
from embedded.programs import Programs
from tests.e2e.views import Kubectl
from tests.e2e.waits import ROLLOUT, eventually, kubectl_timeout

MANIFESTS = Path(__file__).with_name("sealed-secrets.yaml")
NAMESPACE = "sealed-secrets"
KEY = "sealedsecrets.bitnami.com/sealed-secrets-key=active"


def install(kubectl: Kubectl, programs: Programs) -> None:
    """Create the kind and the controller, and wait for its key. The binary comes from the node: it needs no image."""
    for kind in sorted(programs.path("sealed-secrets-crds").glob("*.yaml")):
        kubectl("apply", "--server-side", "-f", str(kind))
    values = {"image": imagebuild.reference("tools"), "programs": str(programs.folder("sealed-secrets"))}
    kubectl("apply", "--server-side", "-f", "-", stdin=Template(MANIFESTS.read_text()).substitute(values))
    kubectl("rollout", "status", "deployment/sealed-secrets-controller", "-n", NAMESPACE, kubectl_timeout(ROLLOUT))


def seal(kubectl: Kubectl, programs: Programs, certificate: Path, secret: Mapping[str, Any]) -> None:
    """Apply a Secret the way a repository has it."""
    kubectl("apply", "-f", "-", stdin=sealed(programs, certificate, secret))


def sealed(programs: Programs, certificate: Path, secret: Mapping[str, Any]) -> str:
    """Return a Secret the way a repository has it: the manifest of a SealedSecret, encrypted by kubeseal."""
    kubeseal = [str(programs.path("kubeseal")), "--format=json", f"--cert={certificate}"]
    done = subprocess.run(kubeseal, input=json.dumps(secret), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def certificate_of(kubectl: Kubectl) -> bytes:
    """Return the certificate that kubeseal encrypts for."""

    active = ("get", "secret", "-n", NAMESPACE, "-l", KEY, "-o", r"jsonpath={.items[0].data.tls\.crt}")
    return base64.b64decode(eventually(lambda: kubectl(*active, check=False) or None, "the controller has its key"))
