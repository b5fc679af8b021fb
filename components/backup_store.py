"""Hold what every backup needs: a place, the keys to encrypt to, an account; and make one before each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import batch, core, meta
from pulumi_random import RandomPassword
from pydantic import SecretStr

from components.base.content import digest
from components.base.job import run_once
from components.base.names import BACKUP_STATUS, BACKUP_STORE, DATABASE_CLUSTER, DATABASE_CREDENTIALS, type_token
from components.base.pod import ClaimFolder, SecretFiles, Step, pod_template
from components.base.rbac import PolicyRule, role_binding, service_account
from components.base.references import Endpoint, SecretRef
from components.base.scripts import scripts_map
from settings import Settings, passphrase_label
from settings.backup import BackupSettings, BucketTarget
from settings.names import Names

_FOLDER, _VOLUME = "/store", "/backups"
_CA_FILES = ("/authority/ca.crt", "/leaf/ca.crt")


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupStoreArgs:
    """Where backups are kept and for whom, and the settings whose change is worth a backup of before."""

    backup: BackupSettings
    access_key: SecretStr | None
    secret_key: SecretStr | None
    passphrase: SecretStr | None
    changes: Mapping[str, str]
    prefix: str  # of every object in a bucket
    protect: bool

    @classmethod
    def of(cls, settings: Settings) -> BackupStoreArgs | None:
        """Build the arguments from the stack's settings, None for a stack without backups."""
        if not settings.backup:
            return None
        chart = settings.infisical.chart
        return cls(
            backup=settings.backup,
            access_key=settings.backup_access_key,
            secret_key=settings.backup_secret_key,
            passphrase=settings.backup_passphrase,
            changes={
                "image": settings.infisical.image,
                "chart": f"{chart.flavour} {chart.version}",
                "database": settings.database.version if settings.database.kind == "operator" else "external",
            },
            prefix=_prefix(settings.backup, settings.cluster.names),
            protect=settings.cluster.protect,
        )


def _prefix(backup: BackupSettings, names: Names) -> str:
    """Return where the backups begin in a bucket: stacks of one cluster may have one bucket, and never one place."""
    said = backup.target.prefix if isinstance(backup.target, BucketTarget) else None
    return (names.prefix and f"{names.prefix}/") if said is None else said


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """How the database is reached, and the Secrets with the authorities that it is verified with."""

    namespace: Output[str]
    primary: Endpoint
    database: str
    authority: SecretRef
    leaf: SecretRef | None  # None: the database is somebody else's, so nobody issues a certificate for it here
    credentials: str = DATABASE_CREDENTIALS  # the Secret with the role's name and password
    given: Sequence[Resource] = ()  # what the Jobs read, where the database does not come after the first of them

    @property
    def rules(self) -> list[PolicyRule]:
        """Return what the Jobs of backup, rehearsal and restore may do."""
        rules = [
            PolicyRule(group="", resource="secrets", verbs=["get"], names=[self.credentials]),
            PolicyRule(group="", resource="configmaps", verbs=["get", "patch"], names=[BACKUP_STATUS]),
        ]
        if self.leaf is None:
            return rules
        return [
            PolicyRule(group="acid.zalan.do", resource="postgresqls", verbs=["get"], names=[DATABASE_CLUSTER]),
            *rules,
        ]

    @property
    def config(self) -> dict[str, object]:
        """Return what the scripts are told. They read the password at each run, so that they follow a rotation."""
        return {
            "namespace": self.authority.namespace,
            **({"cluster": DATABASE_CLUSTER} if self.leaf else {}),
            "credentials": self.credentials,
            "host": self.primary.host,
            "port": self.primary.port,
            "name": self.database,
            "ca_files": list(_CA_FILES) if self.leaf else [_CA_FILES[0]],
        }

    @property
    def files(self) -> list[SecretFiles]:
        """Return the authorities, which a new platform does not have yet."""
        authority = SecretFiles(secret=self.authority.name, folder="/authority", keys=["ca.crt"], optional=True)
        if self.leaf is None:
            return [authority]
        return [authority, SecretFiles(secret=self.leaf.name, folder="/leaf", keys=["ca.crt"], optional=True)]


