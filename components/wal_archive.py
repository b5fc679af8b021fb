"""Write what Spilo is told so that it archives every change of the database, or begins from such an archive.

Names are those of configure_spilo.py of zalando/spilo; WAL-G runs in the database's own pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import Input, Output, Resource
from pulumi_kubernetes import core

from components.backup_store import BackupStoreArgs
from components.base.content import digest, versioned_secret
from components.base.names import DATABASE_CLUSTER
from settings.backup import BucketTarget
from settings.database import DatabaseSettings

_FOLDER, _CA = "/run/wal-archive", "ca.crt"


@dataclass(frozen=True, kw_only=True, slots=True)
class WalArchive:
    """An archive in the bucket of the backups.

    The operator rolls the servers when one of these fields changes. A changed credential makes a new Secret, and so
    does it, too, because a running server would keep the old one.
    """

    fields: Mapping[str, object]  # of the postgresql resource
    path: Output[str]

    @classmethod
    def wanted(
        cls,
        name: str,
        store: BackupStoreArgs | None,
        database: DatabaseSettings,
        namespace: core.v1.Namespace,
        *,
        parent: Resource,
    ) -> WalArchive | None:
        """Return the archive of a stack whose bucket is to have one."""
        target = store.backup.target if store else None
        if not store or not isinstance(target, BucketTarget) or not target.point_in_time:
            return None
        # Both servers of a name would write over each other's archive. A namespace made anew has a new uid, and a
        # database that begins from an archive must not go on with it (D46).
        begun = f"-{digest(database.recover.model_dump())}" if database.recover else ""
        identifier = namespace.metadata.apply(lambda metadata: f"{(metadata.uid or '')[:8]}{begun}")
        secret = versioned_secret(f"{name}-wal-archive", namespace.metadata.name, _data(store, target), parent=parent)
        credentials = _credentials(secret.metadata.name)
        env = [*_writes(store, target, identifier), *credentials, *_files(target)]
        parameters = {**database.shared.parameters, "archive_timeout": "60"}
        fields: dict[str, object] = {"postgresql": {"version": database.version, "parameters": parameters}}
        if database.recover:
            env += [
                *({**entry, "name": f"CLONE_{entry['name']}"} for entry in [*credentials, *_files(target)]),
                *({"name": f"CLONE_{name}", "value": value} for name, value in _endpoints(target).items()),
                {"name": "CLONE_USE_WALG_RESTORE", "value": "true"},
            ]
            fields["clone"] = {
                "cluster": DATABASE_CLUSTER,
                "timestamp": database.recover.time,
                "s3_wal_path": _path(store, target, database.recover.archive, database.version),
            }
        fields["env"] = env
        if target.authority:
            fields["additionalVolumes"] = [
                {
                    "name": "wal-archive",
                    "mountPath": _FOLDER,
                    "targetContainers": ["postgres"],
                    "volumeSource": {"secret": {"secretName": secret.metadata.name}},
                }
            ]
        path = identifier.apply(lambda found: _path(store, target, found, database.version))
        return cls(fields=fields, path=path)


def _path(store: BackupStoreArgs, target: BucketTarget, identifier: str, version: str) -> str:
    """Return where Spilo puts an archive."""
    return f"s3://{target.name}/spilo/{store.prefix}{DATABASE_CLUSTER}/{identifier}/wal/{version}"


def _data(store: BackupStoreArgs, target: BucketTarget) -> dict[str, Input[str]]:
    assert store.access_key
    assert store.secret_key
    data: dict[str, Input[str]] = {
        "access-key": store.access_key.get_secret_value(),
        "secret-key": store.secret_key.get_secret_value(),
    }
    return data | ({_CA: target.authority} if target.authority else {})


def _endpoints(target: BucketTarget) -> dict[str, str]:
    """Return where the bucket is. Spilo takes from WAL-E's endpoint alone how it is addressed, by path without one.

    It overwrites any AWS_S3_FORCE_PATH_STYLE, also a clone's, whose s3_endpoint the operator gives WAL-E as it is.
    """
    of_wale = target.endpoint.replace("://", "+virtualhost://", 1)
    virtual = {"WALE_S3_ENDPOINT": of_wale} if target.addressing == "virtual" else {}
    return {"AWS_ENDPOINT": target.endpoint, **virtual, "AWS_REGION": target.region}


def _credentials(secret: Output[str]) -> list[dict[str, object]]:
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for variable, key in (("AWS_ACCESS_KEY_ID", "access-key"), ("AWS_SECRET_ACCESS_KEY", "secret-key"))
    ]


def _files(target: BucketTarget) -> list[dict[str, object]]:
    return [{"name": "WALG_S3_CA_CERT_FILE", "value": f"{_FOLDER}/{_CA}"}] if target.authority else []


def _writes(store: BackupStoreArgs, target: BucketTarget, identifier: Output[str]) -> list[dict[str, object]]:
    values: dict[str, Input[str]] = {
        "USE_WALG_BACKUP": "true",
        "USE_WALG_RESTORE": "true",
        "WAL_S3_BUCKET": target.name,
        "WAL_BUCKET_SCOPE_PREFIX": store.prefix,  # unset, it is the namespace
        "WAL_BUCKET_SCOPE_SUFFIX": identifier.apply(lambda found: f"/{found}"),
        # A database that is made anew in this namespace has the path of the one before, and begins at timeline 1 too.
        "WALG_PREVENT_WAL_OVERWRITE": "true",
        **_endpoints(target),
        "BACKUP_SCHEDULE": store.backup.schedule,
        "BACKUP_NUM_TO_RETAIN": str(store.backup.retention.days),  # Spilo counts days, and keeps as many backups
    }
    return [{"name": name, "value": value} for name, value in values.items()]
