"""Restore a backup, by default this cluster's newest, into a PostgreSQL of this pod's own, and prove that it reads.

The counts must be those of the moment of the dump, every B-tree must be sound (amcheck), and the stack's encryption key
must open the root key. Nothing of it reaches the platform's own database.
"""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import backup_manifest
from backup_manifest import Manifest
from backup_status import Status, now
from backup_target import Target, TargetConfig, target_of
from bounded_program import Deadline, require
from database_session import Session, migrations, program, server_major
from job import Failed, Report, run, secret
from kube import Api
from own_backups import Own, chosen, strangers
from restore_script import restore
from root_key import opened_by
from scratch_server import scratch_server
from sealing import unseal

_INDEXES = (
    "select count(bt_index_check(c.oid)) from pg_class c join pg_am a on a.oid = c.relam"
    " where a.amname = 'btree' and c.relnamespace = 'public'::regnamespace and c.relpersistence = 'p'"
    " and c.relkind = 'i'"
)


@dataclass(frozen=True)
class Config:
    """store: folder with credentials and passphrase. keys: folder with the encryption keys that Infisical has.

    source: `latest`, a name or an identifier. restore: the id of the restore that this backup is made for. Once that
    was done there is nothing to prove, and the backup may be gone.
    """

    namespace: str
    status: str
    target: TargetConfig
    store: str
    keys: str
    deadline_seconds: float
    source: str = "latest"
    restore: str | None = None


def main(config: Config, report: Report) -> str:
    require("gpg", "psql")
    status = Status(Api(), config.namespace, config.status, report)
    started = time.monotonic()
    if config.restore and config.restore in status.read().get("restoredIds", "").split():
        return f"restore {config.restore} was done before, so its backup is asked for no more"
    with status.failing_as(lambda cause: {"rehearsalFailure": cause, "rehearsalFailureAt": now()}):
        manifest, proof = _rehearse(config, status.read(), report)
    seconds = round(time.monotonic() - started, 1)
    status.tell(
        rehearsedAt=now(),
        rehearsedName=manifest.name,
        rehearsedKeyLabel=secret("KEY_LABEL"),
        rehearsalSeconds=seconds,
        rehearsal=proof,
        rehearsalFailure=None,
        rehearsalFailureAt=None,
    )
    return f"{manifest.name} was restored in {seconds} s: {proof}"


def fetched(target: Target, manifest: Manifest, sealed: Path) -> None:
    """Read a backup into a file, and compare it with its manifest. Raises Failed."""
    content = target.fetch(manifest.object, sealed, manifest.size)
    if (content.size, content.sha256) != (manifest.size, manifest.sha256):
        raise Failed(
            f"{manifest.object} is damaged: {content.size} bytes with sha256 {content.sha256}, and the manifest says "
            f"{manifest.size} bytes with sha256 {manifest.sha256}"
        )


def _rehearse(config: Config, told: Mapping[str, str], report: Report) -> tuple[Manifest, str]:
    deadline, store = Deadline(config.deadline_seconds), Path(config.store)
    target = target_of(config.target, store, report)
    names, own = target.names(), Own(target, told)
    manifest = backup_manifest.read(target, chosen(names, config.source, own))
    if remark := strangers(names, manifest.name, own):
        report.progress(remark.removeprefix("; "))
    with tempfile.TemporaryDirectory() as folder:
        sealed, plain = Path(folder, "sealed"), Path(folder, "dump")
        fetched(target, manifest, sealed)
        unseal(sealed, plain, store / "passphrase", None, deadline)
        sealed.unlink()
        report.progress(f"{manifest.name} is opened")
        with scratch_server(manifest.server, deadline) as server:
            programs = {name: program(name, manifest.server) for name in ("pg_restore", "psql")}
            restore(plain, manifest, programs, server, deadline)
            report.progress("its rows are those of the moment of the dump")
            with Session(server, deadline) as session:
                return manifest, _proof(session, manifest, Path(config.keys))


def _proof(session: Session, manifest: Manifest, keys: Path) -> str:
    found = migrations(session)
    if found != (manifest.migration, manifest.migrations):
        raise Failed(
            f"{manifest.name} has {found[1]} migrations, the newest {found[0]}, and its manifest says otherwise"
        )
    session.ask("create extension amcheck")
    indexes = session.one(_INDEXES)
    key = opened_by(session, keys)
    rows = sum(manifest.tables.values())
    there = f"{rows} rows in {len(manifest.tables)} tables, {indexes} indexes sound"
    return f"{there}, {key}, PostgreSQL {server_major(session)}"


if __name__ == "__main__":
    run("rehearsal", Config, main)
