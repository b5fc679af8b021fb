"""Move the ownership of objects from the tool that deployed them, and back. Nothing but metadata changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from operations.cluster import Cluster, Conflict, Object
from operations.field_managers import Key, key_of

# Whoever deploys, by the field managers of each. Operators and controllers keep what is theirs.
_DEPLOYERS = {
    "argocd-controller": "ArgoCD",
    "argocd-application-controller": "ArgoCD",
    "argocd-server": "ArgoCD",  # what people edit in its web UI
    "before-first-apply": "kubectl",
    "cert-manager-ingress-shim": "cert-manager, for an Ingress",
    "helm": "Helm",
    "Helm": "Helm",
}
_KUBECTL = "kubectl"  # kubectl-client-side-apply, kubectl-expose and others: a name for each of its commands
# The Sealed Secrets controller, whose program is called `controller` in its own image.
_UNSEALS = ("controller", "sealed-secrets-controller")
_EXTERNAL = "externalsecrets.external-secrets.io/"  # and the name of the ExternalSecret that has written a Secret
_PULUMI = "pulumi-kubernetes-"
_SEALED = "SealedSecret"
_ARGOCD = "argocd.argoproj.io/"
# With these an Ingress has cert-manager keep a certificate, and undo what the stack says of the same one.
_SHIM = ("cert-manager.io/", "kubernetes.io/tls-acme")
# With these the Sealed Secrets controller takes a Secret back that isn't its own, or puts its own values into it.
_SEALED_MARKS = ("sealedsecrets.bitnami.com/",)
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TRACKING = f"{_ARGOCD}tracking-id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What an object had of its former owner, with which it can go back. It has no value of a field."""

    key: Key
    uid: str
    managers: Sequence[Object]  # entries of managedFields
    annotations: Mapping[str, str]
    owners: Sequence[Object]  # ownerReferences

    @classmethod
    def read(cls, saved: Mapping[str, Any]) -> Taken:
        """Return what `saved` was written from."""
        return cls(**{**saved, "key": Key(**saved["key"])})


def owner_of(live: Object) -> str:
    """Return who deployed an object, for people."""
    metadata = live["metadata"]
    application = metadata.get("annotations", {}).get(TRACKING, "").partition(":")[0]
    if application:
        return f"ArgoCD ({application})"
    if any(each["kind"] == _SEALED for each in _makers(live)):
        return "Sealed Secrets"
    managers = {each["manager"] for each in metadata.get("managedFields", [])}
    names = {_DEPLOYERS[name] for name in managers if name in _DEPLOYERS}
    names |= {_KUBECTL for name in managers if name.startswith(_KUBECTL)}
    names |= {"Sealed Secrets" for name in managers if live["kind"] == "Secret" and name in _UNSEALS}
    names |= {"External Secrets" for _ in external(live)}
    names |= {"a different state" for name in managers if name.startswith(_PULUMI)}
    return ", ".join(sorted(names)) or "nobody"


def before(live: Object) -> Taken | None:
    """Return what an object has of its deployer; None when it has none."""
    metadata = live["metadata"]
    managers = [each for each in metadata.get("managedFields", []) if _deploys(live, each)]
    owners = _makers(live)
    tracked = _tracked(live)
    if not (managers or owners or tracked):
        return None
    # kubectl notes all of a Secret, with its values. Without that note its next apply only warns.
    hidden = _APPLIED if live["kind"] == "Secret" else ""
    annotations = {name: value for name, value in tracked.items() if name != hidden}
    return Taken(key=key_of(live), uid=metadata["uid"], managers=managers, annotations=annotations, owners=owners)


def take(cluster: Cluster, live: Object, taken: Taken) -> None:
    """Take an object from its deployer. Raises Unanswered, also when it changed meanwhile."""
    kept = [each for each in live["metadata"].get("managedFields", []) if not _deploys(live, each)]
    _patch(cluster, live, managers=kept, drop=replace(taken, annotations=_tracked(live)))


def give_back(cluster: Cluster, live: Object, taken: Taken) -> None:
    """Give an object back to who had it before. Raises Unanswered."""
    names = {(each["manager"], each["operation"]) for each in taken.managers}
    kept = [
        each
        for each in live["metadata"].get("managedFields", [])
        if not each["manager"].startswith(_PULUMI) and (each["manager"], each["operation"]) not in names
    ]
    _patch(cluster, live, managers=[*kept, *taken.managers], restore=taken)


def is_deployer(entry: Object) -> bool:
    """Return whether an entry of managedFields is of a tool that people deploy with, other than Pulumi."""
    manager = entry["manager"]
    return not entry.get("subresource") and (manager in _DEPLOYERS or manager.startswith(_KUBECTL))


