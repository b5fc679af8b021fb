"""Infisical itself: migrations, then the Helm release of either chart, then the proof that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import helm

from components.base.content import versioned_secret
from components.base.gate import Gate, GateArgs
from components.base.job import run_once
from components.base.names import type_token
from components.base.pod import SecretFiles, SecretKey, Step, pod_template
from components.base.rbac import PolicyRule
from components.infisical_secrets import InfisicalSecrets
from components.platform_db import PlatformDb
from components.platform_kv import PlatformKv
from settings import Settings
from settings.infisical import Flavour, InfisicalSettings

PORT = 8080
_RELEASE = "infisical"


def workload_name(flavour: Flavour) -> str:
    """Return what the chart calls its Deployment and its Service, for a release named infisical."""
    return "infisical-backend" if flavour == "infisical" else "infisical"


@dataclass(frozen=True, kw_only=True, slots=True)
class InfisicalReleaseArgs:
    """What is deployed, and the environment it gets."""

    infisical: InfisicalSettings  # image, replicas and chart
    secrets: InfisicalSecrets  # the environment; pods are replaced when its fingerprint changes
    database: PlatformDb  # migrations go to its primary: their session parameters would stay behind in the pooler
    redis: PlatformKv  # the release waits for it, migrations do not use it
    python_image: str
    migration_deadline_seconds: int = 600
    rollout_deadline_seconds: int = 600

    @classmethod
    def of(
        cls, settings: Settings, database: PlatformDb, redis: PlatformKv, secrets: InfisicalSecrets
    ) -> InfisicalReleaseArgs:
        """Return what a stack's settings say of it."""
        return cls(
            infisical=settings.infisical,
            secrets=secrets,
            database=database,
            redis=redis,
            python_image=settings.jobs.python_image,
        )


class InfisicalRelease(ComponentResource):
    """Create the migration Job and its Secret, the Helm release, and a Gate.

    Helm only applies: while it waits, a kill leaves the release locked for good. The Gate watches the rollout, then
    asks /api/status through the Service; when pods don't come up it ends with the reason and their last log line.
    """

    service: str

    def __init__(self, name: str, args: InfisicalReleaseArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("InfisicalRelease"), name, None, opts)
        self._namespace, self._secret = args.secrets.ref.namespace, args.secrets.ref.name
        self.service = workload_name(args.infisical.chart.flavour)
        migration = run_once(
            f"{name}-migration",
            self._namespace,
            pod_template(self._migration(name, args)),
            args.migration_deadline_seconds,
            parent=self,
        )
        chart = args.infisical.chart
        chart_values = values(args)
        release = helm.v3.Release(
            name,
            name=_RELEASE,
            namespace=self._namespace,
            chart=chart.location,
            values=chart_values,
            skip_await=True,
            opts=ResourceOptions(parent=self, depends_on=[migration, args.redis]),
        )
        Gate(
            f"{name}-gate",
            GateArgs(
                namespace=self._namespace,
                steps=[self._rollout(args)],
                triggers={"chart": [chart.location, chart.version], "values": chart_values},
                deadline_seconds=args.rollout_deadline_seconds,
                after=[release],
            ),
            ResourceOptions(parent=self),
        )
        self.register_outputs({"service": self.service})

    def _migration(self, name: str, args: InfisicalReleaseArgs) -> Step:
        uri = {"DB_CONNECTION_URI": args.database.uri(args.database.primary)}
        primary = versioned_secret(f"{name}-migration-uri", self._namespace, uri, parent=self)
        return Step(
            name="migration",
            image=args.infisical.image,
            command=["npm", "run", "migration:latest"],
            env={
                "DB_CONNECTION_URI": SecretKey(secret=primary.metadata.name, key="DB_CONNECTION_URI"),
                "HOME": "/tmp",  # npm writes its log there
            },
            env_from=self._secret,
        )

    def _rollout(self, args: InfisicalReleaseArgs) -> Step:
        return Step(
            name="rollout",
            image=args.python_image,
            script="infisical_release/rollout.py",
            config={
                "namespace": self._namespace,
                "deployment": self.service,
                "url": f"http://{self.service}.{self._namespace}.svc:{PORT}/api/status",
                "deadline_seconds": args.rollout_deadline_seconds,
            },
            env={"REDACT_DIR": "/redact"},
            rules=[
                PolicyRule(group="apps", resource="deployments", verbs=["get"], names=[self.service]),
                PolicyRule(group="apps", resource="replicasets", verbs=["list"]),
                PolicyRule(group="", resource="pods", verbs=["list"]),
                PolicyRule(group="", resource="pods/log", verbs=["get"]),
            ],
            files=[SecretFiles(secret=self._secret, folder="/redact")],
        )


def values(args: InfisicalReleaseArgs) -> dict[str, Input[object]]:
    """Return the chart's values. Neither chart has a schema: a misplaced key would be ignored, and keys generated."""
    repository, tag = args.infisical.image.rsplit(":", 1)
    # Each chart installs databases and an ingress of its own by default.
    bundled: dict[str, Mapping[str, object]] = {
        "redis": {"enabled": False},
        "ingress": {"enabled": False, "nginx": {"enabled": False}},
    }
    workload: dict[str, object] = {
        "replicaCount": args.infisical.replicas,
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "kubeSecretRef": args.secrets.ref.name,
        "podAnnotations": {"infisical-platform/environment": args.secrets.fingerprint},
    }
    flavour = args.infisical.chart.flavour
    if flavour == "infisical":
        return {**bundled, "mongodb": {"enabled": False}, "mailhog": {"enabled": False}, "backend": workload}
    # Without the override it would be called infisical-infisical-standalone-infisical.
    workload["fullnameOverride"] = workload_name(flavour)
    return {**bundled, "postgresql": {"enabled": False}, "infisical": workload}
