"""Say what the stack owns in the cluster: each object as it was applied last, by the state and by Helm's records."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from operations.cluster import Cluster, Object
from operations.drift.paths import Path
from operations.field_managers import Key, key_of
from operations.pulumi import Stack
from operations.state import resources_of

# Pulumi's, of an encrypted value.
_MARK, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
_RELEASE = "kubernetes:helm.sh/v3:Release"
HELM = "pulumi-resource-kubernetes"  # the field manager of the Helm that Pulumi has built in
# Kubernetes' own kinds that are in no namespace, as far as charts have them. Helm's record doesn't say it.
_OF_THE_CLUSTER = frozenset(
    {
        *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PriorityClass", "APIService"),
        *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "StorageClass", "IngressClass"),
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "PersistentVolume", "RuntimeClass"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """An object, or the part of one, as the stack has applied it."""

    key: Key
    manager: str  # under which field manager
    applied: Object
    secret: frozenset[Path]  # what is encrypted in the state
    whole: bool  # False for a patch of an object that is made elsewhere
    released: bool  # by Helm, so that Pulumi doesn't see the object

    @property
    def built_in(self) -> bool:
        """Return whether the kind is one of Kubernetes' own, whose lists merge by keys."""
        group = self.applied["apiVersion"].rpartition("/")[0]
        return "." not in group or group.endswith(".k8s.io")


def owned(stack: Stack, cluster: Cluster) -> list[Owned]:
    """Return all of it, in the order in which it was made. Raises OperationError and Unanswered."""
    patches: list[Owned] = []
    found: list[Owned] = []
    for resource in resources_of(stack.decrypted):
        if resource.get("external") or resource.get("delete"):
            continue
        if resource["type"] == _RELEASE:
            found += _released(cluster, resource["outputs"])
        elif resource["type"].startswith("kubernetes:") and "name" in resource.get("inputs", {}).get("metadata", {}):
            found.append(_applied(resource))
            patches += [found[-1]] if not found[-1].whole else []
    return [_below(each, patches) if each.released else each for each in found]


def _applied(resource: Mapping[str, Any]) -> Owned:
    secret: set[Path] = set()
    plain = _opened(resource["inputs"], (), secret)
    return Owned(
        key=key_of(plain),
        manager=resource.get("outputs", {}).get("__fieldManager", ""),
        applied=plain,
        secret=frozenset(secret),
        whole=not str(resource["type"]).endswith("Patch"),
        released=False,
    )


def _opened(value: Any, path: Path, secret: set[Path]) -> Any:
    """Return a value of the state without Pulumi's marks, and add the path of each to `secret`."""
    if isinstance(value, Mapping):
        if value.get(_MARK) == _SECRET:
            secret.add(path)
            return _opened(json.loads(value.get("plaintext", "null")), path, secret)
        return {key: _opened(below, (*path, key), secret) for key, below in value.items()}
    # A list is compared as far as its own path: what is encrypted within makes all of it unspeakable.
    return [_opened(below, path, secret) for below in value] if isinstance(value, list) else value


def _released(cluster: Cluster, release: Mapping[str, Any]) -> Iterator[Owned]:
    """Yield what the deployed revision of a Helm release consists of, by Helm's own record. Raises Unanswered."""
    for record in cluster.objects(["Secret.v1."], release["namespace"]):
        labels = record["metadata"].get("labels") or {}
        asked = {"owner": "helm", "name": release["name"], "status": "deployed"}
        if not asked.items() <= labels.items():
            continue
        packed = base64.b64decode(base64.b64decode(record["data"]["release"]))
        for manifest in filter(None, yaml.safe_load_all(json.loads(gzip.decompress(packed))["manifest"])):
            if manifest["kind"] in _OF_THE_CLUSTER:
                manifest["metadata"].pop("namespace", None)  # some charts write one, and Kubernetes ignores it
            else:
                manifest["metadata"].setdefault("namespace", release["namespace"])
            yield Owned(
                key=key_of(manifest), manager=HELM, applied=manifest, secret=frozenset(), whole=True, released=True
            )


def _below(released: Owned, patches: list[Owned]) -> Owned:
    """Return an object of the chart with the stack's patches of it, which win."""
    applied = released.applied
    for patch in patches:
        if patch.key == released.key:
            applied = _merged(applied, {"spec": patch.applied.get("spec", {})})
    return Owned(key=released.key, manager=HELM, applied=applied, secret=released.secret, whole=True, released=True)


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**one, **{key: _merged(one.get(key), value) for key, value in other.items()}}
    named = isinstance(one, list) and isinstance(other, list) and all("name" in each for each in (*one, *other))
    if named:
        more = {each["name"]: each for each in other}
        return [_merged(each, more.get(each["name"], {})) for each in one]
    return other
