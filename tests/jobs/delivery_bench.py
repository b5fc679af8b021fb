"""An application with a delivery, and the gate that judges it: against the stand-in of the operator."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from job_cluster import SCRIPT, Cluster
from job_operator import HOME, PROJECT, World, world

ID = "own-stack"
RIGHTS = ("roles", "rolebindings")
DEPLOYMENT = "infisical-secre-controller-manager"
_numbers = itertools.count()


def text(key: str, decoded: str = "") -> str:
    """The program's own template."""
    missing = f'{{{{ if not $found.Value }}}}{{{{ fail "{key} has no value in Infisical" }}}}{{{{ end }}}}'
    return f'{{{{ $found := index . "{key}" }}}}{missing}{{{{ $found.Value{decoded} }}}}'


class Shop:
    """An application with a delivery, and the gate that judges it."""

    def __init__(self, running: World, start_job: Callable[..., Any], folder: Path) -> None:
        running.infisical.secrets = {"A": "one"}
        values = folder / "values"
        values.mkdir()
        self.world, self._start_job, self.values = running, start_job, values
        self.name = f"env-{next(_numbers)}"  # of the Secret
        self.keys: list[dict[str, str]] = [{"key": "A", "secret": "A", "owner": "stack", "file": "a"}]
        self.restarts: list[str] = []
        self.kind, self.method = "Opaque", "kubernetes"
        (values / "a").write_bytes(b"one")

    @property
    def static(self) -> str:
        """The path of its custom resource."""
        group = "/apis/secrets.infisical.com/v1beta1"
        return f"{group}/namespaces/{self.world.namespace}/infisicalstaticsecrets/{self.name}"

    def deliver(self, project: str = PROJECT, **target: Any) -> None:
        metadata = {
            "labels": {"infisical-platform/application": "shop"},
            "annotations": {"infisical-platform/stack-id": ID},
        }
        template = {"engineVersion": "v1", "data": {key["key"]: text(key["secret"]) for key in self.keys}}
        self.world.deliver(self.name, project, **{"metadata": metadata, "template": template, **target})

    def gate(self, deadline_seconds: float = 20) -> Any:
        delivery = {"application": "shop", "environment": "prod", "path": "/", "namespace": self.world.namespace}
        delivery |= {"secret": self.name, "type": self.kind, "keys": self.keys}
        delivery |= {"restarts": self.restarts} if self.restarts else {}
        operator = {"namespace": HOME, "deployment": DEPLOYMENT, "connection": "infisical", "method": self.method}
        (self.values.parent / "deliveries.json").write_text(json.dumps([delivery]))
        config = {"wish": str(self.values.parent), "deadline_seconds": deadline_seconds, "values": str(self.values)}
        config["operator"] = operator
        return self._start_job("delivered.py", config, STACK_ID=ID, **self.world.cluster.environment)

    def judged(self, deadline_seconds: float = 20) -> tuple[int, str]:
        done = self.gate(deadline_seconds).outcome()
        assert "hunter2" not in done.output
        return done.status, done.last_line


@contextmanager
def delivering(cluster: Cluster, folder: Path) -> Iterator[World]:
    """A running operator, and a gate that may ask what the program lets it."""
    with world(cluster, folder) as found:
        rules = [
            ("", "secrets", ["get"], []),
            ("secrets.infisical.com", "infisicalstaticsecrets", ["get"], []),
            ("apps", "deployments", ["get", "patch"], []),
            ("", "pods", ["list"], []),
        ]
        cluster.grant(found.namespace, rules)
        kinds = ["infisicalconnections", "infisicalauths"]
        cluster.grant(
            HOME,
            [
                ("apps", "deployments", ["get"], [DEPLOYMENT]),
                *(("secrets.infisical.com", kind, ["get"], []) for kind in kinds),
            ],
        )
        made = [deploy(cluster, HOME, DEPLOYMENT)]
        made += [f"/apis/rbac.authorization.k8s.io/v1/namespaces/{HOME}/{kind}/{SCRIPT}" for kind in RIGHTS]
        yield found
        for path in made:
            cluster.call("DELETE", path)


def deploy(cluster: Cluster, namespace: str, name: str, pod: dict[str, Any] | None = None) -> str:
    """A Deployment without pods; no controller of this test's looks at its status."""
    container = {"name": "c", "image": "i"}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **(pod or {})}}
    spec = {"replicas": 0, "paused": True, "selector": {"matchLabels": {"app": name}}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.create(deployments, {"metadata": {"name": name}, "spec": spec})
    return f"{deployments}/{name}"