class BackupStore(ComponentResource):
    """Create the place of backups, and one backup before each change of image, chart or database version.

    Creates the volume, if that is the target; a passphrase that is made once and kept, with which rehearsals and
    restores in place open what only the recipients can open otherwise; a Secret with it, the public keys and the
    bucket's credentials; the ConfigMap `backup-status`; an account; a Job. PlatformDb changes nothing before the Job
    has succeeded. Where there is no database yet, it has nothing to do.
    """

    claim: ClaimFolder | None = None
    account: core.v1.ServiceAccount
    before: batch.v1.Job
    identifier: str
    passphrase_label: Output[str]  # plain: an escrow is compared with it

    def __init__(
        self, name: str, args: BackupStoreArgs, login: DatabaseLogin, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__(type_token("BackupStore"), name, None, opts)
        self._args, self._login = args, login
        protected = ResourceOptions(parent=self, protect=args.protect)
        self.target = self._target(name, protected)
        self._secret = self._made_secret(name, protected)
        status = core.v1.ConfigMap(
            f"{name}-status",
            metadata=self._metadata(BACKUP_STATUS),  # its data is the scripts'
            opts=ResourceOptions(parent=self),
        )
        self.account = service_account("backup", login.namespace, parent=self)
        binding = role_binding("backup", login.namespace, login.rules, self.account, parent=self)
        self.ready: Sequence[Resource] = [status, binding, *login.given]
        self.identifier = digest(dict(args.changes))
        config = {"database": login.config, "before": self.identifier, "retention": self.retention}
        step = self.step("before", "backup/back_up.py", config)
        scripts = scripts_map(f"{name}-scripts", login.namespace, [step.script], parent=self)
        self.before = run_once(
            "backup-before",
            login.namespace,
            self.template(step, "backup-before", scripts),
            self.deadline_seconds,
            parent=self,
            depends_on=self.ready,
        )
        self.register_outputs({"before": self.identifier})

    @classmethod
    def wanted(cls, args: BackupStoreArgs | None, login: DatabaseLogin, *, parent: Resource) -> BackupStore | None:
        """Return what a stack with backups has."""
        return cls("backup-store", args, login, ResourceOptions(parent=parent)) if args else None

    @property
    def deadline_seconds(self) -> int:
        """Return how long a Job may work."""
        return self._args.backup.deadline_minutes * 60

    @property
    def retention(self) -> Mapping[str, int]:
        """Return which backups stay, as the scripts that write one are told."""
        retention = self._args.backup.retention
        return {"days": retention.days, "at_least": retention.at_least}

    def step(
        self,
        name: str,
        script: str,
        config: Mapping[str, object],
        *,
        label: Input[str] = "",
        files: Sequence[SecretFiles] = (),
    ) -> Step:
        """Return what a Job of backup, rehearsal or restore does, with all that these three share."""
        backup = self._args.backup
        shared = {"target": self.target, "status": BACKUP_STATUS, "store": _FOLDER}
        return Step(
            name=name,
            image=backup.image,
            script=script,
            config={**shared, "deadline_seconds": self.deadline_seconds, **config},
            env={"HOME": "/tmp", "KEY_LABEL": label},
            files=[SecretFiles(secret=self._secret.metadata.name, folder=_FOLDER), *self._login.files, *files],
            claim=self.claim,
            memory_limit=backup.memory_limit,
        )

    def rehearsal(self, keys: core.v1.Secret, label: Input[str], *, of: Mapping[str, object] | None = None) -> Step:
        """Return what a Job does that restores a backup apart, and opens it with these encryption keys.

        `of` has source and restore of rehearse.Config. Without it, the backup is the newest.
        """
        return self.step(
            "rehearsal",
            "backup/rehearse.py",
            {"namespace": self._login.authority.namespace, "keys": "/keys", **(of or {})},
            label=label,
            files=[SecretFiles(secret=keys.metadata.name.apply(str), folder="/keys")],
        )

    def template(
        self, step: Step, job: str, scripts: core.v1.ConfigMap, account: core.v1.ServiceAccount | None = None
    ) -> core.v1.PodTemplateSpecArgs:
        """Return the pod of a step. It changes with the recipients, so that what follows from them is proven again."""
        return pod_template(
            step,
            job=job,
            scripts_map=scripts.metadata.name,
            service_account=(account or self.account).metadata.name,
            annotations={"infisical-platform/recipients": digest(list(self._args.backup.recipients))},
        )

    def _target(self, name: str, protected: ResourceOptions) -> dict[str, object]:
        target = self._args.backup.target
        if isinstance(target, BucketTarget):
            config: dict[str, object] = {
                "kind": "bucket",
                "endpoint": target.endpoint,
                "bucket": target.name,
                "region": target.region,
                "style": target.addressing,
            }
            optional = {"prefix": self._args.prefix or None, "lock_days": target.lock_days}
            return config | {key: value for key, value in optional.items() if value is not None}
        claim = core.v1.PersistentVolumeClaim(
            f"{name}-volume",
            # It is bound when the first pod uses it.
            metadata=self._metadata("backup", {"pulumi.com/skipAwait": "true"}),
            spec=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=target.storage_class,
                resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": target.size}),
            ),
            opts=protected,
        )
        self.claim = ClaimFolder(claim=claim.metadata.name.apply(str), folder=_VOLUME)
        return {"kind": "volume", "folder": _VOLUME}

    def _made_secret(self, name: str, protected: ResourceOptions) -> core.v1.Secret:
        args, target = self._args, self._args.backup.target
        # Made beside a given one too: it is protected, so it could not go where one is given later.
        made = RandomPassword(f"{name}-passphrase", length=64, special=False, opts=protected).result
        passphrase = Output.from_input(args.passphrase.get_secret_value() if args.passphrase else made)
        self.passphrase_label = Output.unsecret(passphrase.apply(passphrase_label))
        data: dict[str, Input[str]] = {"passphrase": passphrase}
        data |= {f"recipient-{number}.asc": key for number, key in enumerate(args.backup.recipients)}
        if args.access_key and args.secret_key:
            data["access-key"] = args.access_key.get_secret_value()
            data["secret-key"] = args.secret_key.get_secret_value()
        if isinstance(target, BucketTarget) and target.authority:
            data["bucket-authority.crt"] = target.authority
        return core.v1.Secret(
            f"{name}-secret",
            metadata=self._metadata(BACKUP_STORE),
            string_data=data,
            opts=ResourceOptions(parent=self),
        )

    def _metadata(self, name: str, annotations: Mapping[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
        return meta.v1.ObjectMetaArgs(name=name, namespace=self._login.namespace, annotations=annotations)
