"""Publishes the database's authority to Infisical, and keeps it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import batch, meta

from components.names import Endpoint, SecretRef, type_token
from components.pod import Step, digest, pod_template, run_once, scripts
from components.rights import Rule, grant, service_account


@dataclass(frozen=True, kw_only=True, slots=True)
class CertSyncArgs:
    """What CertSync publishes, where to, and what it checks before."""

    authority: SecretRef  # Secret whose `ca.crt` clients must trust
    leaf: SecretRef  # Secret with the certificate that the endpoints serve
    target: SecretRef  # Secret that receives `target_key`: base64 of the PEM
    target_key: str
    target_uid: Input[str]  # another Secret of that name needs the key again
    endpoints: Sequence[Endpoint]  # each must present a chain to `authority`, for its own DNS name
    cluster: str  # the `postgresql` resource, whose pooler is restarted for a renewed leaf
    pooler_instances: int
    deployment: str  # of Infisical, restarted for a changed authority
    python_image: Input[str]
    schedule: str = "*/15 * * * *"  # renewals are noticed within one period
    deadline_seconds: int = 120


class CertSync(ComponentResource):
    """Keeps DB_ROOT_CERT of `target` equal to the authorities that the database really serves under.

    Creates a ServiceAccount, a Role and a RoleBinding in each of the two namespaces, a ConfigMap with the script, a Job
    (at deploy) and a CronJob (renewals). Ready once the Job has verified every endpoint. A certificate that does not
    verify is never published: the Job fails and says which endpoint presented what.
    """

    def __init__(self, name: str, args: CertSyncArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("CertSync"), name, None, opts)
        namespace = args.target.namespace
        step = Step(name="cert-sync", image=args.python_image, script="cert_sync.py", config=_config(args))
        scripts_map = scripts(f"{name}-scripts", namespace, [step], parent=self)
        account = service_account(name, namespace, parent=self)
        publish = grant(f"{name}-target", namespace, _target_rules(args), account, parent=self)
        read = grant(f"{name}-source", args.authority.namespace, _source_rules(args), account, parent=self)
        template = pod_template(
            step,
            scripts_map=scripts_map.metadata.name,
            service_account=account.metadata.name,
            annotations={"infisical-platform/value": args.target_uid},
        )
        first = run_once(name, namespace, template, args.deadline_seconds, parent=self, depends_on=[publish, read])
        batch.v1.CronJob(
            f"{name}-schedule",
            metadata=meta.v1.ObjectMetaArgs(name=name, namespace=namespace),
            spec=batch.v1.CronJobSpecArgs(
                schedule=args.schedule,
                concurrency_policy="Forbid",
                successful_jobs_history_limit=1,
                failed_jobs_history_limit=3,
                job_template=batch.v1.JobTemplateSpecArgs(
                    spec=batch.v1.JobSpecArgs(
                        backoff_limit=0, active_deadline_seconds=args.deadline_seconds + 60, template=template
                    )
                ),
            ),
            opts=ResourceOptions(parent=self, depends_on=[first]),
        )
        self.register_outputs({"publishes": digest(_config(args))})


def _config(args: CertSyncArgs) -> dict[str, object]:
    return {
        "authority": _secret(args.authority),
        "leaf": _secret(args.leaf),
        "target": {**_secret(args.target), "key": args.target_key},
        "endpoints": [{"host": e.host, "port": e.port, "role": e.role} for e in args.endpoints],
        "database": {"namespace": args.authority.namespace, "name": args.cluster},
        "deployment": {"namespace": args.target.namespace, "name": args.deployment},
        "pooler_instances": args.pooler_instances,
        "deadline_seconds": args.deadline_seconds,
    }


def _secret(ref: SecretRef) -> dict[str, str]:
    return {"namespace": ref.namespace, "secret": ref.name}


def _source_rules(args: CertSyncArgs) -> list[Rule]:
    return [
        Rule(group="", resource="secrets", verbs=["get"], names=[args.authority.name, args.leaf.name]),
        Rule(group="acid.zalan.do", resource="postgresqls", verbs=["get", "patch"], names=[args.cluster]),
    ]


def _target_rules(args: CertSyncArgs) -> list[Rule]:
    return [
        Rule(group="", resource="secrets", verbs=["get", "patch"], names=[args.target.name]),
        Rule(group="apps", resource="deployments", verbs=["get", "patch"], names=[args.deployment]),
    ]
