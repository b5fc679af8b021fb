"""The replaced deployment is adopted under writes: nothing is lost, and only the pods of the plan are new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from tests.e2e.steps import assert_healthy, assert_nothing_to_do, login
from tests.e2e.views import Kubectl, Site
from tests.rehearsals.faults import Platform
from tests.rehearsals.replaced import NAMESPACES, passwords, replaced
from tests.rehearsals.writers import Writers


def servers(kubectl: Kubectl) -> dict[str, int]:
    """The pods of the databases, by uid, with their restarts."""
    found: dict[str, int] = {}
    for namespace in NAMESPACES[1:]:
        for pod in json.loads(kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]:
            if not any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", [])):
                counts = [status["restartCount"] for status in pod["status"].get("containerStatuses", [])]
                found[pod["metadata"]["uid"]] = sum(counts)
    return found


def test_a_running_deployment_is_adopted(
    platform: Platform, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, kubectl = platform.stack, platform.kubectl
    replaced(stack, kubectl)
    with pytest.raises(EmbeddedError, match="ENCRYPTION_KEY of infisical-secrets is not the stack's"):
        stack.operate("adopt", "--take", quiet=True)
    file = tmp_path / "secret.json"
    file.write_text(passwords(kubectl))
    stack.operate("import-secrets", str(file), quiet=True)
    file.unlink()
    before, secret = servers(kubectl), kubectl.secret("infisical", "infisical-secrets")

    writers = Writers(site, login(kubectl))
    with writers.at_work():
        stack.operate("adopt", "--take")
        stack.run("up", "--yes", "--skip-preview", quiet=True)
        stack.repair(quiet=True)
    assert writers.lost() == []
    assert servers(kubectl) == before
    assert kubectl.secret("infisical", "infisical-secrets") == secret
    assert "reporting" in kubectl("get", "postgresql", "-n", NAMESPACES[1], "-o", "json")
    assert_healthy(site)
    assert_nothing_to_do(stack)
