"""Back up the database of an Infisical that runs elsewhere, for the restore that brings it in.

It does nothing once that restore was done: the other server may be gone by then. It refuses a server that somebody is
still connected to as Infisical's role, because what is written after the dump would be lost.
"""

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

    quiet_seconds: how long it may still be used, since a pod that was told to end takes up to half a minute.
    """

    id: str
    backup: str
    server: DatabaseConfig
    quiet_seconds: float = 60


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
        wait(lambda: _quiet(session, config), report, deadline_seconds=config.quiet_seconds)
    dump = replace(config, database=config.server, deadline_seconds=deadline.remaining)
    # One of an earlier attempt is no substitute: the server may have been used since.
    return back_up.BackUp(dump, api, resource_uid(api, config.server), report, config.backup).make()


def _quiet(session: Session, config: Config) -> None:
    others = session.ask(
        "select distinct coalesce(host(client_addr), 'a socket') from pg_stat_activity where usename = current_user"
        " and datname = current_database() and pid <> pg_backend_pid() order by 1"
    )
    if others:
        raise Pending(
            f"{config.server.address} is still used as its role, from {', '.join(others)}, and what is written after "
            "the dump would be lost; nothing has changed. Scale that Infisical to 0, and run `pulumi up` again"
        )


if __name__ == "__main__":
    run("move-in", Config, main)
