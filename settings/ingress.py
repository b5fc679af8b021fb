"""How users reach Infisical."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.forms import as_written
from settings.machinery.types import DnsLabel, DnsName, Email, Minutes, Section, SiteName
from settings.machinery.variables import Variable
from settings.network_policies import LabelKey as AnnotationName
from settings.network_policies import Range


def _of_proxies(value: str) -> str:
    if ipaddress.ip_network(value).prefixlen == 0:
        raise ValueError("Name the proxies' own addresses, because whoever is in the range may say who a client is")
    return value


ProxyRange = Annotated[Range, AfterValidator(_of_proxies)]


def _text(value: object) -> object:
    """Return a switch as an annotation has it: `pulumi config set` makes one of the word `true`."""
    return str(value).lower() if isinstance(value, bool) else as_written(value)


class _Issuer(Section):
    """What both kinds of issuer have."""

    deadline_minutes: Minutes = Field(
        default=10,
        description="Minutes until the certificate is issued. An issuer that asks DNS, or a person, may need more.",
    )
    challenge_minutes: Annotated[int, Field(ge=1, le=60)] = Field(
        default=1,
        description="Minutes for which a challenge by HTTP-01 may fail to be answered before `up` stops with the "
        "reason. Raise it where the host's DNS record is made after the Ingress, as external-dns does. The next `up` "
        "goes on where this one has stopped.",
    )


class ExistingIssuer(_Issuer):
    """A ClusterIssuer of cert-manager that the cluster has already."""

    kind: Literal["existing"] = "existing"
    name: DnsName = Field(description="Name of the ClusterIssuer.")
    names: tuple[SiteName, ...] = Field(
        default=(),
        description="Names in the certificate. One has to cover the host of siteUrl. A wildcard keeps the host out of "
        "the public logs of certificates, and takes an ACME issuer that proves names by DNS-01. Default: the host.",
    )

    def covers(self, host: str) -> bool:
        """Return whether the certificate is for this host. A wildcard stands for one label (RFC 6125, 6.4.3)."""
        return not self.names or bool({host, f"*.{host.partition('.')[2]}"}.intersection(self.names))


class LetsEncrypt(_Issuer):
    """An issuer of Let's Encrypt, made for this stack. It proves the host by HTTP-01, through the stack's own route."""

    kind: Literal["letsEncrypt"] = "letsEncrypt"
    email: Email = Field(
        description="Address of the ACME account. Let's Encrypt sends no warning before a certificate expires (it "
        "stopped in 2025), so watch the expiry yourself."
    )
    staging: bool = Field(
        default=False,
        description="Use Let's Encrypt's staging environment for trials. Its certificates are not trusted by "
        "browsers, and its rate limits are much higher.",
    )


Issuer = Annotated[ExistingIssuer | LetsEncrypt, Field(discriminator="kind")]


GOOGLE = ("gce", "gce-internal")
CILIUM_MODE = "ingress.cilium.io/loadbalancer-mode"
# Annotations that the program sets, or that would undo what it does. By the name, or by its part before the slash.
_OWNED = {
    "pulumi.com": "the program sets it. `up` asks the site in place of waiting for an address",
    "cert-manager.io": "it would ask for a second certificate beside the program's own. Set ingress.issuer",
    "acme.cert-manager.io": "it would ask for a second certificate beside the program's own. Set ingress.issuer",
    "kubernetes.io/tls-acme": "it would ask for a second certificate beside the program's own. Set ingress.issuer",
    "kubernetes.io/ingress.class": "className says it",
}
# What keeps plain HTTP away, and how controllers write that it shall not.
_NEVER_PLAIN = ("ssl-redirect", "force-ssl-redirect", "force-https", "router.tls")
_OFF = frozenset({"false", "f", "0", "no", "off", "disabled"})


class Controller(Section):
    """The Service of the ingress controller, as pods of the cluster reach it."""

    namespace: DnsLabel = Field(description="Namespace of the Service.")
    service: DnsLabel = Field(description="Name of the Service.")
    port: Annotated[int, Field(ge=1, le=65535, description="Port of the Service on which it speaks HTTPS.")] = 443

    @property
    def address(self) -> str:
        """Return host:port. The name is right under every cluster domain."""
        return f"{self.service}.{self.namespace}.svc:{self.port}"


class _WayIn(Section):
    """What both kinds of route have."""

    controller: Controller | None = Field(
        default=None,
        description="Through whom `up` asks the site at its end, with its name and its certificate verified, as a "
        "browser would. `up` fails when it doesn't answer. Default: the address that the controller publishes in the "
        "Ingress. In front of a Gateway nobody is asked then.",
    )
    deadline_minutes: Minutes = Field(
        default=5,
        description="Minutes until the site answers through the controller. Balancers of a cloud follow a new route "
        "late: set 10 or more where that of your cloud does.",
    )


class IngressClass(_WayIn):
    """An Ingress, made for this stack."""

    kind: Literal["ingress"] = "ingress"
    class_name: DnsName = Field(
        default="nginx",
        description="IngressClass of the Ingress. The cluster must have it, but for Google's own controller (gce, "
        "gce-internal), which has none. Several controllers serve class nginx. The one that it is named after, "
        "ingress-nginx, is retired and gets no security updates since March 2026: choose another for a new cluster, "
        "such as Traefik, or a Gateway.",
    )
    max_body_mib: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=32,
        description="Largest request in MiB, for controllers that read the annotations of ingress-nginx or of F5's "
        "NGINX Ingress Controller. Their default of 1 refuses imports of secrets.",
    )
    await_address: bool = Field(
        default=True,
        description="Whether `up` waits, for three minutes at most, until the controller has published its address in "
        "the Ingress, and asks the site through it. An address that never comes, or that pods can't reach, fails "
        "nothing. Set it to false where this is known before.",
    )
    annotations: dict[AnnotationName, Annotated[str, BeforeValidator(_text)]] = Field(
        default={},
        description="More annotations of the Ingress, for the needs of your controller. They win over the program's "
        "timeouts and sizes, and over what it sets for the classes alb, cilium, contour, gce, haproxy, kong and "
        "traefik.",
    )

    @property
    def asked(self) -> bool:
        """Return whether `up` asks the site through the controller."""
        return self.await_address or self.controller is not None

    @property
    def has_object(self) -> bool:
        """Return whether the class is an object. Google's controller takes an Ingress by its annotation instead."""
        return self.class_name not in GOOGLE

    @property
    def shares_address(self) -> bool:
        """Return whether all Ingresses of the class have one address, at which a challenge's answer is found too."""
        if self.class_name == "cilium":
            return self.annotations.get(CILIUM_MODE) == "shared"  # its default is a balancer for each Ingress
        return self.class_name not in (*GOOGLE, "alb")

    @model_validator(mode="after")
    def _annotations_leave_the_rest_alone(self) -> IngressClass:
        for name, value in self.annotations.items():
            if reason := _OWNED.get(name) or _OWNED.get(name.partition("/")[0]):
                raise broken_rule("annotations", f"remove {name}, because {reason}")
            if name.rpartition("/")[2] in _NEVER_PLAIN and value.strip().lower() in _OFF:
                raise broken_rule("annotations", f"remove {name}, because the site would be served without TLS")
        return self


