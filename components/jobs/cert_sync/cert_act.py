"""Write what was decided: one key of a Secret, and the annotations that restart what holds an old certificate.

Each write is left out when it is there already, so a run that was killed half-way is completed by the next one.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from kube import Api, Object, path
from x509 import Certificate, certificates

FIELD_MANAGER = "cert-sync"
CA_ANNOTATION = "infisical-platform/ca-sha256"
LEAF_ANNOTATION = "infisical-platform/leaf-sha256"


@dataclass(frozen=True)
class Named:
    """An object of the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Target(Named):
    """The Secret to publish in, and its key."""

    key: str


@dataclass
class Actor:
    """Does each thing once; `done` says what this run has written."""

    api: Api
    target: Target
    deployment: Named
    database: Named
    done: list[str] = field(default_factory=list[str])

    def read(self) -> Object:
        """Return the Secret to publish in."""
        return self.api.get(path("secrets", self.target.namespace, self.target.name))

    def publish(self, authorities: Sequence[Certificate], secret: Object) -> str:
        """Publish the authorities unless they are; return when they were (RFC 3339, UTC), empty for never."""
        target = self.target
        # Infisical wants base64 in the variable; a Secret's data is base64 once more.
        wanted = _base64(_base64(bundle(authorities)))
        if secret.get("data", {}).get(target.key) != wanted:
            # With the resourceVersion a run that read older authorities cannot undo a newer one: it gets a conflict.
            change = {
                "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
                "data": {target.key: wanted},
            }
            secret = self._write("secrets", target, change)
            self.done.append(f"published {len(authorities)} authorities as {target.key} of Secret {target}")
        return _written_at(secret)

    def restart_infisical(self, authorities: Sequence[Certificate], published_at: str) -> None:
        """Restart Infisical when it may run with authorities from before the last publication."""
        deployment = self.api.find(path("deployments", self.deployment.namespace, self.deployment.name))
        wanted = hashlib.sha256(bundle(authorities).encode()).hexdigest()
        if deployment is None or not predates(deployment, wanted, published_at):
            return
        change = {"spec": {"template": {"metadata": {"annotations": {CA_ANNOTATION: wanted}}}}}
        self._write("deployments", self.deployment, change)
        self.done.append(f"restarted Deployment {self.deployment}")

    def restart_pooler(self, leaf: Certificate) -> None:
        """Restart the pooler for `leaf`: a changed spec.podAnnotations makes the operator do so, and only that."""
        resource = self.api.get(path("postgresqls", self.database.namespace, self.database.name))
        if resource["spec"].get("podAnnotations", {}).get(LEAF_ANNOTATION) == leaf.fingerprint:
            return
        self._write("postgresqls", self.database, {"spec": {"podAnnotations": {LEAF_ANNOTATION: leaf.fingerprint}}})
        self.done.append(f"asked for a restart of the pooler of postgresql {self.database}")

    def _write(self, resource: str, of: Named, change: Object) -> Object:
        return self.api.merge_patch(path(resource, of.namespace, of.name), change, field_manager=FIELD_MANAGER)


def published(secret: Object, key: str) -> list[Certificate]:
    """Return the authorities published now; none when the value is anything else, as nothing can rely on it then."""
    try:
        value = base64.b64decode(secret.get("data", {}).get(key, ""))
        return certificates(base64.b64decode(value).decode())
    except ValueError:
        return []


def predates(deployment: Object, wanted: str, published_at: str) -> bool:
    """Return whether a Deployment's pods may be older than the publication of the authorities with this digest.

    Either the annotation is of other authorities, or there is none and the Deployment is older than the publication.
    """
    annotation = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(CA_ANNOTATION)
    if annotation is None:
        return deployment["metadata"]["creationTimestamp"] < published_at
    return annotation != wanted


def bundle(authorities: Sequence[Certificate]) -> str:
    """Return them as one PEM text."""
    return "".join(authority.pem for authority in authorities)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _written_at(secret: Object) -> str:
    """When this field manager last changed the Secret."""
    fields = secret["metadata"].get("managedFields", [])
    return max((entry.get("time", "") for entry in fields if entry["manager"] == FIELD_MANAGER), default="")
