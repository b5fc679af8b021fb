"""Bring the database back to a backup, once per id: in one transaction, while Infisical is stopped and Redis is empty.

What is replaced is backed up first. Whatever speaks against it is found before anything is touched. A kill at any
moment leaves the old data or the restored data, and the next run goes on from there. Infisical stays stopped until the
release that follows starts it.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import back_up
import backup_manifest
from backup_manifest import Manifest
from backup_status import Status, now
from backup_target import Target, TargetConfig, target_of
from bounded_program import Deadline, require, run_program
from database_session import REACH_SECONDS, Session, program, reached, restored, server_major, settled
from infisical_stop import Stopped, WorkloadsConfig
from job import Failed, Report, run, secret, wait
from kube import Api
from moved_late import refuse_late
from own_backups import Own, chosen_anywhere, strangers
from platform_database import DatabaseConfig, environment, resource_uid
from queues import QueuesConfig, empty, master
from rehearse import fetched
from restore_refusals import overwritten, refuse_known, refuse_other, refuse_unfit
from restore_script import Ending, restore
from sealing import unseal

_SETTLE_SECONDS = 60  # for the question whether a COMMIT without an answer was heard
_KNOWN = 100  # ids of the newest restores, for a database that is set back
# In a schema of its own, which no dump has and no restore drops.
_TABLE = (
    "create schema if not exists platform; create table if not exists platform.restored"
    " (id text primary key, name text not null, sha256 text not null, at timestamptz not null default now(),"
    " finished boolean not null default false)"
)


@dataclass(frozen=True)
class Config:
    """id: of this restore. source: `latest`, a name or an identifier. image: the release that the stack has now.

    server: the one that moves in, whose backup is `source`. It may be described differently once it has.
    identity: file with a recipient's private key, for a backup that the stack's own passphrase does not open.
    queues_seconds: how long Redis may be away before anything is touched.
    moved_in_within_seconds: how old the backup of a server that moves in may be. None: of one's own, as old as it is.
    """

    id: str
    source: str
    database: DatabaseConfig
    target: TargetConfig
    workloads: WorkloadsConfig
    queues: QueuesConfig
    status: str
    store: str
    image: str
    deadline_seconds: float
    server: str | None = None
    overwrite: str | None = None
    identity: str | None = None
    queues_seconds: float = 60
    moved_in_within_seconds: float | None = None


class Restore:
    """One restore."""

    def __init__(self, config: Config, api: Api, report: Report) -> None:
        self._config, self._api, self._report = config, api, report
        self._deadline = Deadline(config.deadline_seconds)
        self._environment = environment(api, config.database, "platform-restore", report)
        self._status = Status(api, config.database.namespace, config.status, report)
        self._remark = ""
        self._ending = hashlib.sha256(f"restore {config.id}".encode()).hexdigest()[:12]

    def run(self) -> str:
        """Return what was done. Raises Failed."""
        config = self._config
        with reached(self._environment, self._deadline, self._report) as session:
            done = restored(session, config.id)
            if not done:
                refuse_known(session, config.id, self._status.read())
            major = server_major(session)
        if done and not config.server:
            refuse_other(config.id, done.partition("|")[0], config.source)
        if done.endswith("|t"):
            self._known()
            return f"{done.partition('|')[0]} was restored by id {config.id} before, so there is nothing to do"
        name = self._stopped(done) if done else self._restored(major)
        empty(config.queues, self._report)
        # It is done: a deadline that has passed meanwhile is no reason to say otherwise.
        with Session(self._environment, Deadline(_SETTLE_SECONDS)) as session:
            session.ask(f"update platform.restored set finished = true where id = '{config.id}'")  # noqa: S608
        self._known(restored=name, restoredAt=now(), restoreFailure=None)
        ends = "Redis is empty, and Infisical is stopped until its release starts it"
        return f"the database is that of {name}, {ends}{self._remark}"

    def _stopped(self, done: str) -> str:
        """Go on from where a run was ended after its COMMIT: its Redis is of another past, so nothing may run on it."""
        with Stopped(self._config.workloads, self._api, self._report, kept=True):
            return done.partition("|")[0]

    def _chosen(self, target: Target) -> tuple[Manifest, str]:
        """Return the backup that is meant, and what is to be said of it."""
        # Not what an earlier attempt of this restore has kept of what is replaced.
        names = [name for name in target.names() if f"-{self._ending}." not in name]
        own = Own(target, self._status.read(), self._uid())
        manifest = backup_manifest.read(target, chosen_anywhere(names, self._config.source, own))
        remark = strangers(names, manifest.name, own)
        if not manifest.key_label:
            remark += f"; {manifest.name} does not say which encryption key it needs"
        return manifest, remark

    def _uid(self) -> str:
        """Return by what its backups know the database."""
        database = self._config.database
        return wait(lambda: resource_uid(self._api, database), self._report, deadline_seconds=REACH_SECONDS)

    def _restored(self, major: int) -> str:
        config, store = self._config, Path(self._config.store)
        target = target_of(config.target, store, self._report)
        manifest, self._remark = self._chosen(target)
        refuse_late(manifest, config.moved_in_within_seconds)
        refuse_unfit(manifest, secret("KEY_LABEL"), config.image, major)
        with tempfile.TemporaryDirectory() as folder:
            sealed, plain = Path(folder, "sealed"), Path(folder, "dump")
            fetched(target, manifest, sealed)
            identity = Path(config.identity) if config.identity else None
            unseal(sealed, plain, store / "passphrase", identity, self._deadline)
            sealed.unlink()
            programs = {each: program(each, major) for each in ("pg_restore", "psql")}
            run_program([programs["pg_restore"], "--file", "/dev/null", str(plain)], self._deadline)
            self._report.progress(f"{manifest.name} is opened and whole")
            with Session(self._environment, self._deadline) as session:
                without = overwritten(session, manifest, config.id, config.overwrite, self._remark)
            wait(lambda: master(config.queues), self._report, deadline_seconds=config.queues_seconds)
            with Stopped(config.workloads, self._api, self._report) as stopped:
                if without:
                    self._back_up(without)
                self._replace(plain, manifest, programs, stopped)
        return manifest.name

    def _back_up(self, without: str) -> None:
        """Keep what is replaced. `without` confirms a restore that does not, as of a database that can't be read."""
        config, told = self._config, self._status.read()
        dump = back_up.Config(
            database=config.database,
            target=config.target,
            status=config.status,
            store=config.store,
            deadline_seconds=self._deadline.remaining,
            image=told.get("image"),
            label=told.get("keyLabel"),  # of the last backup: the stack's may be the one that this restore needs
        )
        try:
            made = back_up.BackUp(dump, self._api, self._uid(), self._report, self._ending).make()
        except Failed as error:
            raise Failed(
                f"what the database has can't be backed up, and nothing has changed: {error}. Mend that, and run "
                f"`pulumi up` again; or set restore.overwrite to {without}, which loses what the database has"
            ) from error
        self._report.progress(made)
        self._remark += f"; what was replaced is in {made.partition(' ')[0]}"

    def _replace(self, plain: Path, manifest: Manifest, programs: dict[str, str], stopped: Stopped) -> None:
        with Session(self._environment, self._deadline) as session:
            session.ask(_TABLE)
            # Whoever is still connected as Infisical, the pooler's idle connections among them, could hold a lock.
            session.ask(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = current_user and datname = current_database() and pid <> pg_backend_pid()"
            )
        row = f"'{self._config.id}', '{manifest.name}', '{manifest.sha256}'"
        note = f"INSERT INTO platform.restored (id, name, sha256) VALUES ({row})"  # noqa: S608 of fixed forms
        try:
            restore(plain, manifest, programs, self._environment, self._deadline, Ending((note,), stopped.keep))
        except Failed as error:
            if stopped.kept:
                self._settle(error, stopped)
            else:
                raise Failed(f"nothing has changed: {error}") from error
        self._report.progress(f"{manifest.name} is restored")

    def _settle(self, error: Failed, stopped: Stopped) -> None:
        """Ask whether a COMMIT was heard that something has failed after. Raises Failed where it was not."""
        try:
            with reached(self._environment, Deadline(_SETTLE_SECONDS), self._report) as session:
                done = settled(session, self._config.id, _SETTLE_SECONDS // 3)
        except Failed as silence:
            raise Failed(
                f"nobody knows yet whether the database was restored: {error}; asked again: {silence}. Infisical stays "
                "stopped. Leave restore as it is in the stack file, and run `pulumi up` again: it asks the database, "
                "and goes on from there"
            ) from error
        if not done:
            stopped.kept = False
            raise Failed(f"nothing has changed: {error}") from error
        self._report.progress(f"the database has committed it all the same: {error}")

    def _known(self, **values: object) -> None:
        """Tell in the cluster too that this id is done: a database that is set back forgets it."""
        told = self._status.read().get("restoredIds", "").split()
        if values or self._config.id not in told:
            ids = dict.fromkeys([*told, self._config.id])
            self._status.tell(restoredIds=" ".join([*ids][-_KNOWN:]), **values)


def main(config: Config, report: Report) -> str:
    require("gpg", "psql")
    api = Api()
    status = Status(api, config.database.namespace, config.status, report)
    with status.failing_as(lambda cause: {"restoreFailure": f"{config.id}: {cause}"}):
        return Restore(config, api, report).run()


if __name__ == "__main__":
    run("restore", Config, main)
