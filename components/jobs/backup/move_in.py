"""Back up the database of an Infisical that runs elsewhere, for the restore that brings it in.

It does nothing once that restore was done: the other server may be gone by then. It refuses a server that somebody is
still connected to as Infisical's role, because what is written after the dump would be lost.
"""

import time
from dataclasses import dataclass, replace

import back_up
from backup_status import Status
from bounded_program import Deadline, require
from database_session import Session, migrations, reached, restored
from job import Failed, Pending, Report, run, wait
from kube import Api
from platform_database import DatabaseConfig, environment, resource_uid
from restore_refusals import refuse_known


@dataclass(frozen=True, kw_only=True)
class Config(back_up.Config):
    """id: of the restore. backup: what the backup's name ends with. server: the database that moves in.

    quiet_seconds: how long nobody may have been connected. An Infisical that nobody asks closes its connections after
    30 s, and reads its settings again within a minute, for its readiness probe.
    patience_seconds: how long it may still be used, since a pod that was told to end takes up to half a minute.
    """

    id: str
    backup: str
    server: DatabaseConfig
    quiet_seconds: float = 65
    patience_seconds: float = 60


class Quiet:
    """Tells whether the other server is used no more."""

    def __init__(self, session: Session, config: Config) -> None:
        self.session, self.config = session, config
        self.since = time.monotonic()
        self.used = ""  # by whom, when it was last seen

    def check(self) -> None:
        """Raise Pending until nobody was connected for long enough."""
        others = users(self.session)
        if others:
            self.used, self.since = _used(self.config, others), time.monotonic()
        if time.monotonic() - self.since < self.config.quiet_seconds:
            nobody = f"nobody is connected to {self.config.server.address}"
            raise Pending(self.used or f"{nobody}; waiting {self.config.quiet_seconds:g} s for one that comes back")


def main(config: Config, report: Report) -> str:
    require("gpg", "psql")
    api = Api()
    status = Status(api, config.database.namespace, config.status, report)
    with status.failing_as(lambda cause: {"restoreFailure": f"{config.id}: {cause}"}):
        return _moved(config, api, status, report)


def _moved(config: Config, api: Api, status: Status, report: Report) -> str:
    deadline = Deadline(config.deadline_seconds)
    with reached(environment(api, config.database, "platform-move-in", report), deadline, report) as session:
        if restored(session, config.id):
            return f"restore {config.id} was done before, so {config.server.address} is not asked any more"
        refuse_known(session, config.id, status.read())
    with reached(environment(api, config.server, "platform-move-in", report), deadline, report) as session:
        _, number = migrations(session)
        if not number:
            raise Failed(f"{config.server.address} has none of Infisical's tables; see restore.server.name")
        patience = config.patience_seconds + config.quiet_seconds
        wait(Quiet(session, config).check, report, deadline_seconds=patience)
    dump = replace(config, database=config.server, deadline_seconds=deadline.remaining)
    # One of an earlier attempt is no substitute: the server may have been used since. Nor is this one for a later
    # attempt, which finds this Job done: moved_late.py.
    done = back_up.BackUp(dump, api, resource_uid(api, config.server), report, config.backup).make()
    with reached(environment(api, config.server, "platform-move-in", report), deadline, report) as session:
        if others := users(session):
            raise Failed(_used(config, others))
    return done


def users(session: Session) -> list[str]:
    """Return from where others are connected as this role, or as the one that owns Infisical's tables."""
    return session.ask(
        "select distinct coalesce(host(client_addr), case client_port when -1 then 'a socket' else 'elsewhere' end)"
        " from pg_stat_activity where usename in (current_user, (select tableowner from pg_tables"
        " where schemaname = 'public' and tablename = 'infisical_migrations'))"
        " and datname = current_database() and pid <> pg_backend_pid() order by 1"
    )


def _used(config: Config, others: list[str]) -> str:
    return (
        f"{config.server.address} is still used as its role, from {', '.join(others)}, and what is written after the "
        "dump would be lost; nothing has changed. Scale that Infisical to 0, and run `pulumi up` again"
    )


if __name__ == "__main__":
    run("move-in", Config, main)
