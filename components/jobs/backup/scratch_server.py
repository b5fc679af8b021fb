"""Run a PostgreSQL that only this pod reaches: on a socket, with nothing listening, gone with the pod."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bounded_program import Deadline, run_program
from database_session import program

_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=", "max_wal_size=4GB")


@contextmanager
def scratch_server(major: int, deadline: Deadline) -> Generator[Mapping[str, str]]:
    """Yield the PG… variables that lead to an empty database on a new server of this major version or a newer one."""
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder, "data"), Path(folder, "log")
        initdb = [program("initdb", major), "-D", str(data), "-A", "trust", "-U", "rehearsal", "-E", "UTF8"]
        run_program([*initdb, "--locale=C.UTF-8", "--no-sync"], deadline)
        settings = " ".join(f"-c {setting}" for setting in (*_FAST, f"unix_socket_directories={folder}"))
        control = [program("pg_ctl", major), "-D", str(data), "-w", "-t", "60"]
        try:
            run_program([*control, "-l", str(log), "-o", settings, "start"], deadline)
            yield {"PGHOST": folder, "PGPORT": "5432", "PGUSER": "rehearsal", "PGDATABASE": "postgres"}
        finally:
            if (data / "postmaster.pid").exists():
                run_program([*control, "-m", "immediate", "stop"], Deadline(60))
