"""Bring the database to a backup before it is migrated, once for each id that the stack names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_kubernetes import core
from pydantic import SecretStr

from components.backup_store import BackupStore
from components.base.content import versioned_secret
from components.base.job import run_once
from components.base.names import type_token
from components.base.pod import SecretFiles
from components.base.rbac import PolicyRule, role_binding, service_account
from components.base.scripts import scripts_map
from components.databases import Database, Redis
from components.infisical_release import workload_name
from components.infisical_secrets import InfisicalSecrets
from components.move_in import MoveIn, MoveInArgs
from components.redis_login import CA, redis_variables
from settings import Settings
from settings.backup import RestoreSettings

_REDIS_FOLDER = "/redis"
_DEPLOYMENTS = (workload_name("infisical-standalone"), workload_name("infisical"))


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreArgs:
    """Which backup is brought back, into what, and what has to stand still meanwhile."""

    restore: RestoreSettings
    identity: SecretStr | None
    password: SecretStr | None  # of the role in restore.server
    image: str
    database: Database
    store: BackupStore
    secrets: InfisicalSecrets
    redis: Redis
    start_seconds: int  # how long the pod of a Job may take to start

    @classmethod
    def of(cls, settings: Settings, database: Database, redis: Redis, secrets: InfisicalSecrets) -> RestoreArgs | None:
        """Build the arguments from the stack's settings, None for a stack that restores nothing."""
        if not settings.restore:
            return None
        assert database.backups
        return cls(
            restore=settings.restore,
            identity=settings.restore_identity,
            password=settings.restore_password,
            image=settings.infisical.image,
            database=database,
            store=database.backups,
            secrets=secrets,
            redis=redis,
            start_seconds=settings.jobs.start_minutes * 60,
        )


class Restore(ComponentResource):
    """Create a Job that restores a backup, and does nothing where the database tells that this id was restored.

    It stops Infisical, replaces the data in one transaction, and empties Redis. The migration follows, and the release
    starts Infisical again. The private key of a recipient, if there is one, is in a Secret of this component alone.
    A server that moves in is backed up and rehearsed first.
    """

    def __init__(self, name: str, args: RestoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Restore"), name, None, opts)
        namespace, store, restore = args.database.login.namespace, args.store, args.restore
        password = versioned_secret(f"{name}-redis", namespace, args.redis.login, parent=self)
        files = [
            SecretFiles(secret=password.metadata.name.apply(str), folder=_REDIS_FOLDER, keys=[key])
            for key in args.redis.login
            if key == CA
        ]
        moved = self._moved_in(args)
        source = moved.backup if moved else restore.source
        config: dict[str, object] = {"id": restore.id, "source": source, "image": args.image}
        if moved and restore.server:
            config |= {"server": restore.server.host, "moved_in_within_seconds": moved.within_seconds}
        if args.identity:
            data = {"private.asc": args.identity.get_secret_value()}
            identity = versioned_secret(f"{name}-identity", namespace, data, parent=self)
            files.append(SecretFiles(secret=identity.metadata.name.apply(str), folder="/identity"))
            config["identity"] = "/identity/private.asc"
        if restore.overwrite:
            config["overwrite"] = restore.overwrite
        config |= {
            "database": args.database.login.config,
            "workloads": {"namespace": args.secrets.ref.namespace, "deployments": list(_DEPLOYMENTS)},
            "queues": args.redis.queues(_REDIS_FOLDER),
        }
        step = store.step("restore", "backup/restore.py", config, label=args.secrets.key_label, files=files)
        step = replace(step, env={**step.env, **redis_variables(password, args.redis.login)})
        scripts = scripts_map(f"{name}-scripts", namespace, [step.script], parent=self)
        account, bindings = self._account(name, args)
        run_once(
            name,
            namespace,
            store.template(step, name, scripts, account),
            store.deadline_seconds,
            parent=self,
            depends_on=[*bindings, *([moved.rehearsed] if moved else ())],
        )
        self.register_outputs({"id": restore.id})

    @classmethod
    def wanted(cls, name: str, args: RestoreArgs | None, opts: ResourceOptions) -> Restore | None:
        """Create the restore that the stack asks for, if it asks for one."""
        return cls(name, args, opts) if args else None

    def _moved_in(self, args: RestoreArgs) -> MoveIn | None:
        if not args.restore.server:
            return None
        assert args.password
        moving = MoveInArgs(
            restore=args.restore.id,
            server=args.restore.server,
            password=args.password,
            login=args.database.login,
            store=args.store,
            secrets=args.secrets,
            start_seconds=args.start_seconds,
        )
        return MoveIn("move-in", moving, ResourceOptions(parent=self))

    def _account(self, name: str, args: RestoreArgs) -> tuple[core.v1.ServiceAccount, list[Resource]]:
        """Create an account that may stop Infisical, which backups may not."""
        account = service_account(name, args.database.login.namespace, parent=self)
        stop = PolicyRule(group="apps", resource="deployments", verbs=["get", "patch"], names=_DEPLOYMENTS)
        target = args.secrets.namespace.metadata.name
        return account, [
            role_binding(name, args.database.login.namespace, args.database.login.rules, account, parent=self),
            role_binding(f"{name}-target", target, [stop], account, parent=self),
        ]
