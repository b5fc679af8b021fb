"""Which pods and addresses the platform's pods may talk to."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.forms import DNS_NAME, as_written
from settings.machinery.types import DnsLabel, Form, Section

Part = Literal["infisical", "database", "pooler", "redis", "sentinel", "jobs"]
Port = Annotated[int, Field(ge=1, le=65535)]


def _form(pattern: str, reason: str) -> Form:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^({pattern})$")


def _range(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(_RANGE) from None
    if "%" in value:  # a zone, which Kubernetes refuses
        raise ValueError(_RANGE)
    return value


def _cidr(value: str) -> str:
    """Return a range as Kubernetes takes it, which refuses an address without a length and one with a netmask."""
    return str(ipaddress.ip_network(value))


_RANGE = "Write a range of addresses as network/length, as in 10.0.0.0/8 or 192.0.2.7/32, without bits of a host"
Range = Annotated[str, Form(_range, _RANGE)]
Cidr = Annotated[Range, AfterValidator(_cidr)]
_LABEL = r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]"
LabelValue = Annotated[
    str,
    BeforeValidator(as_written),
    _form(rf"({_LABEL})?", "Write a label's value as pods have it, at most 63 characters"),
]
LabelKey = Annotated[
    str,
    _form(
        rf"((?=[^/]{{1,253}}/){DNS_NAME}/)?{_LABEL}",
        "Write a label's name as pods have it, as in app.kubernetes.io/name",
    ),
]


class Peer(Section):
    """Pods of a namespace, or a range of addresses. An address can be anything but a pod."""

    namespace: DnsLabel | None = Field(default=None, description="Namespace of the pods.")
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels that the pods have. Default: every pod of the namespace."
    )
    cidr: Cidr | None = Field(
        default=None, description="Range of addresses outside of the pods' network: of nodes, machines or services."
    )

    def __str__(self) -> str:
        labels = f" with {', '.join(f'{name}={value}' for name, value in self.labels.items())}" if self.labels else ""
        return self.cidr or f"in namespace {self.namespace}{labels}"

    @model_validator(mode="after")
    def _names_pods_or_addresses(self) -> Peer:
        if bool(self.namespace) == bool(self.cidr):
            raise ValueError("set either namespace or cidr, because a rule names pods or addresses")
        if self.labels and not self.namespace:
            raise broken_rule("labels", "they select pods, so set namespace too, or remove them")
        return self


class OperatorNamespaces(Section):
    """Where the operators run. Without a path to their servers, those of the two databases repair nothing."""

    postgres: DnsLabel = Field(default="postgres-operator", description="Namespace of the Zalando operator.")
    redis: DnsLabel = Field(default="redis-operator", description="Namespace of the redis-operator.")
    external_secrets: DnsLabel = Field(
        default="external-secrets",
        description="Namespace of the External Secrets Operator, which reads from Infisical with secretsOperator.kind "
        "externalSecrets.",
    )


class ApiServer(Section):
    """Where Patroni and the Jobs reach the API server."""

    cidrs: tuple[Cidr, ...] = Field(
        default=(),
        description="Addresses of the API server's endpoints. Default: any address, because they can change, and "
        "Patroni gives up the database without them. Cilium matches none of its nodes by address.",
    )
    ports: tuple[Port, ...] = Field(
        default=(443, 6443),
        min_length=1,
        description="Ports of the API server's endpoints. `kubectl get endpointslices -l "
        "kubernetes.io/service-name=kubernetes` lists them.",
    )


class ExtraPath(Section):
    """One more path, from or to a part of the platform."""

    part: Part = Field(description="The part of the platform. `jobs` are all pods that this program runs itself.")
    peer: Peer = Field(description="Who is at the other end.")
    ports: tuple[Port, ...] = Field(default=(), description="TCP ports. Default: every port.")


class NetworkPolicySettings(Section):
    """Policies that close the platform's namespaces to everything that is not a path of its own."""

    enabled: bool = Field(
        default=True,
        description="Make NetworkPolicies. Without them, any pod of the cluster can reconfigure PostgreSQL through "
        "Patroni and have the Sentinels name a false master. They have an effect where the network plugin enforces "
        "them.",
    )
    operators: OperatorNamespaces = OperatorNamespaces()
    ingress_controller: tuple[Peer, ...] = Field(
        default=(),
        description="Who may reach Infisical's pods. Default: everybody, because an ingress controller may run on the "
        "nodes' network or be a load balancer outside. Set it, because Infisical believes the headers that it adds.",
    )
    dns: tuple[Peer, ...] = Field(
        default=(),
        description="Who answers DNS. Default: any address on ports 53 and 5353, because a cache on each node has "
        "addresses of its own.",
    )
    api_server: ApiServer = ApiServer()
    metrics: tuple[Peer, ...] = Field(
        default=(),
        description="Who may read the metrics of Infisical, of both databases, and of operators that the stack "
        "installs. Default: nobody.",
    )
    outbound: Literal["public", "listed"] = Field(
        default="public",
        description="`public` lets Infisical reach public addresses on every port, as integrations do, and private "
        "ones on 443 and on the ports that this stack's settings name. With infisical.allowInternalIpConnections it "
        "reaches private ones on every port too. `listed` leaves only 443 and the named ports.",
    )
    extra_ingress: tuple[ExtraPath, ...] = Field(default=(), description="More pods and addresses that may come in.")
    extra_egress: tuple[ExtraPath, ...] = Field(
        default=(), description="More pods and addresses that may be reached, such as an object store for WAL."
    )
