"""Gather the manifests of the cluster's add-ons: kinds, operators, cert-manager, ingress, volumes."""

from __future__ import annotations

from pathlib import Path
from string import Template

from embedded import hostile, imagebuild
from embedded.instance import Instance
from embedded.programs import Programs

MANIFESTS = Path(__file__).parent / "manifests"
OPERATORS = ("cert-manager", "postgres-operator", "redis-operator")  # what a bare cluster has not
_NAMESPACES = ("ingress", "local-path-storage")  # and what namespaces it has


def manifests(instance: Instance, programs: Programs) -> list[str]:
    """Return the manifests in their order, first kinds, then what serves them, then objects of these kinds."""
    values = {
        "dns_address": instance.ranges.dns,
        "domain": instance.domain,
        "volumes": str(instance.folder / "volumes"),
        **{f"image_{name.replace('-', '_')}": imagebuild.reference(name) for name in imagebuild.IMAGES},
    }
    own = {path.stem: Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml"))}
    issuer = own.pop("issuer")
    if instance.hostile:
        own["traefik"] = hostile.unpublished(own["traefik"])
    if instance.bare:
        namespaces = own.pop("namespaces")
        others = [text for name, text in own.items() if name not in OPERATORS]
        return [_only(namespaces, *_NAMESPACES), *_gateway(programs), *others]
    return [own.pop("namespaces"), *_gateway(programs), *_upstream(programs), *own.values(), issuer]


def authority() -> str:
    """Return the manifest of the cluster's own authority, which needs cert-manager, whoever installs that."""
    return (MANIFESTS / "issuer.yaml").read_text()


def _only(manifests: str, *names: str) -> str:
    """Return the namespaces of these names."""
    return "---\n".join(each for each in manifests.split("---\n") if any(f"name: {name}}}" in each for name in names))


def _gateway(programs: Programs) -> list[str]:
    return [path.read_text() for path in sorted(programs.path("gateway-api-crds").glob("*.yaml"))]


def _upstream(programs: Programs) -> list[str]:
    """Return custom resource definitions and roles as the operators' own modules carry them."""
    zalando = programs.path("postgres-operator-manifests")
    redis = programs.path("redis-operator-config")
    crds = [
        *sorted(programs.path("cert-manager-crds").glob("*.yaml")),
        *(zalando / f"{name}.crd.yaml" for name in ("postgresql", "operatorconfiguration", "postgresteam")),
        *sorted((redis / "crd" / "bases").glob("*.yaml")),
    ]
    role = (zalando / "operator-service-account-rbac.yaml").read_text()
    return [
        *(path.read_text() for path in crds),
        role.replace("namespace: default", "namespace: postgres-operator"),
        (redis / "rbac" / "role.yaml").read_text(),
    ]
