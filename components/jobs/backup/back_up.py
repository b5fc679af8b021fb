"""Back the database up: dump, read to the end, encrypt, write, read back, and describe.

Whatever fails, fails with its cause in one line and leaves the backups of before as they are. A backup counts only once
its manifest is there, which is written last.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import retention
from backup_manifest import FORMAT, SEALED, Manifest, complete, identifier_of, name_of
from backup_status import Status, moment, now
from backup_target import Content, Target, TargetConfig, content_of, target_of
from bounded_program import Deadline, require, run_program
from database_session import REACH_SECONDS, migrations, passes, program, reached, server_major, tables
from job import Failed, Report, run, wait
from kube import Api
from own_backups import Own
from platform_database import DatabaseConfig, environment, resource_uid
from retention import Retention
from sealing import Recipient, recipients, seal

_LOCK_SECONDS = 60  # a dump waits as long for a table that a migration holds
_LISTED = 100  # names of the newest backups, for people who choose one
_PROLONG = "Have its owner prolong it (`gpg --quick-set-expire FINGERPRINT 2y`), and export it for backup.recipients"


@dataclass(frozen=True)
class Config:
    """store: folder with credentials and public keys. before: identifies the change that this backup comes before.

    image: the release that has made the data. None: before a change, the one that the last backup was of; else unknown.
    label: the key's that the data are of. None: the stack's.
    """

    database: DatabaseConfig
    target: TargetConfig
    status: str
    store: str
    deadline_seconds: float
    image: str | None = None
    label: str | None = None
    before: str | None = None
    retention: Retention | None = None


@dataclass(frozen=True)
class Dump:
    """What was dumped, all of one moment."""

    server: int
    migration: str
    migrations: int
    tables: dict[str, int]


class BackUp:
    """One backup. `ending` is what its name ends with, where that is neither the change's identifier nor by chance."""

    def __init__(self, config: Config, api: Api, uid: str, report: Report, ending: str | None = None) -> None:
        self._config, self._report = config, report
        self._ending = ending or config.before or secrets.token_hex(4)
        self._deadline = Deadline(config.deadline_seconds)
        self._store = Path(config.store)
        self._environment = environment(api, config.database, "platform-backup", report)
        self._uid = uid
        self._status = Status(api, config.database.namespace, config.status, report)

    def make(self) -> str:
        """Return what was made. Raises Failed."""
        started = time.monotonic()
        target = target_of(self._config.target, self._store, self._report)
        told = self._status.read()
        own = Own(target, told, self._uid)
        everybody = recipients(self._store, self._deadline)
        people = [person for person in everybody if not person.expired]
        if not people:
            expired = ", ".join(person.fingerprint for person in everybody)
            raise Failed(f"every key in backup.recipients has expired: {expired}. {_PROLONG}")
        with tempfile.TemporaryDirectory() as folder:
            plain, sealed = Path(folder, "dump"), Path(folder, "sealed")
            dump = self._tried_twice(plain)
            if not dump.migrations:
                if self._config.before:
                    return "the database is empty, so there is nothing to back up"
                raise Failed("Infisical has not made its tables in this database yet, so there is nothing to back up")
            self._report.progress(f"dumped {plain.stat().st_size} bytes, and read them to the end")
            seal(plain, sealed, people, self._store / "passphrase", self._deadline)
            plain.unlink()
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            name = name_of(stamp, self._ending)
            # Before the write: a volume that is full gets room by nothing else.
            kept = self._retained(target, told.get("rehearsedName", ""), own)
            content = _written(target, name, sealed)
        manifest = Manifest(
            format=FORMAT,
            name=name,
            size=content.size,
            sha256=content.sha256,
            seconds=round(time.monotonic() - started, 1),
            server=dump.server,
            migration=dump.migration,
            migrations=dump.migrations,
            tables=dump.tables,
            # The one before a change is made before the stack knows its key, and while the release of before runs. It
            # is of the key and of the release that the last one was of.
            key_label=self._config.label or os.environ.get("KEY_LABEL") or told.get("keyLabel", ""),
            recipients=[person.fingerprint for person in people],
            cluster=self._uid,
            image=self._config.image or (told.get("image") if self._config.before else None),
        )
        manifest.write(target)
        self._list(target, manifest, told, own)
        return self._told(target, manifest, everybody, kept)

    def _tried_twice(self, plain: Path) -> Dump:
        """Dump, and once more after a failure: the database may have failed over meanwhile."""
        try:
            return self._dump(plain)
        except Failed as error:
            if not passes(error):
                raise
            self._report.progress(f"{error}; trying once more")
            plain.unlink(missing_ok=True)
            return self._dump(plain)

    def _dump(self, plain: Path) -> Dump:
        """Dump with the counts of the same moment, and read the dump to its end: a list of it would prove nothing."""
        with reached(self._environment, self._deadline, self._report) as session:
            session.ask("begin isolation level repeatable read read only")
            snapshot = session.one("select pg_export_snapshot()")
            major = server_major(session)
            newest, number = migrations(session)
            if not number:
                return Dump(major, "", 0, {})
            dump = Dump(major, newest, number, tables(session))
            options = ["-Fc", "-n", "public", f"--snapshot={snapshot}", f"--lock-wait-timeout={_LOCK_SECONDS}s"]
            command = [program("pg_dump", major), *options, "--no-password", "--file", str(plain)]
            run_program(command, self._deadline, environment=self._environment)
        run_program([program("pg_restore", major), "--file", "/dev/null", str(plain)], self._deadline)
        return dump

    def _retained(self, target: Target, verified: str, own: Own) -> str:
        if not self._config.retention:
            return ""
        try:
            return retention.apply(target, self._config.retention, verified, self._report, own)
        except Failed as error:  # a new backup is what counts
            if not passes(error):
                raise
            return f"retention failed: {error}"

    def _list(self, target: Target, manifest: Manifest, told: Mapping[str, str], own: Own) -> None:
        """Tell people which of the backups there are this cluster's, and the other Jobs by what they know them."""
        ours = {*told.get("kept", "").split(), manifest.name}
        names = [name for name in complete(target.names()) if name in ours]
        self._status.tell(kept=" ".join(names[-_LISTED:]), clusters="\n".join(own.databases))

    def _told(self, target: Target, manifest: Manifest, everybody: Sequence[Recipient], kept: str) -> str:
        expired = [person.fingerprint for person in everybody if person.expired]
        self._status.tell(
            lastSuccess=manifest.time,
            lastName=manifest.name,
            lastSize=manifest.size,
            lastSha256=manifest.sha256,
            lastSeconds=manifest.seconds,
            keyLabel=manifest.key_label,
            **({"beforeName": manifest.name} if self._config.before else {"image": manifest.image}),
            recipients=" ".join(manifest.recipients),
            recipientsExpired=" ".join(expired) or None,
            recipientsEnd=_first_end(everybody),
            retention=kept or None,
            lastFailure=None,
            lastFailureAt=None,
        )
        aloud = kept and f"; {kept}"
        if expired:
            aloud += f"; NOT encrypted to {', '.join(expired)}, which expired. {_PROLONG}"
        rows = sum(manifest.tables.values())
        return f"{manifest.name} is in {target.where}: {rows} rows, {manifest.size} bytes, read back{aloud}"


