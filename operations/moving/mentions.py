"""Find annotations that may name a Secret in a way that nobody here can change for certain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from operations.cluster import Object
from operations.moving.consumers import annotated_secret

KINDS = ("Ingress", "Service")  # what controllers read annotations of, each with names of its own
# Who has applied an object, where it may be reached, and who issues its certificate: no name of a Secret.
_OTHERS = (
    *("kubectl.kubernetes.io/", "meta.helm.sh/", "argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/"),
    *("helm.toolkit.fluxcd.io/", "kapp.k14s.io/", "objectset.rio.cattle.io/", "field.cattle.io/", "pulumi.com/"),
    *("kubernetes.io/", "external-dns.alpha.kubernetes.io/", "cert-manager.io/", "acme.cert-manager.io/"),
)


def mentions(found: Object) -> Iterator[tuple[str, str]]:
    """Yield each word that may be a Secret's name in an annotation, with the annotation.

    A path has no names: `/env` and https://shop.example.org/env say nothing of Secret env, NAMESPACE/env does.
    """
    if found["kind"] not in KINDS:
        return
    metadata = found["metadata"]
    for key, value in sorted((metadata.get("annotations") or {}).items()):
        if not key.startswith(_OTHERS) and annotated_secret(key, value) is None:
            yield from ((word, key) for word in sorted(_words(value, metadata.get("namespace", ""))))


def _words(text: str, namespace: str) -> set[str]:
    words = (word.strip(".-").removeprefix("//") for word in re.findall(r"[\w./-]+", text))
    return {word.removeprefix(f"{namespace}/") for word in words}
