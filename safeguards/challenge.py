"""Refuse a challenge whose answer nobody would find once the site is there."""

from __future__ import annotations

from safeguards.cluster import LiveCluster
from safeguards.refusal import Refusal
from settings import Commands, Settings
from settings.ingress import IngressClass

F5 = "nginx.org/ingress-controller"
ONE_PER_HOST = (
    "gives a host to the oldest Ingress alone, so a challenge by HTTP-01 is answered before the site's Ingress is "
    "there and never again, and its certificate would expire"
)


def refuse_unanswered_challenge(settings: Settings, cluster: LiveCluster, commands: Commands) -> None:
    """Raise Refusal for Let's Encrypt behind F5's NGINX Ingress Controller.

    https://docs.nginx.com/nginx-ingress-controller/configuration/host-and-listener-collisions/
    """
    route = settings.ingress.route
    if settings.ingress.issuer.kind != "letsEncrypt" or not isinstance(route, IngressClass) or not route.has_object:
        return
    if cluster.controller(route.class_name) == F5:
        raise Refusal(
            f"ingress.issuer.kind: class {route.class_name} is of F5's NGINX Ingress Controller, which {ONE_PER_HOST}. "
            "Use an existing issuer that proves the host by DNS-01: "
            f"{commands.set('ingress.issuer.kind', 'existing')} and {commands.set('ingress.issuer.name', 'NAME')}"
        )
