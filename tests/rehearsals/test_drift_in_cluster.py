"""The CronJob of ci/drift-cronjob.yaml sees drift with the rights that it has, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded import imagebuild
from embedded.cluster import Cluster
from embedded.stack import PROJECT, Stack
from tests.e2e.views import Kubectl
from tests.e2e.waits import JOB, eventually

NAMESPACE = "infisical-delivery"
CONTEXT = "infisical-embedded"


@pytest.fixture
def scheduled(cluster: Cluster, kubectl: Kubectl, stack: Stack) -> None:
    """Bring the platform up, and apply the manifests. No registry here has the image: programs come from the host."""
    assert cluster
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    documents = [*yaml.safe_load_all((PROJECT / "ci/drift-cronjob.yaml").read_text())]
    for document in documents:
        if document["kind"] == "ConfigMap":
            document["data"]["config"] = document["data"]["config"].replace("prod", CONTEXT)
        if document["kind"] == "CronJob":
            _from_the_host(document["spec"]["jobTemplate"]["spec"]["template"]["spec"], stack)
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))


def _from_the_host(pod: dict[str, Any], stack: Stack) -> None:
    folders = [str(PROJECT), str(Path.home())]
    [container] = pod["containers"]
    del pod["initContainers"], pod["securityContext"]
    environment = stack.environment() | {
        "KUBECONFIG": "/kubeconfig/config",
        "HOME": str(Path.home()),
        "DELIVER_CONFIG_FILE": str(stack.configuration),
    }
    container |= {
        "image": imagebuild.reference("tools"),
        "command": ["ci/deliver.sh", "drift", "dev"],
        "workingDir": str(PROJECT),
        "env": [{"name": name, "value": value} for name, value in environment.items()],
    }
    container["volumeMounts"] = [
        *container["volumeMounts"],
        *({"name": f"host-{number}", "mountPath": folder} for number, folder in enumerate(folders)),
    ]
    pod["volumes"] += [
        {"name": f"host-{number}", "hostPath": {"path": folder}} for number, folder in enumerate(folders)
    ]


@pytest.mark.usefixtures("scheduled")
def test_drift_is_seen_from_inside_of_the_cluster(kubectl: Kubectl, stack: Stack) -> None:
    ended, said = run(kubectl, "before")
    assert ended == "Complete", said
    assert "`dev` has no drift" in said
    kubectl("scale", "deployment/infisical", "-n", "infisical", "--replicas=3")
    ended, said = run(kubectl, "after")
    assert ended == "Failed"
    assert "Deployment infisical/infisical" in said
    assert "spec.replicas" in said
    stack.operate("heal", "--yes", quiet=True)
    assert run(kubectl, "healed")[0] == "Complete"
    account = f"--as=system:serviceaccount:{NAMESPACE}:drift"
    assert kubectl("auth", "can-i", "patch", "secrets", "-n", "infisical", account, check=False).strip() == "no"


def run(kubectl: Kubectl, name: str) -> tuple[str, str]:
    """Return how a Job of the schedule ends, and what it prints."""
    kubectl("create", "job", name, "--from=cronjob/drift", "-n", NAMESPACE)

    def ended() -> str:
        job = json.loads(kubectl("get", "job", name, "-n", NAMESPACE, "-o", "json"))
        conditions = job.get("status", {}).get("conditions", [])
        return next(
            (c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), ""
        )

    how = eventually(lambda: ended() or None, f"Job {name} ends", JOB)
    return how, kubectl("logs", f"job/{name}", "-n", NAMESPACE).strip()
