"""Ask PostgreSQL over one connection of psql, and find the programs that fit the server."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from bounded_program import Deadline, last_words
from job import ConfigError, Failed, Pending, Report, wait

REACH_SECONDS = 120  # for a database that fails over, or a network that has yet to hear of this pod
_END = "end of the answer"
# A folder for each major version, as Debian and Spilo have it.
_VERSIONS = Path(os.environ.get("POSTGRES_PROGRAMS", "/usr/lib/postgresql"))


class Session:
    """One connection. With an environment of PG… variables, which hold the password and how to verify."""

    def __init__(self, environment: Mapping[str, str], deadline: Deadline, program: str = "psql") -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 closed with the connection
        try:
            self._process = subprocess.Popen(
                [program, "-XAtqw", "-v", "ON_ERROR_STOP=1"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, **environment},
                text=True,
            )
        except FileNotFoundError as error:
            raise ConfigError("the image has no psql") from error
        self._timer = threading.Timer(deadline.remaining, self._process.kill)
        self._timer.start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # of what psql has not read
                    stream.close()

    def ask(self, statement: str) -> list[str]:
        """Return the lines of the answer. Raises Failed with the server's words when there is none."""
        assert self._process.stdin
        assert self._process.stdout
        lines: list[str] = []
        try:
            self._process.stdin.write(f"{statement};\n\\echo {_END}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None
        for line in self._process.stdout:
            if line.rstrip("\n") == _END:
                return lines
            lines.append(line.rstrip("\n"))
        raise self._failure()

    def one(self, statement: str) -> str:
        """Return the first line of the answer, empty where there is none."""
        return next(iter(self.ask(statement)), "")

    def _failure(self) -> Failed:
        self._process.wait()
        self._said.seek(0)
        return Failed(f"psql: {last_words(self._said.read())}")


def reached(environment: Mapping[str, str], deadline: Deadline, report: Report) -> Session:
    """Return a connection that answers. Raises Failed where it has not within REACH_SECONDS, or waiting is no help."""

    def connected() -> Session:
        session = Session(environment, deadline)
        try:
            session.ask("select 1")
        except Failed as error:
            session.close()
            if passes(error):
                raise Pending(str(error)) from error
            raise
        return session

    patience = min(REACH_SECONDS, deadline.remaining / 2)  # what is left is for the work
    return wait(connected, report, deadline_seconds=patience, interval=1)


def passes(error: Failed) -> bool:
    """Return whether waiting helps, as it does while the database fails over, and not when the pod has to end."""
    lasting = (
        "stopped by",
        "password authentication failed",
        "certificate verify failed",
        "does not exist",
        "does not match host",
    )
    return not any(words in str(error) for words in lasting)


def server_major(session: Session) -> int:
    """Return the major version of the server: 15."""
    return int(session.one("show server_version_num")) // 10000


def program(name: str, major: int) -> str:
    """Return the path of a PostgreSQL program that is as new as the server. Raises ConfigError."""
    versions = (int(path.name) for path in _VERSIONS.glob("*") if path.name.isdigit())
    there = sorted(version for version in versions if (_VERSIONS / str(version) / "bin" / name).exists())
    fitting = next((version for version in there if version >= major), None)
    if fitting:
        return str(_VERSIONS / str(fitting) / "bin" / name)
    found = shutil.which(name)
    if found is None or there:
        has = ", ".join(map(str, there)) or "none"
        raise ConfigError(f"the image has no {name} of PostgreSQL {major} or newer ({has}): see backup.image")
    return found


def tables(session: Session, *, owned: bool = False) -> dict[str, int]:
    """Return the number of rows of each table in schema public that no extension made, and `owned` by this role."""
    ours = " and relowner = quote_ident(current_user)::regrole" if owned else ""
    names = session.ask(
        "select format('%I', relname) from pg_class c where relnamespace = 'public'::regnamespace"  # noqa: S608
        " and relkind in ('r', 'p') and not relispartition and not exists (select from pg_depend d"
        " where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"
        f"{ours} order by 1"
    )
    return {name: int(session.one(f"select count(*) from public.{name}")) for name in names}  # noqa: S608 quoted by %I


def restored(session: Session, identifier: str) -> str:
    """Return what a restore has left of itself: the backup's name, a bar, and t once it was finished. Else nothing."""
    if session.one("select to_regclass('platform.restored')") == "":
        return ""
    return session.one(f"select name, finished from platform.restored where id = '{identifier}'")  # noqa: S608


def settled(session: Session, identifier: str, patience_seconds: int) -> str:
    """Return as `restored` does, once no transaction that could still commit writes there. Raises Failed."""
    session.ask("begin")
    if session.one("select to_regclass('platform.restored')"):
        session.ask(f"set local lock_timeout = '{patience_seconds}s'")
        session.ask("lock table platform.restored in share mode")  # a writer holds one that conflicts to its very end
    found = restored(session, identifier)
    session.ask("rollback")
    return found


def migrations(session: Session) -> tuple[str, int]:
    """Return the newest migration of Infisical that has run and how many have, or nothing and 0."""
    if session.one("select to_regclass('public.infisical_migrations')") == "":
        return "", 0
    name = session.one("select name from public.infisical_migrations order by id desc limit 1")
    return name, int(session.one("select count(*) from public.infisical_migrations"))
