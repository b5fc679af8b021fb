"""Deploy Infisical as a Helm release of either chart, and prove that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import helm

from components.base.budget import budget
from components.base.gate import Gate, GateArgs
from components.base.names import type_token
from components.base.pod import SecretFiles, Step
from components.base.ports import INFISICAL_PORT
from components.base.rbac import PolicyRule
from components.databases import Redis
from components.helm_release import FIRST, HelmRelease
from components.infisical_migration import InfisicalMigration
from components.infisical_pods import authorities_of, labels, other_flavour, patched, pod_fields, workload_name
from components.infisical_secrets import InfisicalSecrets
from settings import Settings
from settings.infisical import InfisicalSettings
from settings.resources import resources_of


@dataclass(frozen=True, kw_only=True, slots=True)
class InfisicalReleaseArgs:
    """What is deployed, and the environment that it gets."""

    infisical: InfisicalSettings  # image, replicas and chart
    helm: HelmRelease
    secrets: InfisicalSecrets  # the environment; pods are replaced when its fingerprint changes
    migration: InfisicalMigration  # the release waits for it
    redis: Redis  # which the release waits for too: the migration uses none
    python_image: str
    trusted: str  # private authorities, as PEM
    restored: str | None  # a restore stops Infisical, and the release starts it again

    @classmethod
    def of(
        cls,
        settings: Settings,
        helm: HelmRelease,
        migration: InfisicalMigration,
        redis: Redis,
        secrets: InfisicalSecrets,
    ) -> InfisicalReleaseArgs:
        """Build the arguments from the stack's settings."""
        return cls(
            infisical=settings.infisical,
            helm=helm,
            secrets=secrets,
            migration=migration,
            redis=redis,
            python_image=settings.jobs.python_image,
            trusted=settings.trusted,
            restored=settings.restore.id if settings.restore else None,
        )


class InfisicalRelease(ComponentResource):
    """Create the Helm release, a patch and a budget for its pods, and a Gate.

    Helm only applies, because a kill while it waits would leave the release locked for good. The patch has every proxy
    leave a pod before it ends, and the budget has the pods leave their nodes one at a time. The Gate watches the
    rollout, then asks for the status and logs in with nonsense, through the Service. If pods don't come up, it ends
    with the reason and their last log line.
    """

    service: str
    address: str  # of the Service, within the cluster
    retiring_deployment: str | None  # of the other chart, once the stack has switched

    def __init__(self, name: str, args: InfisicalReleaseArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("InfisicalRelease"), name, None, opts)
        self._namespace, self._secret = args.secrets.ref.namespace, args.secrets.ref.name
        chart = args.infisical.chart
        self.service = workload_name(chart.flavour)
        self.address = f"http://{self.service}.{self._namespace}.svc:{INFISICAL_PORT}"
        retiring = workload_name(other_flavour(chart.flavour))
        self.retiring_deployment = retiring if args.helm.name != FIRST else None
        chart_values = values(args)
        release = helm.v3.Release(
            args.helm.name,
            name=args.helm.name,
            namespace=self._namespace,
            chart=args.helm.chart.location,
            values=chart_values,
            # An upgrade by nothing but this gives the Deployment its replicas again, and replaces no pod.
            description=f"after restore {args.restored}" if args.restored else None,
            skip_await=True,
            opts=ResourceOptions(parent=self, depends_on=[args.migration, args.redis]),
        )
        authorities = authorities_of(name, self._namespace, args.trusted, parent=self)
        fields = pod_fields(args.infisical, authorities, args.redis.sentinels)
        patch = patched(f"{args.helm.name}-pods", self._namespace, args.infisical, fields, release, parent=self)
        logical = f"{args.helm.name}-budget"
        budget(self.service, self._namespace, labels(chart.flavour), logical=logical, parent=self)
        Gate(
            f"{name}-gate",
            GateArgs(
                namespace=self._namespace,
                steps=[self._rollout(args)],
                triggers={
                    "chart": [args.helm.chart.location, chart.version],
                    "values": chart_values,
                    "pods": fields,
                    **({"restore": args.restored} if args.restored else {}),
                },
                deadline_seconds=args.infisical.deadline_minutes * 60,
                after=[patch],
            ),
            ResourceOptions(parent=self),
        )
        self.register_outputs({"service": self.service})

    def _rollout(self, args: InfisicalReleaseArgs) -> Step:
        return Step(
            name="rollout",
            image=args.python_image,
            script="infisical_release/rollout.py",
            config={
                "namespace": self._namespace,
                "deployment": self.service,
                "url": f"{self.address}/api/status",
                "login_url": f"{self.address}/api/v1/auth/universal-auth/login",
                "deadline_seconds": args.infisical.deadline_minutes * 60,
            },
            env={"REDACT_DIR": "/redact"},
            rules=[
                PolicyRule(group="apps", resource="deployments", verbs=["get"], names=[self.service]),
                PolicyRule(group="apps", resource="replicasets", verbs=["list"]),
                PolicyRule(group="", resource="pods", verbs=["list"]),
                PolicyRule(group="", resource="pods/log", verbs=["get"]),
                PolicyRule(group="", resource="events", verbs=["list"]),
            ],
            files=[SecretFiles(secret=self._secret, folder="/redact")],
        )


def values(args: InfisicalReleaseArgs) -> dict[str, Input[object]]:
    """Return the chart's values. No chart has a schema: it would ignore a misplaced key, and generate secrets."""
    repository, tag = args.infisical.image.rsplit(":", 1)
    # Each chart installs databases and an ingress of its own by default.
    bundled: dict[str, Mapping[str, object]] = {
        "redis": {"enabled": False},
        "ingress": {"enabled": False, "nginx": {"enabled": False}},
    }
    flavour = args.infisical.chart.flavour
    workload: dict[str, object] = {
        "fullnameOverride": workload_name(flavour),  # otherwise it depends on the release's name
        "replicaCount": args.infisical.replicas,
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "kubeSecretRef": args.secrets.ref.name,
        "resources": resources_of(args.infisical),
        "podAnnotations": {
            "infisical-platform/environment": args.secrets.fingerprint,
            "infisical-platform/chart": args.helm.chart.digest,
        },
    }
    if flavour == "infisical":
        return {**bundled, "mongodb": {"enabled": False}, "mailhog": {"enabled": False}, "backend": workload}
    # Before 1.7 the chart migrates too, by a Job through the pooler that its pods wait for.
    workload["autoDatabaseSchemaMigration"] = False
    return {**bundled, "postgresql": {"enabled": False}, "infisical": workload}
