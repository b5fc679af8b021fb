"""Let the world reach Infisical, by a certificate and a route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pulumi import ComponentResource, CustomTimeouts, Resource, ResourceOptions
from pulumi_kubernetes import meta, networking
from pulumi_kubernetes.apiextensions import CustomResource

from components.base.gate import Gate, GateArgs
from components.base.names import type_token
from components.base.pod import SecretFiles, Step
from components.base.ports import INFISICAL_PORT
from components.base.rbac import PolicyRule
from components.infisical_release import InfisicalRelease
from components.infisical_secrets import InfisicalSecrets
from components.ingress_annotations import annotations_of
from components.site_certificate import CERTIFICATE, issuer_ref, parent_ref, site_certificate
from settings import Settings
from settings.ingress import GatewayRoute, IngressClass, IngressSettings, Route

_NAME = "infisical"
_GATEWAY_API = "gateway.networking.k8s.io"
_TRUSTED = "/trusted"
_SETTLE_SECONDS = 30  # after a change of the route: Traefik follows it in 2 s, others in a few more
_ACCEPTED = {"pulumi.com/waitFor": 'jsonpath={.status.parents[*].conditions[?(@.type=="Accepted")].status}=True'}
# What Infisical believes of a client's address before it looks at what proxies say in X-Forwarded-For.
_BELIEVED = ("CF-Connecting-IP", "CF-Pseudo-IPv4", "X-Client-IP", "X-Envoy-External-Address")


@dataclass(frozen=True, kw_only=True, slots=True)
class IngressArgs:
    """The site's host, its certificate and the way to the Service."""

    ingress: IngressSettings  # issuer and route
    host: str
    site: str  # the host, with the port where it is not 443
    namespace: str
    release: InfisicalRelease  # serves there; the route waits for it, and the certificate does not
    python_image: str
    bootstrap: Resource | None = None  # the route waits for it too, or whoever came first would own the instance

    @classmethod
    def of(
        cls, settings: Settings, secrets: InfisicalSecrets, release: InfisicalRelease, bootstrap: Resource | None
    ) -> IngressArgs:
        """Build the arguments from the stack's settings."""
        return cls(
            ingress=settings.ingress,
            host=settings.infisical.host,
            site=urlsplit(settings.infisical.site_url).netloc,
            namespace=secrets.ref.namespace,
            release=release,
            bootstrap=bootstrap,
            python_image=settings.jobs.python_image,
        )


