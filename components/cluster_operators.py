"""Install the operators that the platform stands on, in a cluster that has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import helm

from components.base.gate import Gate, GateArgs
from components.base.names import type_token
from components.base.pod import Step
from components.base.rbac import PolicyRule
from components.network_paths import Path
from components.network_policies import closed_namespace
from components.operator_chart import OperatorChart, own_kind
from components.operator_paths import operator_paths
from components.operator_values import RELEASES, VALUES, Json, namespace_of
from components.stack_identity import StackIdentity
from settings import Settings
from settings.operators import Operator

# What each chart makes, with the names of our releases.
DEPLOYMENTS: Mapping[Operator, Sequence[str]] = {
    "postgres": ["postgres-operator"],
    "redis": ["redis-operator"],
    "certManager": ["cert-manager", "cert-manager-cainjector", "cert-manager-webhook"],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledOperator:
    """One of them: its chart, where it runs and what it is told."""

    operator: Operator
    namespace: str
    chart: OperatorChart
    values: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterOperatorsArgs:
    """What is installed."""

    installed: Sequence[InstalledOperator]
    identity: Mapping[str, Input[str]]  # annotations that tell whose a namespace is
    paths: Sequence[Path]  # who may reach whom
    keep: bool  # operators that leave the stack stay in the cluster
    deadline_seconds: int  # of each gate
    python_image: str

    @classmethod
    def of(
        cls, settings: Settings, identity: StackIdentity, charts: Mapping[str, OperatorChart]
    ) -> ClusterOperatorsArgs | None:
        """Build the arguments from the stack's settings. None where the cluster has every operator already."""
        installed = [
            InstalledOperator(
                operator=operator,
                namespace=namespace_of(settings, operator),
                chart=charts[RELEASES[operator]],
                values=VALUES[operator](settings),
            )
            for operator in settings.operators.installed
        ]
        if not installed:
            return None
        return cls(
            installed=installed,
            identity=identity.annotations,
            paths=[*operator_paths(settings)],
            keep=settings.cluster.protect,
            deadline_seconds=settings.operators.deadline_minutes * 60,
            python_image=settings.jobs.python_image,
        )


class ClusterOperators(ComponentResource):
    """Create each operator's namespace, its kinds, its Helm release, and a Gate that waits for its pods.

    The kinds come first and are upgraded before their operator. They stay when the stack goes: they are the cluster's,
    and their end would be the end of every database and certificate in it. Everything that needs an operator waits for
    the Gate, and so it is deleted before the operator is, which has to clean up.

    Where data is protected, an operator that the settings no longer install stays as it is, with its namespace, the
    NetworkPolicies and the pull Secret there: others stand on it, and cert-manager's namespace has the keys of
    everybody's ClusterIssuers.
    """

    made: Mapping[str, Output[str]]  # the namespaces, by release, each known once it is there
    kept: bool  # what leaves the stack stays

    def __init__(self, name: str, args: ClusterOperatorsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("ClusterOperators"), name, None, opts)
        self.kept = args.keep
        self.made = {
            RELEASES[each.operator]: self._install(RELEASES[each.operator], each, args) for each in args.installed
        }
        # safeguards.operators reads what the last update has kept.
        self.register_outputs({"operators": sorted(self.made), "kept": args.keep})

    @classmethod
    def wanted(cls, name: str, args: ClusterOperatorsArgs | None, opts: ResourceOptions) -> ClusterOperators | None:
        """Create it for a stack that installs any."""
        return cls(name, args, opts) if args else None

    def _install(self, name: str, each: InstalledOperator, args: ClusterOperatorsArgs) -> Output[str]:
        staying = ResourceOptions(parent=self, retain_on_delete=args.keep)
        own, closed = closed_namespace(name, each.namespace, args.identity, args.paths, staying)
        made = own.metadata.name
        kinds = [own_kind(kind["metadata"]["name"], kind, keep=True, parent=self) for kind in each.chart.terse_kinds]
        release = helm.v3.Release(
            name,
            name=name,
            namespace=made,
            chart=each.chart.location,
            values=each.values,
            skip_crds=True,
            skip_await=True,  # the Gate waits, and names the cause
            opts=ResourceOptions(parent=self, depends_on=[*kinds, closed], retain_on_delete=args.keep),
        )
        gate = GateArgs(
            namespace=made,
            steps=[_ready(each, args)],
            triggers={"chart": each.chart.digest, "values": each.values},
            deadline_seconds=args.deadline_seconds,
            after=[release],
        )
        Gate(f"{name}-gate", gate, ResourceOptions(parent=self))
        return made.apply(str)


def _ready(each: InstalledOperator, args: ClusterOperatorsArgs) -> Step:
    """Return the gate's step. cert-manager is ready once its webhook answers, which the API server must trust."""
    asks = each.operator == "certManager"
    rules = [
        PolicyRule(group="apps", resource="deployments", verbs=["get"], names=DEPLOYMENTS[each.operator]),
        PolicyRule(group="", resource="pods", verbs=["list"]),
        PolicyRule(group="", resource="events", verbs=["list"]),
    ]
    if asks:
        rules.append(PolicyRule(group="cert-manager.io", resource="issuers", verbs=["create"]))
    return Step(
        name="ready",
        image=args.python_image,
        script="cluster_operators/operators_ready.py",
        config={
            "namespace": each.namespace,
            "deployments": DEPLOYMENTS[each.operator],
            "deadline_seconds": args.deadline_seconds,
            **({"webhook": f"/apis/cert-manager.io/v1/namespaces/{each.namespace}/issuers"} if asks else {}),
        },
        rules=rules,
    )
