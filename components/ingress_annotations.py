"""Write the annotations that an ingress controller needs: never plain HTTP, and room and time for an import."""

from __future__ import annotations

from collections.abc import Mapping

from components.site_certificate import NOT_AWAITED
from settings.ingress import IngressClass

_CLASS = "kubernetes.io/ingress.class"
_TRAEFIK = "traefik.ingress.kubernetes.io/router"
# A pod that has just ended, or whose node is lost, stays an endpoint for a while. A connection to it fails after 5 s
# with ingress-nginx and after 60 s with Traefik. Both then ask the next pod; this makes them ask it sooner.
_SHORT_CONNECT_TIMEOUT = {"nginx.ingress.kubernetes.io/proxy-connect-timeout": "2"}
# Of ingress-nginx, and of F5's controller, whose class is called nginx as well.
_BODY_SIZES = ("nginx.ingress.kubernetes.io/proxy-body-size", "nginx.org/client-max-body-size")
_OF_GOOGLE = {"kubernetes.io/ingress.allow-http": "false"}
# In the words of controllers whose class is known by its usual name.
_BY_CLASS: Mapping[str, Mapping[str, str]] = {
    "alb": {
        "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS": 443}]',
        "alb.ingress.kubernetes.io/target-type": "ip",
    },
    "cilium": {"ingress.cilium.io/force-https": "enabled"},
    "contour": {"ingress.kubernetes.io/force-ssl-redirect": "true"},
    "gce": _OF_GOOGLE,
    "gce-internal": _OF_GOOGLE,
    "haproxy": {"haproxy.org/ssl-redirect": "true", "haproxy.org/timeout-server": "5m"},
    "kong": {"konghq.com/protocols": "https", "konghq.com/https-redirect-status-code": "308"},
    # A router with TLS takes no plain request, on whichever entry point.
    "traefik": {f"{_TRAEFIK}.tls": "true"},
}


def annotations_of(route: IngressClass) -> dict[str, str]:
    """Return the annotations of the stack's Ingress. Its own have the last word."""
    own = {**_SHORT_CONNECT_TIMEOUT, **dict.fromkeys(_BODY_SIZES, f"{route.max_body_mib}m")}
    by_class = {} if route.has_object else {_CLASS: route.class_name}
    return {**own, **by_class, **needed(route, route.class_name), **route.annotations, **NOT_AWAITED}


def needed(route: IngressClass, controller: str) -> Mapping[str, str]:
    """Return what a controller needs to be told, by the usual name of its class.

    A stack that chooses Traefik's entry points itself chooses their TLS, too.
    """
    chosen = (f"{_TRAEFIK}.entrypoints", f"{_TRAEFIK}.tls")
    if controller == "traefik" and any(name.startswith(chosen) for name in route.annotations):
        return {}
    return _BY_CLASS.get(controller, {})
