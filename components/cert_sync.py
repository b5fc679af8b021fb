"""Publish the database's authority to Infisical, and keep it up to date."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi import ComponentResource, ResourceOptions

from components.base.content import digest
from components.base.job import run_on_schedule, run_once
from components.base.names import DATABASE_CLUSTER, type_token
from components.base.pod import SecretFiles, Step, pod_template
from components.base.rbac import PolicyRule, role_binding, service_account
from components.base.references import SecretRef
from components.base.scripts import scripts_map
from components.databases import Database
from components.external_db import ExternalDb
from components.infisical_pods import workload_name
from components.infisical_secrets import CA_KEY, InfisicalSecrets
from components.platform_db import PlatformDb
from settings import Settings

_AUTHORITY_FOLDER = "/authority"
_LEAF_FOLDER = "/leaf"


@dataclass(frozen=True, kw_only=True, slots=True)
class CertSyncArgs:
    """What CertSync publishes, where it publishes it, and what it checks first."""

    database: PlatformDb  # each pod must present a chain to its authority, for its Service's DNS name
    secrets: InfisicalSecrets  # receives DB_ROOT_CERT: base64 of the PEM
    deployment: str  # Infisical's, restarted for a changed authority
    python_image: str
    schedule: str  # the CronJob's: renewals are noticed within one period
    deadline_seconds: int

    @classmethod
    def of(cls, settings: Settings, database: Database, secrets: InfisicalSecrets) -> CertSyncArgs | None:
        """Build the arguments from the stack's settings, None where somebody else certifies the database."""
        if isinstance(database, ExternalDb):
            return None
        return cls(
            database=database,
            secrets=secrets,
            deployment=workload_name(settings.infisical.chart.flavour),
            python_image=settings.jobs.python_image,
            schedule=settings.certificates.sync_schedule,
            deadline_seconds=settings.certificates.deadline_minutes * 60,
        )


class CertSync(ComponentResource):
    """Keep DB_ROOT_CERT of `infisical-secrets` equal to the authorities that the database really serves under.

    Creates, in the database's namespace, a ServiceAccount, a ConfigMap with the scripts, a Job (at deploy) and a
    CronJob (renewals), and a Role and a RoleBinding in each of the two namespaces. Ready once the Job has verified
    every pod of the database. A certificate that does not verify is never published; the Job fails and says which pod
    presented what.
    """

    def __init__(self, name: str, args: CertSyncArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("CertSync"), name, None, opts)
        # The certificates are mounted: a pod is shown single keys of a Secret, while a right to read covers them all,
        # private keys too (D23).
        namespace, target = args.database.authority.namespace, args.secrets.ref.namespace
        config = _config(args)
        step = Step(
            name="cert-sync",
            image=args.python_image,
            script="cert_sync/cert_sync.py",
            config=config,
            files=[
                # Optional, so that the script says which one is missing.
                _certificates(args.database.authority, _AUTHORITY_FOLDER, "ca.crt"),
                _certificates(args.database.leaf, _LEAF_FOLDER, "ca.crt", "tls.crt"),
            ],
        )
        config_map = scripts_map(f"{name}-scripts", namespace, [step.script], parent=self)
        account = service_account(name, namespace, parent=self)
        publish = role_binding(f"{name}-target", target, _target_rules(args), account, parent=self)
        read = role_binding(f"{name}-source", namespace, _source_rules(args), account, parent=self)
        template = pod_template(
            step,
            job=name,
            scripts_map=config_map.metadata.name,
            service_account=account.metadata.name,
            annotations={"infisical-platform/value": args.secrets.uid},  # a new Secret lacks the key
        )
        first = run_once(name, namespace, template, args.deadline_seconds, parent=self, depends_on=[publish, read])
        run_on_schedule(
            name, namespace, args.schedule, template, args.deadline_seconds, parent=self, depends_on=[first]
        )
        self.register_outputs({"publishes": digest(config)})

    @classmethod
    def wanted(cls, name: str, args: CertSyncArgs | None, opts: ResourceOptions) -> CertSync | None:
        """Create it, unless the database is somebody else's, whose authority the stack names."""
        return cls(name, args, opts) if args else None


def _certificates(secret: SecretRef, folder: str, *keys: str) -> SecretFiles:
    return SecretFiles(secret=secret.name, folder=folder, keys=keys, optional=True)


def _services(args: CertSyncArgs) -> list[dict[str, str]]:
    database = args.database
    return [
        {"name": endpoint.host.partition(".")[0], "role": endpoint.role, "host": endpoint.host}
        for endpoint in (database.primary, database.replicas, database.pooler)
    ]


def _config(args: CertSyncArgs) -> dict[str, object]:
    database, target = args.database, args.secrets.ref
    return {
        "authority": {"secret": database.authority.name, "folder": _AUTHORITY_FOLDER},
        "leaf": {"secret": database.leaf.name, "folder": _LEAF_FOLDER},
        "target": {"namespace": target.namespace, "name": target.name, "key": CA_KEY},
        "services": _services(args),
        "database": {"namespace": database.authority.namespace, "name": DATABASE_CLUSTER},
        "deployment": {"namespace": target.namespace, "name": args.deployment},
        "deadline_seconds": args.deadline_seconds,
    }


def _source_rules(args: CertSyncArgs) -> list[PolicyRule]:
    return [
        PolicyRule(group="", resource="endpoints", verbs=["get"], names=[each["name"] for each in _services(args)]),
        PolicyRule(group="acid.zalan.do", resource="postgresqls", verbs=["get", "patch"], names=[DATABASE_CLUSTER]),
    ]


def _target_rules(args: CertSyncArgs) -> list[PolicyRule]:
    return [
        PolicyRule(group="", resource="secrets", verbs=["get", "patch"], names=[args.secrets.ref.name]),
        PolicyRule(group="apps", resource="deployments", verbs=["get", "patch"], names=[args.deployment]),
    ]