class Ingress(ComponentResource):
    """Create a Certificate and an Ingress, or an HTTPRoute and a ReferenceGrant.

    The grant lets the Gateway read the certificate. For Let's Encrypt there is an Issuer too. One gate holds the route
    up until the certificate is issued. Ready once the route is accepted, and the site has answered through the ingress
    controller.
    """

    def __init__(self, name: str, args: IngressArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Ingress"), name, None, opts)
        settings = args.ingress
        issued = site_certificate(
            name, settings, host=args.host, namespace=args.namespace, python_image=args.python_image, parent=self
        )
        if settings.route.kind == "ingress":
            route = _ingress(name, args, settings.route, self, issued)
        else:
            route = _http_route(name, args, settings.route, self, issued)
        if settings.route.asked:
            _verify_site(name, args, settings.route, self, route)
        if args.release.retiring_deployment:
            _wait_for_route_switch(name, args, args.release.retiring_deployment, route, self)
        self.register_outputs({"host": args.host})


def _metadata(name: str, args: IngressArgs, annotations: Mapping[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
    return meta.v1.ObjectMetaArgs(name=name, namespace=args.namespace, annotations=annotations)


def _options_with_timeout(parent: Resource, limit: str, *needs: Resource | None) -> ResourceOptions:
    return ResourceOptions(
        parent=parent,
        depends_on=[need for need in needs if need],
        delete_before_replace=True,
        custom_timeouts=CustomTimeouts(create=limit, update=limit),
    )


def _wait_for_route_switch(name: str, args: IngressArgs, retiring: str, route: Resource, parent: Resource) -> None:
    """Create a Job that lets old pods stay until the ingress controller has followed the route.

    Pulumi deletes last what a stack no longer declares, so the other chart's release goes after this Job has ended.
    """
    to = args.release.service
    step = Step(
        name="moved",
        image=args.python_image,
        script="ingress/route_moved.py",
        config={"namespace": args.namespace, "leaves": retiring, "to": to, "settle_seconds": _SETTLE_SECONDS},
        rules=[PolicyRule(group="apps", resource="deployments", verbs=["get"], names=[retiring])],
    )
    Gate(
        f"{name}-moved",
        GateArgs(namespace=args.namespace, steps=[step], triggers=to, after=[route]),
        ResourceOptions(parent=parent),
    )


def _verify_site(name: str, args: IngressArgs, way: Route, parent: Resource, route: Resource) -> None:
    """Create a Job that asks the site through the controller, because neither an address nor `Accepted` proves it."""
    address = PolicyRule(group="networking.k8s.io", resource="ingresses", verbs=["get"], names=[_NAME])
    step = Step(
        name="ask",
        image=args.python_image,
        script="ingress/way_in.py",
        config={
            "site": args.site,
            "service": args.release.service,
            "namespace": args.namespace,
            "ingress": _NAME,
            "trusted": _TRUSTED,
            "deadline_seconds": way.deadline_minutes * 60,
            "controller": way.controller and way.controller.address,
        },
        files=[SecretFiles(secret=CERTIFICATE, folder=_TRUSTED, keys=["tls.crt", "ca.crt"], optional=True)],
        rules=() if way.controller else [address],
    )
    triggers = {"route": way.model_dump(mode="json"), "issuer": issuer_ref(args.ingress.issuer)}
    Gate(
        f"{name}-gate",
        GateArgs(
            namespace=args.namespace,
            steps=[step],
            triggers=triggers,
            deadline_seconds=way.deadline_minutes * 60,
            after=[route],
        ),
        ResourceOptions(parent=parent),
    )


def _ingress(name: str, args: IngressArgs, route: IngressClass, parent: Resource, issued: Gate) -> Resource:
    backend = networking.v1.IngressBackendArgs(
        service=networking.v1.IngressServiceBackendArgs(
            name=args.release.service, port=networking.v1.ServiceBackendPortArgs(number=INFISICAL_PORT)
        )
    )
    path = networking.v1.HTTPIngressPathArgs(path="/", path_type="Prefix", backend=backend)
    return networking.v1.Ingress(
        f"{name}-route",
        metadata=_metadata(_NAME, args, annotations_of(route)),
        spec=networking.v1.IngressSpecArgs(
            ingress_class_name=route.class_name if route.has_object else None,
            tls=[networking.v1.IngressTLSArgs(hosts=[args.host], secret_name=CERTIFICATE)],
            rules=[
                networking.v1.IngressRuleArgs(host=args.host, http=networking.v1.HTTPIngressRuleValueArgs(paths=[path]))
            ],
        ),
        opts=_options_with_timeout(parent, "5m", issued, args.release, args.bootstrap),
    )


def _http_route(name: str, args: IngressArgs, route: GatewayRoute, parent: Resource, issued: Gate) -> Resource:
    reference_grant = CustomResource(
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
    if route.redirect_listener:
        _redirect(name, args, route, route.redirect_listener, parent)
    return CustomResource(
        f"{name}-route",
        api_version=f"{_GATEWAY_API}/v1",
        kind="HTTPRoute",
        metadata=_metadata(_NAME, args, _ACCEPTED),
        spec={
            "parentRefs": [parent_ref(route, route.listener)],
            "hostnames": [args.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": [*_BELIEVED]}}],
                    "backendRefs": [{"name": args.release.service, "port": INFISICAL_PORT}],
                }
            ],
        },
        opts=_options_with_timeout(parent, "2m", issued, reference_grant, args.release, args.bootstrap),
    )


def _redirect(name: str, args: IngressArgs, route: GatewayRoute, listener: str, parent: Resource) -> None:
    """Create an HTTPRoute that answers plain HTTP with the way to HTTPS, and leads to no pod."""
    port = urlsplit(f"//{args.site}").port
    where = {"scheme": "https", "statusCode": 301, **({"port": port} if port else {})}
    to_https = {"type": "RequestRedirect", "requestRedirect": where}
    CustomResource(
        f"{name}-redirect",
        api_version=f"{_GATEWAY_API}/v1",
        kind="HTTPRoute",
        metadata=_metadata(f"{_NAME}-redirect", args, _ACCEPTED),
        spec={
            "parentRefs": [parent_ref(route, listener)],
            "hostnames": [args.host],
            "rules": [{"filters": [to_https]}],
        },
        opts=_options_with_timeout(parent, "2m"),
    )
