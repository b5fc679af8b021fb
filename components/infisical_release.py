"""Infisical itself: migrations, then the Helm release of either chart, then the proof that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pulumi import ComponentResource, Input, Resource, ResourceOptions
from pulumi_kubernetes import helm

from components.gate import Gate, GateArgs
from components.names import SecretRef, type_token
from components.pod import SecretFiles, SecretKey, Step, pod_template, run_once, versioned_secret
from components.rights import Rule

Flavour = Literal["infisical", "infisical-standalone"]
PORT = 8080
_RELEASE = "infisical"


def object_name(flavour: Flavour) -> str:
    """What the chart calls its Deployment and its Service, for a release named infisical."""
    return "infisical-backend" if flavour == "infisical" else "infisical"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A chart of Infisical, as a folder or an archive of this machine."""

    flavour: Flavour
    version: str
    path: str  # relative to the project, so that every machine gives the release the same input


@dataclass(frozen=True, kw_only=True, slots=True)
class InfisicalReleaseArgs:
    """What is deployed, and the environment it gets."""

    chart: Chart
    image: str  # repository:tag
    replicas: int
    environment: SecretRef
    redis: Resource  # the release waits for it, migrations do not use it
    fingerprint: Input[str]  # of the environment: pods are replaced when it changes
    primary_uri: Input[str]  # for migrations: the session parameters they set would stay behind in the pooler
    python_image: Input[str]
    migration_deadline_seconds: int = 600
    rollout_deadline_seconds: int = 600


class InfisicalRelease(ComponentResource):
    """Creates the migration Job and its Secret, the Helm release, and a Gate.

    Helm only applies: while it waits, a kill leaves the release locked for good. The Gate watches the rollout, then
    asks /api/status through the Service; when pods don't come up it ends with the reason and their last log line.
    """

    service: str

    def __init__(self, name: str, args: InfisicalReleaseArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("InfisicalRelease"), name, None, opts)
        namespace, secret = args.environment.namespace, args.environment.name
        primary_uri = {"DB_CONNECTION_URI": args.primary_uri}
        primary = versioned_secret(f"{name}-migration-uri", namespace, primary_uri, parent=self)
        migrate = Step(
            name="migration",
            image=args.image,
            command=["npm", "run", "migration:latest"],
            env={
                "DB_CONNECTION_URI": SecretKey(secret=primary.metadata.name, key="DB_CONNECTION_URI"),
                "HOME": "/tmp",  # npm writes its log there
            },
            env_from=secret,
        )
        migration = run_once(
            f"{name}-migration",
            namespace,
            pod_template(migrate),
            args.migration_deadline_seconds,
            parent=self,
        )
        chart = args.chart
        release = helm.v3.Release(
            name,
            name=_RELEASE,
            namespace=namespace,
            chart=chart.path,
            values=values(args),
            skip_await=True,
            opts=ResourceOptions(parent=self, depends_on=[migration, args.redis]),
        )
        deployment = object_name(chart.flavour)
        rollout = Step(
            name="rollout",
            image=args.python_image,
            script="rollout.py",
            config={
                "namespace": namespace,
                "deployment": deployment,
                "url": f"http://{deployment}.{namespace}.svc:{PORT}/api/status",
                "deadline_seconds": args.rollout_deadline_seconds,
            },
            env={"REDACT_DIR": "/redact"},
            rules=[
                Rule(group="apps", resource="deployments", verbs=["get"], names=[deployment]),
                Rule(group="apps", resource="replicasets", verbs=["list"]),
                Rule(group="", resource="pods", verbs=["list"]),
                Rule(group="", resource="pods/log", verbs=["get"]),
            ],
            files=[SecretFiles(secret=secret, folder="/redact")],
        )
        Gate(
            f"{name}-gate",
            GateArgs(
                namespace=namespace,
                steps=[rollout],
                guards=[chart.flavour, chart.version, args.image, args.replicas],
                guarded_value=args.fingerprint,
                deadline_seconds=args.rollout_deadline_seconds,
                after=[release],
            ),
            ResourceOptions(parent=self),
        )
        self.service = deployment
        self.register_outputs({"service": deployment})


def values(args: InfisicalReleaseArgs) -> dict[str, object]:
    """The chart's values. Neither chart has a schema: a misplaced key would be ignored, and keys generated anew."""
    repository, tag = args.image.rsplit(":", 1)
    # Each chart installs databases and an ingress of its own by default.
    bundled: dict[str, Mapping[str, object]] = {
        "redis": {"enabled": False},
        "ingress": {"enabled": False, "nginx": {"enabled": False}},
    }
    workload = {
        "replicaCount": args.replicas,
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "kubeSecretRef": args.environment.name,
        "podAnnotations": {"infisical-platform/environment": args.fingerprint},
    }
    if args.chart.flavour == "infisical":
        return {**bundled, "mongodb": {"enabled": False}, "mailhog": {"enabled": False}, "backend": workload}
    # Without the override it would be called infisical-infisical-standalone-infisical.
    workload["fullnameOverride"] = object_name(args.chart.flavour)
    return {**bundled, "postgresql": {"enabled": False}, "infisical": workload}
