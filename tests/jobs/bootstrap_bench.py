"""An instance, a namespace with the empty Secret, and the Job that gives it its first organisation."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from fake_instance import FakeInstance
from job_cluster import Cluster

ADMIN, PASSWORD, NAME = "ops@example.org", "the-password-of-the-admin", "dog"
SECRET = "infisical-bootstrap"
STACK = "11111111-2222-3333-4444-555555555555"


class Bench:
    """An instance, a namespace with the empty Secret, and the Job."""

    def __init__(self, fake: FakeInstance, cluster: Cluster, start_job: Callable[..., Any]) -> None:
        self.fake, self.cluster, self._start = fake, cluster, start_job
        self.namespace = cluster.namespace("bootstrap")
        cluster.secret(self.namespace, SECRET, {})
        cluster.grant(self.namespace, [("", "secrets", ["get", "patch"], [SECRET])])

    def start(self, token: str = "", stack: str = STACK, settle: float = 0, **changes: object) -> Any:
        config = {
            "url": self.fake.url,
            "namespace": self.namespace,
            "secret": SECRET,
            "account": "infisical-provisioner",
            "organization": NAME,
            "admin": ADMIN,
            "machine_auth": "kubernetes",
            "mode": "adopt" if token else "create",
            "runbook": "docs/runbooks/bootstrap.md",
            "settle_seconds": settle,
            "deadline_seconds": 20,
        } | changes
        given = {"ORGANIZATION_TOKEN": token} if token else {}
        environment = {"ADMIN_PASSWORD": PASSWORD, "STACK_ID": stack, **given, **self.cluster.environment}
        return self._start("bootstrap.py", config, **environment)

    def run(self, **changes: Any) -> str:
        """Run the Job to a good end, and return its last line."""
        outcome = self.start(**changes).outcome()
        assert outcome.status == 0, outcome.output
        assert PASSWORD not in outcome.output
        return outcome.last_line

    def fails(self, **changes: Any) -> str:
        """Run the Job to a bad end, and return its last line."""
        outcome = self.start(**changes).outcome()
        assert outcome.status == 1, outcome.output
        assert PASSWORD not in outcome.output
        return outcome.last_line

    def kept(self) -> dict[str, str]:
        found = self.cluster.call("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{SECRET}")
        return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}

    def lose(self) -> None:
        """Empty the Secret."""
        self._change({"data": dict.fromkeys(self.kept())})

    def keep(self, **texts: str) -> None:
        """Have the Secret hold what an earlier run has written."""
        self._change({"stringData": texts})

    def _change(self, change: dict[str, Any]) -> None:
        self.cluster.call("PATCH", f"/api/v1/namespaces/{self.namespace}/secrets/{SECRET}", change)

    @property
    def organization(self) -> dict[str, Any]:
        assert self.fake.state.organization
        return self.fake.state.organization

    @property
    def default_role(self) -> str:
        return self.organization["defaultMembershipRole"]

    def is_done(self) -> None:
        """Assert what holds at the end of every good run."""
        state, kept = self.fake.state, self.kept()
        assert state.initialized
        assert not state.allow_sign_up
        assert self.fake.eternal_tokens == 0
        assert not state.instance_admins
        assert "token" not in kept
        provisioners = [i for i, each in state.identities.items() if each["name"].startswith("infisical-provisioner")]
        assert provisioners == [kept["identityId"]]
        assert kept["organizationId"] == self.organization["id"]