def main(config: Config, report: Report) -> str:
    require("gpg", "psql")
    api = Api()
    status = Status(api, config.database.namespace, config.status, report)
    with status.failing_as(lambda cause: {"lastFailure": cause, "lastFailureAt": now()}):
        uid = wait(lambda: resource_uid(api, config.database), report, deadline_seconds=REACH_SECONDS)
        if config.before and not uid:
            return "there is no database yet, so there is nothing to back up"
        if config.before and (made := _made_before(config, config.before, status, report)):
            return f"{made} was made before this change, and is there already"
        return BackUp(config, api, uid, report).make()


def _made_before(config: Config, identifier: str, status: Status, report: Report) -> str:
    """Return the backup that was made before this change, empty where there is none.

    A Job that is replaced for another reason would back up what the change has made of the data. Only the last one that
    was made before a change counts: a change that is made again, after a different one, has newer data to lose.
    """
    name = status.read().get("beforeName", "")
    if identifier_of(name) != identifier:
        return ""
    there = complete(target_of(config.target, Path(config.store), report).names())
    return name if name in there else ""


def _written(target: Target, name: str, sealed: Path) -> Content:
    """Write the encrypted file and compare what the target then has. Raises Failed."""
    content = content_of(sealed)
    target.put(name + SEALED, sealed)
    back = target.fetch(name + SEALED, None, content.size)
    if back != content:
        raise Failed(f"{name}{SEALED} reads back different: {back.size} bytes, and {content.size} were written")
    return content


def _first_end(people: Sequence[Recipient]) -> str | None:
    """Return when the first of the keys that have not expired will, and its fingerprint."""
    ends = [(person.ends, person.fingerprint) for person in people if person.ends and not person.expired]
    if not ends:
        return None
    seconds, fingerprint = min(ends)
    return f"{moment(seconds)} {fingerprint}"


if __name__ == "__main__":
    run("backup", Config, main)
