"""Run the script that sees values in the cluster, with rights for the time of the run alone."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.base.names import JOB_LABEL
from operations.cluster import Cluster, Object, outcome_of
from operations.errors import OperationError
from settings.pods import PodSettings

LABEL, NAME = "app.kubernetes.io/name", "move-secrets"
_SCRIPT = "move_secrets/move_secrets.py"
_ACCOUNT = "infisical-provisioner"
_CREDENTIALS = "infisical-bootstrap"
_PATHS_OF = "bootstrap"  # the Job whose network paths it takes: to Infisical, DNS and the API server
_LONGEST_SECONDS = 900
_PREFIX = "MOVED "


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """Where the script runs, and on whose Secrets."""

    cluster: Cluster
    namespace: str  # whose Secrets are read
    home: str  # namespace of Infisical, in which the script runs
    image: str
    address: str  # of Infisical, within the cluster
    pods: PodSettings  # where pods of the stack run
    pulls: bool = False  # with the stack's credentials of a registry

    def run(self, mode: str, place: Mapping[str, str], items: Sequence[Mapping[str, str]] = ()) -> list[Object]:
        """Return what the script says of each Secret. Raises OperationError with its last line, and Unanswered."""
        config = {"mode": mode, "namespace": self.namespace, "url": self.address, **place, "items": list(items) or None}
        name = f"{NAME}-{secrets.token_hex(3)}"
        self._clear()  # what a run that was killed has left
        try:
            for made in self._objects(name, config):
                self.cluster.create(made)
            log, succeeded = self._ended(name)
        finally:
            self._clear()
        lines = log.splitlines()
        if not succeeded:
            raise OperationError(lines[-1] if lines else "the Job ended without a word")
        return [json.loads(line.removeprefix(_PREFIX)) for line in lines if line.startswith(_PREFIX)]

    def _ended(self, name: str) -> tuple[str, bool]:
        """Return the Job's log, and whether it succeeded."""
        end = time.monotonic() + _LONGEST_SECONDS
        path = f"/apis/batch/v1/namespaces/{self.home}/jobs/{name}"
        while time.monotonic() < end:
            if outcome := outcome_of(self.cluster.get(path) or {}):
                return self.cluster.log(self.home, f"job/{name}"), outcome == "Complete"
            time.sleep(1)
        pods = self.cluster.kubectl(f"describe pods -n {self.home} -l job-name={name}")
        raise OperationError(f"the Job {name} has not ended within {_LONGEST_SECONDS} s: see {pods}")

    def _clear(self) -> None:
        for kinds, namespace in (
            ("jobs.batch,configmaps", self.home),
            ("rolebindings,roles", self.namespace),
        ):
            self.cluster.delete(kinds, "-n", namespace, "-l", f"{LABEL}={NAME}", "--wait=false")

    def _objects(self, name: str, config: Mapping[str, Any]) -> list[Object]:
        # Pulumi's SDK takes half a second to import, which no other operation needs.
        from components.base.scripts import FOLDER, with_imports
        from components.placement import Placement

        placed = Placement(pods=self.pods, pulls=self.pulls).fields
        files = {path.name: path.read_text() for path in sorted(with_imports([_SCRIPT]))}
        rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        account = {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": self.home}
        return [
            _object("rbac.authorization.k8s.io/v1", "Role", name, self.namespace, rules=rules),
            _object(
                "rbac.authorization.k8s.io/v1", "RoleBinding", name, self.namespace, roleRef=role, subjects=[account]
            ),
            _object("v1", "ConfigMap", name, self.home, data=files),
            _object("batch/v1", "Job", name, self.home, spec=self._job(name, config, FOLDER, placed)),
        ]

    def _job(self, name: str, config: Mapping[str, Any], folder: str, placed: Mapping[str, Any]) -> Object:
        container: Object = {
            "name": NAME,
            "image": self.image,
            "command": ["python3", "-u", f"{folder}/{_SCRIPT.partition('/')[2]}"],
            "env": [{"name": "CONFIG", "value": json.dumps(config, sort_keys=True)}],
            "volumeMounts": [
                {"name": "scripts", "mountPath": folder, "readOnly": True},
                {"name": "bootstrap", "mountPath": "/bootstrap", "readOnly": True},
            ],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        pod: Object = {
            **placed,
            "restartPolicy": "Never",
            "serviceAccountName": _ACCOUNT,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "fsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                {"name": "scripts", "configMap": {"name": name}},
                {"name": "bootstrap", "secret": {"secretName": _CREDENTIALS, "optional": True}},
            ],
        }
        template = {"metadata": {"labels": {**self.pods.labels, JOB_LABEL: _PATHS_OF}}, "spec": pod}
        return {"backoffLimit": 0, "activeDeadlineSeconds": _LONGEST_SECONDS - 60, "template": template}


def _object(version: str, kind: str, name: str, namespace: str, **fields: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: NAME}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
