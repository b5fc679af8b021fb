"""See that a deployment that was adopted lives on: a password, an image, and the end."""

from __future__ import annotations

import json
import shutil
import subprocess

from embedded.instance import Instance
from embedded.stack import Stack
from tests.e2e.steps import assert_healthy, assert_nothing_to_do
from tests.e2e.views import Kubectl, Site
from tests.rehearsals.replaced import NAMESPACES

TAKEN = "adopted-dev-*.json"  # what `make adopt` writes
IMAGE = "embedded.local/infisical:v0.165.8"
NEWER = "embedded.local/infisical:v0.165.9"  # the same image under one more name


def servers(kubectl: Kubectl, *namespaces: str, selector: str = "") -> dict[str, int]:
    """The pods that are to stay, by uid, with their restarts. Default: those of both databases."""
    found: dict[str, int] = {}
    for namespace in namespaces or NAMESPACES[1:]:
        for pod in json.loads(kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json"))["items"]:
            if not any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", [])):
                counts = [status["restartCount"] for status in pod["status"].get("containerStatuses", [])]
                found[pod["metadata"]["uid"]] = sum(counts)
    return found


def lives_on(stack: Stack, kubectl: Kubectl, instance: Instance, site: Site, deployment: str) -> None:
    """Change a password and an image, and run `destroy` on what another tool had made."""
    stack.run("config", "set", "--secret", "infisical-platform:databasePassword", "throwAwayAdopted1", quiet=True)
    for node in (instance.node, instance.second_node):
        ctr = [str(kubectl.programs.path("ctr")), "-a", str(node.containerd_socket), "-n", "k8s.io", "images", "tag"]
        subprocess.run([*ctr, "--force", IMAGE, NEWER], check=True, capture_output=True)
    stack.run("config", "set", "--path", "infisical-platform:infisical.image", NEWER, quiet=True)
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deployment", deployment, "-n", NAMESPACES[0], "-o", image) == NEWER
    assert_healthy(site)
    assert_nothing_to_do(stack)

    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    gone = [kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name") for name in NAMESPACES]
    assert gone == [""] * 3


def begin_again(stack: Stack) -> None:
    """Leave nothing of what other rehearsals have deployed, and a stack file without their keys."""
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    shutil.rmtree(stack.configuration.parent / "state")
    stack.configuration.unlink()
    stack.init()
