"""Gather the manifests of the cluster's add-ons: kinds, operators, cert-manager, ingress, volumes."""

from __future__ import annotations

from pathlib import Path
from string import Template

from embedded import imagebuild
from embedded.agent import DNS_ADDRESS
from embedded.instance import Instance
from embedded.programs import Programs

MANIFESTS = Path(__file__).parent / "manifests"


def manifests(instance: Instance, programs: Programs) -> list[str]:
    """Return the manifests in their order, first kinds, then what serves them, then objects of these kinds."""
    values = {
        "dns_address": DNS_ADDRESS,
        "domain": instance.domain,
        "volumes": str(instance.folder / "volumes"),
        **{f"image_{name.replace('-', '_')}": imagebuild.reference(name) for name in imagebuild.IMAGES},
    }
    own = {path.stem: Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml"))}
    return [own.pop("namespaces"), *_upstream(programs), *own.values()]


def _upstream(programs: Programs) -> list[str]:
    """Return custom resource definitions and roles as the operators' own modules carry them."""
    zalando = programs.path("postgres-operator-manifests")
    redis = programs.path("redis-operator-config")
    crds = [
        *sorted(programs.path("cert-manager-crds").glob("*.yaml")),
        *sorted(programs.path("gateway-api-crds").glob("*.yaml")),
        *(zalando / f"{name}.crd.yaml" for name in ("postgresql", "operatorconfiguration", "postgresteam")),
        *sorted((redis / "crd" / "bases").glob("*.yaml")),
    ]
    role = (zalando / "operator-service-account-rbac.yaml").read_text()
    return [
        *(path.read_text() for path in crds),
        role.replace("namespace: default", "namespace: postgres-operator"),
        (redis / "rbac" / "role.yaml").read_text(),
    ]
