"""Tell which Secrets of a namespace may move to Infisical, and why the others can't."""

import base64
from dataclasses import dataclass
from typing import Any

from moved_marks import DELIVERED, found_by
from moved_value import stored
from secret_batches import LONGEST, sent_length

Object = dict[str, Any]

DELIVERED_TYPES = ("Opaque", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson")
_NOT_OURS = {
    "kubernetes.io/service-account-token": "Kubernetes makes it for a ServiceAccount",
    "helm.sh/release.v1": "Helm keeps its release in it",
    "bootstrap.kubernetes.io/token": "it lets nodes join the cluster",
}
# By this, sealed-secrets writes its keys beside those that are there. It owns the Secret only if told so as well.
_ADDED_TO = "sealedsecrets.bitnami.com/patch"


@dataclass(frozen=True)
class Found:
    """What a Secret is, without its values."""

    name: str
    type: str
    owner: str  # kind/name of the controller that makes it, empty for none
    immutable: bool
    keys: dict[str, dict[str, Any]]  # by name: size in bytes, and whether it is stored in base64
    obstacle: str  # why it can't move, empty when it can

    @property
    def line(self) -> Object:
        """Return it as plain data."""
        return {
            "name": self.name,
            "type": self.type,
            "owner": self.owner,
            "immutable": self.immutable,
            "keys": self.keys,
            "obstacle": self.obstacle,
        }


def found(secret: Object) -> Found:
    """Return what a Secret is, and whether it may move."""
    values = values_of(secret)
    keys = {key: {"size": len(value), "encoded": stored(value)[1]} for key, value in sorted(values.items())}
    return Found(
        name=secret["metadata"]["name"],
        type=secret.get("type", "Opaque"),
        owner=_owner(secret),
        immutable=bool(secret.get("immutable")),
        keys=keys,
        obstacle=_obstacle(secret, values),
    )


def values_of(secret: Object) -> dict[str, bytes]:
    """Return the values of a Secret."""
    data: dict[str, str] = secret.get("data") or {}
    return {key: base64.b64decode(value) for key, value in data.items()}


def _owner(secret: Object) -> str:
    owners: list[Object] = secret["metadata"].get("ownerReferences") or []
    return next((f"{owner['kind']}/{owner['name']}" for owner in owners), "")


def _obstacle(secret: Object, values: dict[str, bytes]) -> str:
    kind = secret.get("type", "Opaque")
    labels: dict[str, str] = secret["metadata"].get("labels") or {}
    annotations: dict[str, str] = secret["metadata"].get("annotations") or {}
    owner = _owner(secret)
    if kind in _NOT_OURS:
        return _NOT_OURS[kind]
    if "cert-manager.io/certificate-name" in annotations:
        return "cert-manager renews it: leave it to its Certificate"
    if DELIVERED in labels or any(key.startswith("secrets.infisical.com/") for key in annotations):
        return "it comes from Infisical already"
    if owner and not owner.startswith("SealedSecret/"):
        return f"{owner} makes it, and would make it again"
    if annotations.get(_ADDED_TO) == "true":
        return "a SealedSecret only adds to it: what else it has would not come back with that"
    if labels.get("app.kubernetes.io/managed-by") == "pulumi" or any("pulumi.com/" in key for key in annotations):
        return "a Pulumi program makes it: take it out of that program first"
    if kind not in DELIVERED_TYPES:
        return f"no delivery makes a Secret of type {kind}"
    return found_by(labels, annotations) or _obstacle_of(values)


def _obstacle_of(values: dict[str, bytes]) -> str:
    if not values:
        return "it has no values"
    if empty := sorted(key for key, value in values.items() if not value):
        return f"{', '.join(empty)}: an empty value would be delivered as a missing one"
    if long := sorted(key for key, value in values.items() if sent_length(stored(value)[0]) > LONGEST):
        return f"{', '.join(long)}: longer than the {LONGEST} bytes that Infisical takes, as its API writes them"
    return ""
