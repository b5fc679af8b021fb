"""Take the data of an Infisical that runs elsewhere: a backup of it, rehearsed, for the restore that follows."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_kubernetes import batch, core, meta
from pydantic import SecretStr

from components.backup_store import BackupStore, DatabaseLogin
from components.base.content import digest
from components.base.job import run_once
from components.base.names import type_token
from components.base.pod import SecretFiles
from components.base.rbac import PolicyRule, role_binding, service_account
from components.base.scripts import scripts_map
from components.infisical_secrets import InfisicalSecrets
from settings.backup import OtherServer

_SERVER, _KEYS, _CA = "move-in-server", "move-in-keys", "ca.crt"
_REACH_SECONDS = 120  # database_session.py


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveInArgs:
    """Which server moves in and its role's password, into what, and the keys that have to open what it holds."""

    restore: str  # its id
    server: OtherServer
    password: SecretStr
    login: DatabaseLogin
    store: BackupStore
    secrets: InfisicalSecrets
    start_seconds: int  # how long the pod of a Job may take to start


class MoveIn(ComponentResource):
    """Create a Job that backs the other server up, and one that restores the backup into a server of its own.

    The second proves that the stack's encryption keys open the data, before the platform's database is touched. Creates
    a Secret with the login and one with the keys, and an account that may read the login. Once the restore was done the
    first Job asks the other server no more, and the second no backup.

    Pulumi leaves a Job alone that has succeeded, so a later attempt finds the backup of this one, while the other
    server may have been used in between. So the backup serves one attempt.
    """

    backup: str  # what the name of the backup ends with
    within_seconds: int  # how long one attempt takes at most, from the backup to the restore's first look at it
    rehearsed: batch.v1.Job

    def __init__(self, name: str, args: MoveInArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("MoveIn"), name, None, opts)
        namespace, store, label = args.login.namespace, args.store, args.secrets.key_label
        self.backup = digest([args.restore, args.server.model_dump()])
        # Three pods start, and the restore may have to wait for the database.
        self.within_seconds = 2 * store.deadline_seconds + 3 * args.start_seconds + _REACH_SECONDS
        server = self._secret(_SERVER, namespace, _login_of(args.server, args.password))
        keys = self._secret(_KEYS, namespace, args.secrets.encryption_keys)
        account = service_account(f"{name}-dump", namespace, parent=self)
        read = PolicyRule(group="", resource="secrets", verbs=["get"], names=[_SERVER])
        binding = role_binding(f"{name}-dump", namespace, [*args.login.rules, read], account, parent=self)
        authority = SecretFiles(secret=server.metadata.name.apply(str), folder="/server", keys=[_CA])
        dump = store.step(
            "dump",
            "backup/move_in.py",
            {
                "id": args.restore,
                "backup": self.backup,
                "server": _config_of(args.server, args.login.authority.namespace),
                "database": args.login.config,
                "retention": store.retention,
            },
            label=label,
            files=[authority] if args.server.tls else [],
        )
        rehearsal = store.rehearsal(keys, label, of={"source": self.backup, "restore": args.restore})
        scripts = scripts_map(f"{name}-scripts", namespace, [dump.script, rehearsal.script], parent=self)
        dumped = run_once(
            f"{name}-dump",
            namespace,
            store.template(dump, f"{name}-dump", scripts, account),
            store.deadline_seconds,
            parent=self,
            depends_on=[binding, server],
        )
        self.rehearsed = run_once(
            f"{name}-rehearsal",
            namespace,
            store.template(rehearsal, f"{name}-rehearsal", scripts),
            store.deadline_seconds,
            parent=self,
            depends_on=[dumped],
        )
        self.register_outputs({"backup": self.backup})

    def _secret(
        self, name: str, namespace: Output[str], data: dict[str, str] | Output[dict[str, str]]
    ) -> core.v1.Secret:
        metadata = meta.v1.ObjectMetaArgs(name=name, namespace=namespace)
        return core.v1.Secret(name, metadata=metadata, string_data=data, opts=ResourceOptions(parent=self))


def _login_of(server: OtherServer, password: SecretStr) -> dict[str, str]:
    authority = {_CA: server.authority} if server.authority else {}
    return {"username": server.user, "password": password.get_secret_value(), **authority}


def _config_of(server: OtherServer, namespace: str) -> dict[str, object]:
    """Return what platform_database.DatabaseConfig takes."""
    return {
        "namespace": namespace,
        "credentials": _SERVER,
        "host": server.host,
        "port": server.port,
        "name": server.name,
        **({"ca_files": [f"/server/{_CA}"]} if server.tls else {"sslmode": "disable"}),
    }
