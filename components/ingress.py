"""How the world reaches Infisical: certificate and route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import ComponentResource, CustomTimeouts, Resource, ResourceOptions
from pulumi_kubernetes import meta, networking
from pulumi_kubernetes.apiextensions import CustomResource

from components.names import type_token

CERTIFICATE = "infisical-tls"
_NAME = "infisical"
_GATEWAY_API = "gateway.networking.k8s.io"
# Annotations.
_READY = {"pulumi.com/waitFor": "condition=Ready"}
_ACCEPTED = {"pulumi.com/waitFor": 'jsonpath={.status.parents[*].conditions[?(@.type=="Accepted")].status}=True'}
# A pod which has just ended, or whose node is lost, stays an endpoint for a while, and to connect there is to wait:
# 5 s with ingress-nginx, 60 s with Traefik. Both then ask the next pod; this makes them ask it sooner.
_NEXT_POD = {"nginx.ingress.kubernetes.io/proxy-connect-timeout": "2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterIssuer:
    """A ClusterIssuer of cert-manager which exists already."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LetsEncryptIssuer:
    """An ACME Issuer which Ingress makes; it answers HTTP-01 through the ingress class of the route."""

    email: str
    staging: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRoute:
    """An Ingress of a class which exists already."""

    class_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayRoute:
    """An HTTPRoute on a Gateway which exists already; its listener refers to the Secret `infisical-tls`."""

    name: str
    namespace: str
    listener: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class IngressArgs:
    """Host, certificate and way to the Service."""

    namespace: str
    host: str
    service: str
    port: int
    backend: Resource  # what serves there: the way in is made when it is up, the certificate in the meantime
    issuer: ClusterIssuer | LetsEncryptIssuer
    route: ClassRoute | GatewayRoute


class Ingress(ComponentResource):
    """Creates a Certificate and an Ingress, or an HTTPRoute and the grant by which its Gateway reads the certificate.

    With a LetsEncryptIssuer also the Issuer. Ready once the certificate is issued and the way in accepted.
    """

    def __init__(self, name: str, args: IngressArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Ingress"), name, None, opts)
        issuer = _lets_encrypt(name, args, self) if isinstance(args.issuer, LetsEncryptIssuer) else None
        certificate = CustomResource(
            f"{name}-certificate",
            api_version="cert-manager.io/v1",
            kind="Certificate",
            metadata=_metadata(CERTIFICATE, args, _READY),
            spec={
                "secretName": CERTIFICATE,
                "dnsNames": [args.host],
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "issuerRef": _issuer_ref(args.issuer),
            },
            opts=_awaited(self, "10m", issuer),
        )
        if isinstance(args.route, ClassRoute):
            _ingress(name, args, args.route, self, certificate)
        else:
            _http_route(name, args, args.route, self, certificate)
        self.register_outputs({"host": args.host})


def _metadata(name: str, args: IngressArgs, annotations: Mapping[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
    return meta.v1.ObjectMetaArgs(name=name, namespace=args.namespace, annotations=annotations)


def _awaited(parent: Resource, limit: str, *needs: Resource | None) -> ResourceOptions:
    return ResourceOptions(
        parent=parent,
        depends_on=[need for need in needs if need],
        delete_before_replace=True,
        custom_timeouts=CustomTimeouts(create=limit, update=limit),
    )


def _issuer_ref(issuer: ClusterIssuer | LetsEncryptIssuer) -> dict[str, str]:
    if isinstance(issuer, ClusterIssuer):
        return {"kind": "ClusterIssuer", "name": issuer.name}
    return {"kind": "Issuer", "name": _NAME}


def _lets_encrypt(name: str, args: IngressArgs, parent: Resource) -> CustomResource:
    assert isinstance(args.issuer, LetsEncryptIssuer)
    assert isinstance(args.route, ClassRoute)
    directory = "acme-staging-v02" if args.issuer.staging else "acme-v02"
    solver = {"http01": {"ingress": {"ingressClassName": args.route.class_name}}}
    return CustomResource(
        f"{name}-issuer",
        api_version="cert-manager.io/v1",
        kind="Issuer",
        metadata=_metadata(_NAME, args, _READY),
        spec={
            "acme": {
                "server": f"https://{directory}.api.letsencrypt.org/directory",
                "email": args.issuer.email,
                "privateKeySecretRef": {"name": "infisical-letsencrypt-account"},
                "solvers": [solver],
            }
        },
        opts=_awaited(parent, "2m"),
    )


def _ingress(name: str, args: IngressArgs, route: ClassRoute, parent: Resource, certificate: CustomResource) -> None:
    backend = networking.v1.IngressBackendArgs(
        service=networking.v1.IngressServiceBackendArgs(
            name=args.service, port=networking.v1.ServiceBackendPortArgs(number=args.port)
        )
    )
    path = networking.v1.HTTPIngressPathArgs(path="/", path_type="Prefix", backend=backend)
    networking.v1.Ingress(
        f"{name}-route",
        metadata=_metadata(_NAME, args, _NEXT_POD),
        spec=networking.v1.IngressSpecArgs(
            ingress_class_name=route.class_name,
            tls=[networking.v1.IngressTLSArgs(hosts=[args.host], secret_name=CERTIFICATE)],
            rules=[
                networking.v1.IngressRuleArgs(host=args.host, http=networking.v1.HTTPIngressRuleValueArgs(paths=[path]))
            ],
        ),
        opts=_awaited(parent, "5m", certificate, args.backend),
    )


def _http_route(
    name: str, args: IngressArgs, route: GatewayRoute, parent: Resource, certificate: CustomResource
) -> None:
    grant = CustomResource(
        f"{name}-grant",
        api_version=f"{_GATEWAY_API}/v1beta1",
        kind="ReferenceGrant",
        metadata=_metadata(_NAME, args),
        spec={
            "from": [{"group": _GATEWAY_API, "kind": "Gateway", "namespace": route.namespace}],
            "to": [{"group": "", "kind": "Secret", "name": CERTIFICATE}],
        },
        opts=ResourceOptions(parent=parent, delete_before_replace=True),
    )
    parent_ref = {"name": route.name, "namespace": route.namespace}
    if route.listener:
        parent_ref["sectionName"] = route.listener
    CustomResource(
        f"{name}-route",
        api_version=f"{_GATEWAY_API}/v1",
        kind="HTTPRoute",
        metadata=_metadata(_NAME, args, _ACCEPTED),
        spec={
            "parentRefs": [parent_ref],
            "hostnames": [args.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": args.service, "port": args.port}],
                }
            ],
        },
        opts=_awaited(parent, "2m", certificate, grant, args.backend),
    )
