"""Install Infisical's operator, which copies secrets into the namespaces that get some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import helm

from components.base.content import digest
from components.base.gate import Gate, GateArgs
from components.base.names import type_token
from components.base.pod import Step
from components.base.rbac import PolicyRule
from components.infisical_release import InfisicalRelease
from components.network_paths import Path, network_paths
from components.network_policies import closed_namespace
from components.operator_chart import OperatorChart, own_kind
from components.stack_identity import StackIdentity
from settings import Settings
from settings.names import Names
from settings.secrets_operator import SecretsOperatorSettings

RELEASE = "infisical-secrets-operator"
_LONGEST = 15  # the chart cuts its name to as many characters
# The chart serves metrics to whoever asks, without a log-in.
_ARGUMENTS = ("--leader-elect", "--health-probe-bind-address=:8081", "--metrics-bind-address=0")


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretsOperatorArgs:
    """Which operator is installed, and where it may act."""

    operator: SecretsOperatorSettings
    names: Names
    chart: OperatorChart | None  # None where the cluster's own operator is used
    targets: Sequence[str]  # namespaces that get something
    identity: Mapping[str, Input[str]]  # annotations that tell whose the namespace is
    address: str  # of Infisical, within the cluster
    paths: Sequence[Path]  # who may reach whom
    keep: bool  # the definitions stay when the stack goes, with everybody's custom resources
    python_image: str

    @classmethod
    def of(
        cls,
        settings: Settings,
        identity: StackIdentity,
        release: InfisicalRelease,
        chart: OperatorChart | None,
    ) -> SecretsOperatorArgs | None:
        """Build the arguments from the stack's settings, None for a stack without an operator."""
        if not settings.secrets_operator:
            return None
        return cls(
            operator=settings.secrets_operator,
            names=settings.cluster.names,
            chart=chart,
            targets=settings.target_namespaces,
            identity=identity.annotations,
            address=release.address,
            paths=network_paths(settings),
            keep=settings.cluster.protect or bool(settings.cluster.name_prefix),
            python_image=settings.jobs.python_image,
        )


class SecretsOperator(ComponentResource):
    """Create the operator's namespace, its kinds, its Helm release, and a Gate that waits for its pods.

    The operator acts in its own namespace and in those that get something, and may read no Secret anywhere else. The
    kinds are the stack's and not the release's, because Helm would delete every custom resource with them. With
    External Secrets Operator, the namespace alone is made: it has the accounts by which that operator logs in.
    """

    namespace: str
    made: Output[str]  # its name, known once it is there
    address: str  # of Infisical, as the operator reaches it
    settings: SecretsOperatorSettings
    names: Names
    revision: str  # differs with what is installed

    def __init__(self, name: str, args: SecretsOperatorArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("SecretsOperator"), name, None, opts)
        self.address, self.settings, self.names = args.address, args.operator, args.names
        self.namespace = args.names.own(args.operator.namespace)
        own, closed = closed_namespace(name, self.namespace, args.identity, args.paths, ResourceOptions(parent=self))
        self.made = own.metadata.name
        self.revision = digest([args.chart.digest if args.chart else None, values(args)])
        if args.chart:
            kinds = [own_kind(f"{name}-{_short(kind)}", kind, keep=args.keep, parent=self) for kind in args.chart.kinds]
            self._install(name, args, args.chart, self.made, [*kinds, closed])
        self.register_outputs({"namespace": self.namespace})

    @classmethod
    def wanted(cls, name: str, args: SecretsOperatorArgs | None, opts: ResourceOptions) -> SecretsOperator | None:
        """Create it for a stack that has one."""
        return cls(name, args, opts) if args else None

    @property
    def deployment(self) -> str:
        """Return the name of the operator's Deployment."""
        return f"{chart_name(self.names)}-controller-manager"

    def _install(
        self,
        name: str,
        args: SecretsOperatorArgs,
        chart: OperatorChart,
        namespace: Input[str],
        needs: Sequence[Resource],
    ) -> None:
        chart_values, deadline = values(args), args.operator.deadline_minutes * 60
        release = helm.v3.Release(
            name,
            name=RELEASE,
            namespace=namespace,
            chart=chart.location,
            values=chart_values,
            skip_await=True,  # the Gate waits, and names the cause
            opts=ResourceOptions(parent=self, depends_on=list(needs)),
        )
        step = Step(
            name="ready",
            image=args.python_image,
            script="secrets_operator/operator_ready.py",
            config={
                "namespace": self.namespace,
                "deployment": self.deployment,
                "deadline_seconds": deadline,
            },
            rules=[
                PolicyRule(group="apps", resource="deployments", verbs=["get"], names=[self.deployment]),
                PolicyRule(group="", resource="pods", verbs=["list"]),
                PolicyRule(group="", resource="events", verbs=["list"]),
            ],
        )
        triggers = {"chart": chart.digest, "values": chart_values}
        Gate(
            f"{name}-gate",
            GateArgs(
                namespace=namespace,
                steps=[step],
                triggers=triggers,
                deadline_seconds=deadline,
                after=[release],
            ),
            ResourceOptions(parent=self),
        )


def values(args: SecretsOperatorArgs) -> dict[str, Input[object]]:
    """Return the chart's values. It has no schema, and would ignore a misplaced key."""
    repository, tag = args.operator.image.rsplit(":", 1)
    # The release's name, cut, would be another stack's too, and some of the chart's roles are the cluster's.
    named = {"fullnameOverride": chart_name(args.names)} if args.names.prefix else {}
    return {
        **named,
        "hostAPI": f"{args.address}/api",  # otherwise older kinds would ask Infisical's own cloud
        "installCRDs": False,
        # Both, or the operator is told no namespaces and may read every Secret of the cluster.
        "scopedNamespaces": sorted({args.names.own(args.operator.namespace), *args.targets}),
        "scopedRBAC": True,
        "controllerManager": {
            "manager": {
                "args": list(_ARGUMENTS),
                "image": {"repository": repository, "tag": tag},
                "resources": {"limits": {"memory": args.operator.memory_limit}},
            }
        },
        "telemetry": {"serviceMonitor": {"enabled": False}},
    }


def chart_name(names: Names) -> str:
    """Return what the names of the chart's objects begin with."""
    return f"{names.prefix}-so" if names.prefix else RELEASE[:_LONGEST].removesuffix("-")


def _short(kind: Mapping[str, Any]) -> str:
    return str(kind["metadata"]["name"]).partition(".")[0]
