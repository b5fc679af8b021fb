"""Have the site's certificate issued, and know why when it is not."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi import Resource, ResourceOptions
from pulumi_kubernetes import meta
from pulumi_kubernetes.apiextensions import CustomResource

from components.base.gate import Gate, GateArgs
from components.base.pod import Step
from components.base.rbac import PolicyRule
from settings.ingress import CILIUM_MODE, ExistingIssuer, GatewayRoute, IngressSettings, LetsEncrypt, Route

CERTIFICATE = "infisical-tls"
NOT_AWAITED = {"pulumi.com/skipAwait": "true"}  # gates wait in place of the engine: they know why, and say it
_GROUP = "cert-manager.io"


def site_certificate(
    name: str, settings: IngressSettings, *, host: str, namespace: str, python_image: str, parent: Resource
) -> Gate:
    """Create the Certificate, with an Issuer for Let's Encrypt, and the Job that waits until it is issued."""
    issuer = settings.issuer
    names = [*issuer.names] if issuer.kind == "existing" and issuer.names else [host]
    own = _lets_encrypt(name, issuer, settings.route, namespace, parent) if issuer.kind == "letsEncrypt" else None
    certificate = CustomResource(
        f"{name}-certificate",
        api_version=f"{_GROUP}/v1",
        kind="Certificate",
        metadata=meta.v1.ObjectMetaArgs(name=CERTIFICATE, namespace=namespace, annotations=NOT_AWAITED),
        spec={
            "secretName": CERTIFICATE,
            "dnsNames": names,
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": issuer_ref(issuer),
        },
        opts=ResourceOptions(parent=parent, depends_on=[own] if own else [], delete_before_replace=True),
    )
    return Gate(
        f"{name}-issued",
        GateArgs(
            namespace=namespace,
            steps=[_issued(issuer, namespace, python_image)],
            triggers={"host": host, "issuer": issuer_ref(issuer), **({} if names == [host] else {"names": names})},
            deadline_seconds=issuer.deadline_minutes * 60,
            after=[certificate],
        ),
        ResourceOptions(parent=parent),
    )


def issuer_ref(issuer: ExistingIssuer | LetsEncrypt) -> dict[str, str]:
    """Return who issues, as a Certificate names it."""
    if issuer.kind == "existing":
        return {"kind": "ClusterIssuer", "name": issuer.name}
    return {"kind": "Issuer", "name": _issuer_name(issuer)}


def parent_ref(route: GatewayRoute, listener: str | None) -> dict[str, str]:
    """Return a listener of the Gateway as an HTTPRoute names it; the whole Gateway without one."""
    section = {"sectionName": listener} if listener else {}
    return {"name": route.name, "namespace": route.namespace, **section}


def _issuer_name(issuer: LetsEncrypt) -> str:
    """Return a name for each ACME directory, because cert-manager issues again only when the issuer's name changes."""
    return "infisical-letsencrypt-staging" if issuer.staging else "infisical-letsencrypt"


def _lets_encrypt(name: str, issuer: LetsEncrypt, route: Route, namespace: str, parent: Resource) -> CustomResource:
    """Create the Issuer for Let's Encrypt. It answers HTTP-01 on the way of the stack's route."""
    directory = "acme-staging-v02" if issuer.staging else "acme-v02"
    issuer_name = _issuer_name(issuer)
    return CustomResource(
        f"{name}-issuer",
        api_version=f"{_GROUP}/v1",
        kind="Issuer",
        metadata=meta.v1.ObjectMetaArgs(name=issuer_name, namespace=namespace, annotations=NOT_AWAITED),
        spec={
            "acme": {
                "server": f"https://{directory}.api.letsencrypt.org/directory",
                "email": issuer.email,
                "privateKeySecretRef": {"name": f"{issuer_name}-account"},  # an account belongs to one directory
                "solvers": [{"http01": _solver(route)}],
            }
        },
        opts=ResourceOptions(parent=parent, delete_before_replace=True),
    )


def _solver(route: Route) -> Mapping[str, object]:
    """Return how the file that Let's Encrypt asks for is served: over plain HTTP, at the host's own address."""
    if route.kind == "ingress":
        shared = {CILIUM_MODE: route.annotations[CILIUM_MODE]} if CILIUM_MODE in route.annotations else {}
        template = {"ingressTemplate": {"metadata": {"annotations": shared}}} if shared else {}
        return {"ingress": {"ingressClassName": route.class_name, **template}}
    return {"gatewayHTTPRoute": {"parentRefs": [{"kind": "Gateway", **parent_ref(route, route.redirect_listener)}]}}


def _issued(issuer: ExistingIssuer | LetsEncrypt, namespace: str, python_image: str) -> Step:
    """Return the step that follows cert-manager's chain, and begins anew what failed before."""
    own = _issuer_name(issuer) if issuer.kind == "letsEncrypt" else None
    return Step(
        name="issued",
        image=python_image,
        script="ingress/issued.py",
        config={
            "namespace": namespace,
            "certificate": CERTIFICATE,
            "issuer": own,
            "deadline_seconds": issuer.deadline_minutes * 60,
            "challenge_seconds": issuer.challenge_minutes * 60,
        },
        rules=[
            PolicyRule(group=_GROUP, resource="certificates", verbs=["get"], names=[CERTIFICATE]),
            PolicyRule(group=_GROUP, resource="certificates/status", verbs=["patch"], names=[CERTIFICATE]),
            PolicyRule(group=_GROUP, resource="certificaterequests", verbs=["list"]),
            PolicyRule(group=f"acme.{_GROUP}", resource="orders", verbs=["list"]),
            PolicyRule(group=f"acme.{_GROUP}", resource="challenges", verbs=["list"]),
            *([PolicyRule(group=_GROUP, resource="issuers", verbs=["get"], names=[own])] if own else []),
        ],
    )
