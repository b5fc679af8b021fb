"""How the world reaches Infisical."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.machinery.types import DnsLabel, DnsName, Email, Section


class ExistingIssuer(Section):
    """A ClusterIssuer of cert-manager which the cluster has already."""

    kind: Literal["existing"] = "existing"
    name: DnsName


class LetsEncrypt(Section):
    """An ACME issuer made for this stack; it proves the host by HTTP-01 through `className`."""

    kind: Literal["letsEncrypt"] = "letsEncrypt"
    email: Email = Field(description="Let's Encrypt warns it before a certificate expires.")
    staging: bool = Field(default=False, description="Untrusted certificates, but no rate limit: to try things out.")


Issuer = Annotated[ExistingIssuer | LetsEncrypt, Field(discriminator="kind")]


class IngressClass(Section):
    """An Ingress object."""

    kind: Literal["ingress"] = "ingress"
    class_name: DnsName = Field(default="nginx", description="spec.ingressClassName; the class must exist.")


class GatewayRoute(Section):
    """An HTTPRoute on a Gateway which the cluster has already; its listener takes the Secret `infisical-tls`."""

    kind: Literal["gateway"] = "gateway"
    name: DnsName
    namespace: DnsLabel
    listener: DnsName | None = Field(default=None, description="Listener of the Gateway; default: any that fits.")


Route = Annotated[IngressClass | GatewayRoute, Field(discriminator="kind")]


class IngressSettings(Section):
    """Certificate and route of the site."""

    issuer: Issuer
    route: Route = IngressClass()
