"""Find what uses a Secret of a namespace, and point it to a different one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from operations.cluster import Object

KINDS = (
    *("Deployment.v1.apps", "StatefulSet.v1.apps", "DaemonSet.v1.apps", "CronJob.v1.batch", "Job.v1.batch"),
    *("Pod.v1.", "ServiceAccount.v1.", "Ingress.v1.networking.k8s.io", "Service.v1."),
)
FIXED = ("Pod", "Job")  # Kubernetes lets nobody change what they use
_VOLUMES = (
    *(("secret", "secretName"), ("csi", "nodePublishSecretRef", "name"), ("azureFile", "secretName")),
    *((kind, "secretRef", "name") for kind in ("flexVolume", "cephfs", "rbd", "iscsi", "scaleIO", "storageos")),
)
# Of ingress-nginx and HAProxy, below whatever prefix: NAME, or NAMESPACE/NAME.
_ANNOTATIONS = ("auth-secret", "auth-tls-secret", "proxy-ssl-secret", "secure-crt-secret", "secure-verify-ca-secret")
_TEMPLATES = {"Pod": "/spec", "CronJob": "/spec/jobTemplate/spec/template/spec"}


class Reference(NamedTuple):
    """Where an object names a Secret, as a JSON pointer, and what stands there before the name."""

    pointer: str
    secret: str
    before: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """One place at which an object names a Secret."""

    kind: str
    object: str
    pointer: str
    secret: str
    before: str = ""

    @property
    def name(self) -> str:
        """Return kind/name, as `kubectl` and the stack file write it."""
        return f"{self.kind.lower()}/{self.object}"

    @property
    def fixed(self) -> bool:
        """Return whether the object can't be changed and has to be made anew."""
        return self.kind in FIXED


def uses_of(objects: Sequence[Object]) -> list[Use]:
    """Return every use of a Secret by objects that nothing else makes."""
    return [
        Use(kind=each["kind"], object=each["metadata"]["name"], **reference._asdict())
        for each in objects
        if not each["metadata"].get("ownerReferences")
        for reference in references(each)
    ]


def by_secret(uses: Sequence[Use]) -> dict[str, list[str]]:
    """Return kind/name of what uses each Secret."""
    found: dict[str, list[str]] = {}
    for use in uses:
        names = found.setdefault(use.secret, [])
        if use.name not in names:
            names.append(use.name)
    return found


def renaming(uses: Sequence[Use], names: Mapping[str, str]) -> dict[str, list[Object]]:
    """Return a JSON patch for each object that uses a Secret of `names`. It fails where the object has changed."""
    patches: dict[str, list[Object]] = {}
    for use in uses:
        if use.secret in names and not use.fixed:
            patches.setdefault(use.name, []).extend(
                [
                    {"op": "test", "path": use.pointer, "value": f"{use.before}{use.secret}"},
                    {"op": "replace", "path": use.pointer, "value": f"{use.before}{names[use.secret]}"},
                ]
            )
    return patches


def references(found: Object) -> Iterator[Reference]:
    """Yield where an object of KINDS names a Secret of its namespace."""
    match found["kind"]:
        case "ServiceAccount":
            yield from _each(found, "/imagePullSecrets", ("name",))
            yield from _each(found, "/secrets", ("name",))
        case "Ingress":
            yield from _each(found, "/spec/tls", ("secretName",))
            yield from _of_annotations(found)
        case "Service":  # HAProxy reads them there too
            yield from _of_annotations(found)
        case kind:
            yield from _of_pod(found, _TEMPLATES.get(kind, "/spec/template/spec"))


def _of_pod(found: Object, spec: str) -> Iterator[Reference]:
    yield from _each(found, f"{spec}/imagePullSecrets", ("name",))
    for pointer, _ in _list(found, f"{spec}/volumes"):
        for place in _VOLUMES:
            yield from _at(found, pointer, place)
        yield from _each(found, f"{pointer}/projected/sources", ("secret", "name"))
    for kind in ("initContainers", "containers"):
        for pointer, _ in _list(found, f"{spec}/{kind}"):
            yield from _each(found, f"{pointer}/env", ("valueFrom", "secretKeyRef", "name"))
            yield from _each(found, f"{pointer}/envFrom", ("secretRef", "name"))


def annotated_secret(key: str, value: str) -> tuple[str, str] | None:
    """Return the namespace, empty for its own, and the name of the Secret that an annotation is known to name."""
    namespace, _, name = value.rpartition("/")
    return (namespace, name) if key.rpartition("/")[2] in _ANNOTATIONS and "/" not in namespace else None


def _of_annotations(found: Object) -> Iterator[Reference]:
    annotations: dict[str, str] = found["metadata"].get("annotations") or {}
    for key, value in annotations.items():
        namespace, name = annotated_secret(key, value) or ("", "")
        if name and namespace in ("", found["metadata"].get("namespace")):
            pointer = f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
            yield Reference(pointer, name, value.removesuffix(name))


def _each(found: Object, pointer: str, keys: Sequence[str]) -> Iterator[Reference]:
    for inner, _ in _list(found, pointer):
        yield from _at(found, inner, keys)


def _at(found: Object, pointer: str, keys: Sequence[str]) -> Iterator[Reference]:
    full = "/".join([pointer, *keys])
    if isinstance(value := _value(found, full), str):
        yield Reference(full, value)


def _list(found: Object, pointer: str) -> Iterator[tuple[str, Any]]:
    values: Any = _value(found, pointer)
    for index, value in enumerate(values if isinstance(values, list) else []):
        yield f"{pointer}/{index}", value


def _value(found: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal():
            found = found[int(part)]
        else:
            return None
    return found
