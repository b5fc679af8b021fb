"""Run PostgreSQL under the Zalando operator, behind PgBouncer, with certificates that clients can verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pulumi import ComponentResource, CustomTimeouts, Output, ResourceOptions
from pulumi_kubernetes import core, meta
from pulumi_kubernetes.apiextensions import CustomResource
from pydantic import SecretStr

from components.backup_store import BackupStore, BackupStoreArgs, DatabaseLogin
from components.base.budget import budget
from components.base.content import versioned_secret
from components.base.gate import Gate, GateArgs
from components.base.logical_names import LOGIN_STEP, OPERATOR_STEP, database_cluster_name, gate_name, password_name
from components.base.names import DATABASE_CLUSTER, DATABASE_CREDENTIALS, type_token
from components.base.password import password
from components.base.pod import SecretFiles, SecretKey, Step
from components.base.rbac import PolicyRule
from components.base.references import Endpoint, SecretRef
from components.database_services import dns_names, host
from components.database_spec import cluster_spec
from components.network_paths import Path, network_paths
from components.network_policies import closed_namespace
from components.stack_identity import StackIdentity
from components.wal_archive import WalArchive
from settings import Settings
from settings.certificates import CertificateSettings
from settings.cluster import JobSettings
from settings.database import DatabaseSettings
from settings.names import Names

DATABASE = "infisical"
ROLE = "infisical_user"
_AUTHORITY = "platform-db-ca"
_LEAF = "platform-db-tls"
_CERT_MANAGER = "cert-manager.io/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformDbArgs:
    """The size of the database and of its pooler, certificates, and the password that Infisical logs in with."""

    database: DatabaseSettings
    certificates: CertificateSettings
    password: SecretStr | None  # None: generated
    jobs: JobSettings
    names: Names
    identity: StackIdentity  # whose the namespace is
    paths: Sequence[Path]  # who may reach whom
    protect: bool
    deadline_seconds: int  # the gate's: operators pull images and elect a primary
    backup: BackupStoreArgs | None = None

    @classmethod
    def of(cls, settings: Settings, identity: StackIdentity) -> PlatformDbArgs:
        """Build the arguments from the stack's settings."""
        assert isinstance(settings.database, DatabaseSettings)
        return cls(
            database=settings.database,
            certificates=settings.certificates,
            password=settings.database_password,
            jobs=settings.jobs,
            names=settings.cluster.names,
            identity=identity,
            paths=network_paths(settings),
            protect=settings.cluster.protect,
            deadline_seconds=settings.database.deadline_minutes * 60,
            backup=BackupStoreArgs.of(settings),
        )


