"""Log in to a PostgreSQL that somebody else runs, verified, and back it up as the stack's own."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_kubernetes import core, meta
from pydantic import SecretStr

from components.backup_store import BackupStore, BackupStoreArgs, DatabaseLogin
from components.base.content import versioned_secret
from components.base.gate import Gate, GateArgs
from components.base.logical_names import external_database_name
from components.base.names import type_token
from components.base.pod import SecretFiles, SecretKey, Step
from components.base.references import Endpoint, SecretRef
from components.network_paths import Path, network_paths
from components.network_policies import NetworkPolicies, closed_namespace
from components.stack_identity import StackIdentity
from settings import Settings
from settings.cluster import JobSettings
from settings.external import ExternalDatabase
from settings.names import Names

_SECRET, _CA = "external-database", "ca.crt"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalDbArgs:
    """Where the database is, the authority that it is verified with, and the password that it has."""

    database: ExternalDatabase
    password: SecretStr
    jobs: JobSettings
    names: Names
    identity: StackIdentity  # whose the namespace is
    paths: Sequence[Path]  # who may reach whom
    protect: bool
    backup: BackupStoreArgs | None = None
    moved_from: str | None = None  # whose data the database must have already
    deadline_seconds: int = 60  # the gate's: the server is there, or somebody has to mend it

    @classmethod
    def of(cls, settings: Settings, identity: StackIdentity) -> ExternalDbArgs:
        """Build the arguments from the stack's settings."""
        assert isinstance(settings.database, ExternalDatabase)
        assert settings.database_password
        return cls(
            database=settings.database,
            password=settings.database_password,
            jobs=settings.jobs,
            names=settings.cluster.names,
            identity=identity,
            paths=network_paths(settings),
            protect=settings.cluster.protect,
            backup=BackupStoreArgs.of(settings),
            moved_from=None if settings.restore else settings.database.moved_from,  # a restore brings the data
        )


class ExternalDb(ComponentResource):
    """Prove that Infisical can use the database, before its environment leads there.

    Creates a Namespace for the Jobs that reach the database; a Gate that logs in as Infisical will, and asks for the
    version and the role's privileges; behind it a Secret with its login and authority, which backups read at each run.
    """

    login: DatabaseLogin
    backups: BackupStore | None
    archive: None = None  # its servers are not the stack's, so nothing archives their changes
    root_certificate: str  # as Infisical takes it

    def __init__(self, name: str, args: ExternalDbArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("ExternalDb"), name, None, opts)
        database, password = args.database, Output.secret(args.password.get_secret_value())
        self._database, self._password = database, password
        self.primary = self.pooler = Endpoint(host=database.host, role="primary", port=database.port)
        self.authority = SecretRef(namespace=args.names.database, name=_SECRET)
        self.root_certificate = base64.b64encode(database.authority.encode()).decode()
        protected = ResourceOptions(parent=self, protect=args.protect)
        annotations = args.identity.annotations
        own, closed = closed_namespace(name, args.names.database, annotations, args.paths, protected)
        self.namespace = own.metadata.name.apply(str)
        proven = self._gate(f"{name}-login", args, closed)
        secret = core.v1.Secret(
            external_database_name(name),
            metadata=meta.v1.ObjectMetaArgs(name=_SECRET, namespace=own.metadata.name),
            string_data={"username": database.user, "password": password, _CA: database.authority},
            opts=ResourceOptions(parent=self, depends_on=[proven]),
        )
        self.login = DatabaseLogin(
            namespace=self.namespace,
            primary=self.primary,
            database=database.name,
            authority=self.authority,
            leaf=None,
            credentials=_SECRET,
            given=[secret, closed],
        )
        self.backups = BackupStore.wanted(args.backup, self.login, parent=self)
        self.register_outputs({"host": database.host})

    def uri(self, _: Endpoint) -> Output[str]:
        """Return the URI with which Infisical connects. Secret. It has no `sslmode`, as that of PlatformDb."""
        database = self._database
        return self._password.apply(
            lambda password: f"postgresql://{database.user}:{quote(password, safe='')}@{database.address}"
        )

    def _gate(self, name: str, args: ExternalDbArgs, closed: NetworkPolicies) -> Gate:
        data = {"password": self._password, _CA: args.database.authority}
        login = versioned_secret(f"{name}-secret", self.namespace, data, parent=self)
        step = Step(
            name="login",
            image=args.jobs.postgres_image,
            script="platform_db/external_login.sh",
            env={
                "PGHOST": args.database.host,
                "PGPORT": str(args.database.port),
                "PGUSER": args.database.user,
                "PGDATABASE": args.database.name,
                "PGPASSWORD": SecretKey(secret=login.metadata.name, key="password"),
                "PGSSLROOTCERT": f"/authority/{_CA}",
                "DEADLINE_SECONDS": str(args.deadline_seconds),
                **({"MOVED_FROM": args.moved_from} if args.moved_from else {}),
            },
            files=[SecretFiles(secret=login.metadata.name, folder="/authority", keys=[_CA])],
        )
        return Gate(
            name,
            GateArgs(
                namespace=self.namespace,
                steps=[step],
                triggers=None,
                deadline_seconds=args.deadline_seconds,
                after=[closed],
            ),
            ResourceOptions(parent=self),
        )