class GatewayRoute(_WayIn):
    """An HTTPRoute on a Gateway that the cluster has already. Its listener must use the Secret `infisical-tls`."""

    kind: Literal["gateway"] = "gateway"
    name: DnsName = Field(description="Name of the Gateway.")
    namespace: DnsLabel = Field(description="Namespace of the Gateway.")
    listener: DnsName | None = Field(
        default=None,
        description="Listener of the Gateway, one of protocol HTTPS. Set it. Default: every listener that fits, and "
        "`up` stops when one of them speaks plain HTTP.",
    )
    redirect_listener: DnsName | None = Field(
        default=None,
        description="Listener of protocol HTTP from which browsers are sent to HTTPS. Default: none, so that plain "
        "HTTP gets no answer from this stack.",
    )

    @property
    def asked(self) -> bool:
        """Return whether `up` asks the site through the controller."""
        return self.controller is not None

    @model_validator(mode="after")
    def _the_redirect_leads_elsewhere(self) -> GatewayRoute:
        if self.redirect_listener and self.redirect_listener == self.listener:
            raise broken_rule("redirectListener", "name a different listener than listener, or the redirect never ends")
        if self.redirect_listener and not self.listener:
            raise broken_rule("listener", "set it together with redirectListener, or the route hangs on both listeners")
        return self


Route = Annotated[IngressClass | GatewayRoute, Field(discriminator="kind")]


class IngressSettings(Section):
    """The certificate of the site, and the route to it."""

    issuer: Issuer
    route: Route = IngressClass()
    trusted_proxies: Annotated[tuple[ProxyRange, ...], Variable("TRUSTED_PROXY_CIDRS", "commas", "2026")] = Field(
        default=(),
        description="Ranges of addresses of the proxies in front of Infisical: the ingress controller's pods, and a "
        "balancer or CDN before them. Never those of clients. Infisical then takes a client's address from what these "
        "say of it. Default: it believes X-Forwarded-For, CF-Connecting-IP and their like from anybody, in its audit "
        "log, its rate limits and the trusted IPs of identities.",
    )