def stays(live: Object, conflict: Conflict) -> bool:
    """Return whether adopting leaves the field manager what it has, so that `up` meets the conflict too."""
    return not _deploys(live, {"manager": conflict.manager, "subresource": conflict.subresource})


def _deploys(live: Object, entry: Object) -> bool:
    if entry.get("subresource"):
        return False
    manager = entry["manager"]
    of_secret = live["kind"] == "Secret" and (manager in _UNSEALS or manager.startswith(_EXTERNAL))
    return is_deployer(entry) or of_secret or manager.startswith(_PULUMI)


def _makers(live: Object) -> Sequence[Object]:
    """Return the owner references that go: with a SealedSecret, or with an Ingress, what they made would go too."""
    owners = live["metadata"].get("ownerReferences") or []
    return [each for each in owners if each["kind"] == _SEALED or (live["kind"], each["kind"]) == _OF_INGRESS]


def keepers(live: Object, adopted: Collection[str]) -> Sequence[Object]:
    """Return the owners that neither go nor are adopted, by their uids: an ExternalSecret writes its Secret again, and
    takes it along when it goes.
    """
    owners, gone = live["metadata"].get("ownerReferences") or [], _makers(live)
    return [each for each in owners if each not in gone and each.get("uid") not in adopted]


def external(live: Object) -> Sequence[str]:
    """Return the names of the ExternalSecrets that have written a Secret, as they do without owning it."""
    managers = {each["manager"] for each in live["metadata"].get("managedFields") or []}
    found = sorted(name.removeprefix(_EXTERNAL) for name in managers if name.startswith(_EXTERNAL))
    return found if live["kind"] == "Secret" else ()


def owner_keys(taken: Taken) -> Mapping[Key, str]:
    """Return the owners that an object had, with their uids."""
    return {
        key_of({**each, "metadata": {"namespace": taken.key.namespace, "name": each["name"]}}): each.get("uid", "")
        for each in taken.owners
    }


def with_living_owners(taken: Taken, there: Mapping[Key, Object]) -> Taken:
    """Return what an object had without the owners that are gone, or are new ones of the same name.

    Kubernetes deletes an object whose owners are all gone, at once.
    """
    living = {uid for key, uid in owner_keys(taken).items() if key in there and there[key]["metadata"]["uid"] == uid}
    return replace(taken, owners=[each for each in taken.owners if each.get("uid", "") in living])


def _tracked(live: Object) -> Mapping[str, str]:
    """Return the annotations that go. Those that operators copy into pods stay, because these would restart."""
    if str(live["apiVersion"]).startswith(_COPIED):
        return {}
    annotations = live["metadata"].get("annotations") or {}
    names = (_ARGOCD, _APPLIED, *_MARKS.get(live["kind"], ()))
    return {name: value for name, value in annotations.items() if name.startswith(names)}


_MARKS = {"Ingress": _SHIM, "Secret": _SEALED_MARKS}
_OF_INGRESS = ("Certificate", "Ingress")
_COPIED = ("acid.zalan.do/", "redis.redis.opstreelabs.in/")


def _patch(
    cluster: Cluster,
    live: Object,
    *,
    managers: Sequence[Object],
    drop: Taken | None = None,
    restore: Taken | None = None,
) -> None:
    metadata = live["metadata"]
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    patch: list[Object] = [version, *_metadata(metadata, drop, restore)]
    # Without any entry the API server would give every field to a manager of its own, which conflicts too.
    patch.append({"op": "add", "path": "/metadata/managedFields", "value": [*managers] or [_nobody(live)]})
    key = key_of(live)
    cluster.patch(key.kind, key.name, key.namespace, patch)


def _metadata(metadata: Object, drop: Taken | None, restore: Taken | None) -> Iterator[Object]:
    annotations = dict(metadata.get("annotations") or {})
    owners = list(metadata.get("ownerReferences") or [])
    if drop:
        annotations = {name: value for name, value in annotations.items() if name not in drop.annotations}
        owners = [each for each in owners if each not in drop.owners]
    if restore:
        annotations |= restore.annotations
        owners += [each for each in restore.owners if each not in owners]
    if annotations != (metadata.get("annotations") or {}):
        yield {"op": "add", "path": "/metadata/annotations", "value": annotations}
    if owners != (metadata.get("ownerReferences") or []):
        yield {"op": "add", "path": "/metadata/ownerReferences", "value": owners}


def _nobody(live: Object) -> Object:
    """Return an entry that owns what never changes, and so can't conflict."""
    owned = {"f:metadata": {"f:labels": {}}}
    return {
        "manager": "infisical-platform-adopt",
        "operation": "Update",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }
