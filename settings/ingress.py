"""How users reach Infisical."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.machinery.types import DnsLabel, DnsName, Email, Section


class ExistingIssuer(Section):
    """A ClusterIssuer of cert-manager that the cluster has already."""

    kind: Literal["existing"] = "existing"
    name: DnsName = Field(description="Name of the ClusterIssuer.")


class LetsEncrypt(Section):
    """An issuer of Let's Encrypt, made for this stack. It proves the host by HTTP-01 through the Ingress class."""

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


class IngressClass(Section):
    """An Ingress, made for this stack."""

    kind: Literal["ingress"] = "ingress"
    class_name: DnsName = Field(default="nginx", description="IngressClass of the Ingress. The cluster must have it.")


class GatewayRoute(Section):
    """An HTTPRoute on a Gateway that the cluster has already. Its listener must use the Secret `infisical-tls`."""

    kind: Literal["gateway"] = "gateway"
    name: DnsName = Field(description="Name of the Gateway.")
    namespace: DnsLabel = Field(description="Namespace of the Gateway.")
    listener: DnsName | None = Field(
        default=None, description="Listener of the Gateway. Default: every listener that fits."
    )


Route = Annotated[IngressClass | GatewayRoute, Field(discriminator="kind")]


class IngressSettings(Section):
    """The certificate of the site, and the route to it."""

    issuer: Issuer
    route: Route = IngressClass()