class PlatformDb(ComponentResource):
    """Create a database that Infisical can log in to, verified from the outside.

    Creates a Namespace; a self-signed Issuer, an authority, its Issuer and one leaf with the names of all four
    Services; the password and the Secret that the operator adopts; the `postgresql` cluster with its pooler, and the
    pooler's budget; a Gate that logs in as Infisical will, through the pooler and the primary. A changed password
    reaches the role through the gate, which makes the operator read the Secret again.
    """

    password: Output[str]
    rotates: bool  # whether a password of before may be in use, so that a new one is published behind the gate
    authority: SecretRef
    leaf: SecretRef
    primary: Endpoint
    pooler: Endpoint
    login: DatabaseLogin
    backups: BackupStore | None
    archive: WalArchive | None

    def __init__(self, name: str, args: PlatformDbArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("PlatformDb"), name, None, opts)
        self._own = args.names.database
        self.authority = SecretRef(namespace=self._own, name=_AUTHORITY)
        self.leaf = SecretRef(namespace=self._own, name=_LEAF)
        self.primary = Endpoint(host=host("", self._own), role="primary")
        self.pooler = Endpoint(host=host("-pooler", self._own), role="pooler")

        protected = ResourceOptions(parent=self, protect=args.protect)
        annotations = args.identity.annotations
        self._namespace, closed = closed_namespace(name, self._own, annotations, args.paths, protected)
        self.login = DatabaseLogin(
            self._namespace.metadata.name.apply(str), self.primary, DATABASE, self.authority, self.leaf
        )
        self.backups = BackupStore.wanted(args.backup, self.login, parent=self)
        leaf = self._certificates(name, args.certificates)
        self.password = password(password_name(name), args.password, args.database.password_rotation, parent=self)
        self.rotates = args.password is not None or args.database.password_rotation > 1
        credentials = core.v1.Secret(
            f"{name}-credentials",
            metadata=self._metadata(DATABASE_CREDENTIALS),
            string_data={"username": ROLE, "password": self.password},
            opts=ResourceOptions(
                parent=self, protect=args.protect, depends_on=[self.backups.before] if self.backups else []
            ),
        )
        self.archive = WalArchive.wanted(name, args.backup, args.database, self._namespace, parent=self)
        spec = cluster_spec(args.database, role=ROLE, name=DATABASE, leaf=_LEAF)
        spec |= self.archive.fields if self.archive else {}
        cluster = CustomResource(
            database_cluster_name(name),
            api_version="acid.zalan.do/v1",
            kind="postgresql",
            metadata=self._metadata(DATABASE_CLUSTER),
            spec=spec,
            opts=ResourceOptions(
                parent=self, depends_on=[leaf, credentials, closed], protect=args.protect, delete_before_replace=True
            ),
        )
        # The operator makes budgets for the database, and none for the pooler.
        pooler = f"{DATABASE_CLUSTER}-pooler"
        logical = f"{name}-pooler-budget"
        budget(pooler, self._namespace.metadata.name, {"connection-pooler": pooler}, logical=logical, parent=self)
        # A credentials Secret that is made anew may have had another password meanwhile, of the operator's.
        triggers = {"spec": spec, "credentials": credentials.metadata.apply(lambda metadata: metadata.uid or "")}
        self._gate(name, args, triggers, cluster)
        self.register_outputs({"authority": _AUTHORITY, "pooler": self.pooler.host, "primary": self.primary.host})

    def uri(self, endpoint: Endpoint) -> Output[str]:
        """Return the URI with which Infisical connects to `endpoint`. Secret.

        It has no `sslmode`: together with DB_ROOT_CERT, this is the only form that both old and new images verify.
        """
        return self.password.apply(
            lambda password: (
                f"postgresql://{ROLE}:{quote(password, safe='')}@{endpoint.host}:{endpoint.port}/{DATABASE}"
            )
        )

    @property
    def namespace(self) -> Output[str]:
        """Return the name of the namespace, known once it is there."""
        return self._namespace.metadata.name

    @property
    def replicas(self) -> Endpoint:
        """Return the Service of the replicas. With one instance it has no endpoints."""
        return Endpoint(host=host("-repl", self._own), role="replica")

    def _metadata(self, name: str, annotations: Mapping[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
        """Return metadata in the component's namespace, so that the object waits for it."""
        return meta.v1.ObjectMetaArgs(name=name, namespace=self.namespace, annotations=annotations)

    def _certificates(self, name: str, certificates: CertificateSettings) -> CustomResource:
        """Create authority and leaf. The leaf is Ready when its Secret holds a certificate for the names asked for."""
        self_signed = self._cert_manager(f"{name}-self-signed", "Issuer", "platform-db-self-signed", {"selfSigned": {}})
        authority = self._cert_manager(
            f"{name}-authority",
            "Certificate",
            _AUTHORITY,
            {
                "isCA": True,
                "commonName": _AUTHORITY,
                "secretName": _AUTHORITY,
                "duration": certificates.authority_duration,
                # A renewed authority keeps its key, so what the old one signed verifies under the new one too.
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
                "issuerRef": {"kind": "Issuer", "name": "platform-db-self-signed"},
            },
            self_signed,
        )
        issuer = self._cert_manager(
            f"{name}-issuer", "Issuer", _AUTHORITY, {"ca": {"secretName": _AUTHORITY}}, authority
        )
        return self._cert_manager(
            f"{name}-leaf",
            "Certificate",
            _LEAF,
            {
                "secretName": _LEAF,
                "dnsNames": [*dns_names(self._own), *certificates.extra_names],
                "duration": certificates.leaf_duration,
                "renewBefore": certificates.leaf_renew_before,
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "usages": ["digital signature", "key encipherment", "server auth"],
                "issuerRef": {"kind": "Issuer", "name": _AUTHORITY},
            },
            issuer,
        )

    def _cert_manager(
        self, logical: str, kind: str, name: str, spec: Mapping[str, object], *needs: CustomResource
    ) -> CustomResource:
        return CustomResource(
            logical,
            api_version=_CERT_MANAGER,
            kind=kind,
            metadata=self._metadata(name, {"pulumi.com/waitFor": "condition=Ready"}),
            spec=spec,
            opts=ResourceOptions(
                parent=self,
                depends_on=list(needs),
                delete_before_replace=True,
                # cert-manager takes about a second, so a minute without an answer means that it is not there.
                custom_timeouts=CustomTimeouts(create="1m", update="1m"),
            ),
        )

    def _gate(self, name: str, args: PlatformDbArgs, triggers: Mapping[str, object], cluster: CustomResource) -> None:
        gate, namespace = gate_name(name), self.namespace
        # What Infisical will use, never what the operator offers: the two differ when something has gone wrong.
        login = versioned_secret(f"{gate}-login", namespace, {"password": self.password}, parent=self)
        log_in = Step(
            name=LOGIN_STEP,
            image=args.jobs.postgres_image,
            script="platform_db/database_login.sh",
            env={
                "HOSTS": f"{self.pooler.host} {self.primary.host}",
                "PGPORT": str(self.pooler.port),
                "PGUSER": ROLE,
                "PGDATABASE": DATABASE,
                "PGPASSWORD": SecretKey(secret=login.metadata.name, key="password"),
                "CA_FILES": "/authority/ca.crt /leaf/ca.crt",
                "DEADLINE_SECONDS": str(args.deadline_seconds),
                "MAJOR_VERSION": args.database.version,
                "UPGRADE_SECONDS": "60",
            },
            files=[
                SecretFiles(secret=_AUTHORITY, folder="/authority", keys=["ca.crt"]),
                SecretFiles(secret=_LEAF, folder="/leaf", keys=["ca.crt"], optional=True),
            ],
        )
        Gate(
            gate,
            GateArgs(
                namespace=namespace,
                steps=[_ready(args), log_in],
                triggers={**triggers, "login": login.metadata.name},
                deadline_seconds=args.deadline_seconds,
                after=[cluster],
            ),
            ResourceOptions(parent=self),
        )


_READY_RULES = (
    PolicyRule(group="acid.zalan.do", resource="postgresqls", verbs=["get", "patch"], names=[DATABASE_CLUSTER]),
    PolicyRule(group="apps", resource="statefulsets", verbs=["get"], names=[DATABASE_CLUSTER]),
    PolicyRule(group="apps", resource="deployments", verbs=["get"], names=[f"{DATABASE_CLUSTER}-pooler"]),
    PolicyRule(group="", resource="pods", verbs=["list"]),
    PolicyRule(group="", resource="events", verbs=["list"]),
    PolicyRule(group="", resource="persistentvolumeclaims", verbs=["list"]),
)


def _ready(args: PlatformDbArgs) -> Step:
    """Return the gate's first step, which waits until the operator has made what was asked for."""
    return Step(
        name=OPERATOR_STEP,
        image=args.jobs.python_image,
        script="platform_db/database_ready.py",
        rules=_READY_RULES,
        config={
            "namespace": args.names.database,
            "cluster": DATABASE_CLUSTER,
            "database": DATABASE,
            "owner": ROLE,
            "version": args.database.version,
            "size": {
                "instances": args.database.instances,
                "cpu_limit": args.database.cpu_limit,
                "memory_limit": args.database.memory_limit,
                "storage": args.database.storage,
                "pooler_instances": args.database.pooler.instances,
            },
            "operator_patience_seconds": 60,
            "deadline_seconds": args.deadline_seconds,
        },
    )
