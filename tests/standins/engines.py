"""Real PostgreSQL, Redis and Sentinel processes on loopback, for the tests of this folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.standins.authority import Authority

PASSWORD = "p@ss/w#rd?"  # every character here has to be percent-encoded in an address
LIMIT = 60.0
T = TypeVar("T")

# Ends a child with the test run, even one which was killed.
WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]

# PostgreSQL refuses to run as root.
USER = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what: str, probe: Callable[[], T | None], limit: float = LIMIT) -> T:
    """The first true answer of `probe`. Raises TimeoutError after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {limit} s")
        time.sleep(0.05)
    return answer


def _spawn(arguments: list[str | Path], folder: Path, log: str) -> subprocess.Popen[bytes]:
    with (folder / log).open("wb") as output:
        return subprocess.Popen(
            [*WITH_PARENT, *arguments],
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            user=USER,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes], with_signal: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(signal.SIGCONT)
    process.send_signal(with_signal)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _own(*files: Path) -> None:
    """Give files to the server, and no more: what a running one has in its folder comes and goes."""
    for file in files:
        shutil.chown(file, USER)


class Postgres:
    """PostgreSQL for `localhost`, TLS only, as the Zalando operator configures it (`hostnossl ... reject`)."""

    HBA = "local all postgres trust\nhostnossl all all all reject\nhostssl all all 127.0.0.1/32 scram-sha-256\n"

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = folder
        self._bin = Path(max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin")))
        self._databases = 0
        self.port = free_port()
        self.serve_certificate_for("localhost", authority)
        data = folder / "data"
        initdb: list[str | Path] = [self._bin / "initdb", "-U", "postgres", "-D", data, "--no-sync", "-A", "trust"]
        subprocess.run(initdb, check=True, capture_output=True, user=USER, cwd=folder)
        (data / "pg_hba.conf").write_text(self.HBA)
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(folder),
            "ssl": "on", "ssl_cert_file": str(folder / "tls.crt"), "ssl_key_file": str(folder / "tls.key"),
            "fsync": "off", "max_connections": "200",
        }  # fmt: skip
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._process = _spawn([self._bin / "postgres", "-D", data, *options], folder, "postgres.log")
        wait_for("PostgreSQL", self._accepts)
        self.sql(f"create role infisical_user login password '{PASSWORD}'")

    def _accepts(self) -> bool:
        ready: list[str | Path] = [self._bin / "pg_isready", "-q", "-h", self._folder, "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def sql(self, statement: str, database: str = "postgres") -> str:
        psql = [*self._psql(database), "-c", statement]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()

    @contextmanager
    def holding(self, statement: str, database: str) -> Iterator[None]:
        """A transaction which has run `statement` and stays open."""
        psql = subprocess.Popen(self._psql(database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with psql as session:
            assert session.stdin
            assert session.stdout
            session.stdin.write(f"begin;\n{statement};\n\\echo held\n")
            session.stdin.flush()
            while session.stdout.readline() != "held\n":
                assert session.poll() is None
            yield

    def _psql(self, database: str) -> list[str | Path]:
        quiet = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
        return [*quiet, "-h", self._folder, "-p", str(self.port), "-U", "postgres", "-d", database]

    def serve_certificate_for(self, host: str, authority: Authority) -> None:
        """Replaces the certificate; new connections see it after `reload`."""
        files = self._folder / "tls.crt", self._folder / "tls.key"
        authority.issue(*files, host)
        _own(*files)

    @contextmanager
    def presenting(self, host: str, authority: Authority) -> Iterator[None]:
        """Serve a certificate for a different host, and the right one again whatever happens: others use the server."""
        try:
            self.serve_certificate_for(host, authority)
            self.reload()
            yield
        finally:
            self.serve_certificate_for("localhost", authority)
            self.reload()

    def reload(self) -> None:
        loaded = "select pg_conf_load_time()"
        before = self.sql(loaded)
        self._process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: self.sql(loaded) != before)

    def new_database(self, template: str = "template1") -> str:
        """Make one for the server, a copy of another that nobody is connected to."""
        self._databases += 1
        name = f"infisical_{self._databases}"
        self.sql(f"create database {name} template {template} owner infisical_user")
        return name

    def uri(self, database: str, sslmode: str | None = None, host: str = "localhost") -> str:
        query = f"?sslmode={sslmode}" if sslmode else ""
        return (
            f"postgresql://infisical_user:{urllib.parse.quote(PASSWORD, safe='')}@{host}:{self.port}/{database}{query}"
        )

    def close(self) -> None:
        _end(self._process, signal.SIGQUIT)  # nobody needs the data: no checkpoint


class Redis:
    """One Redis master and the Sentinel which watches it, both behind a password."""

    MASTER = "platform-kv-master"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.sentinel_port = free_port()
        common = f"bind 127.0.0.1\ndir {folder}\n"
        (folder / "redis.conf").write_text(
            f'{common}port {self.port}\nrequirepass "{PASSWORD}"\nmasterauth "{PASSWORD}"\nsave ""\n'
        )
        (folder / "sentinel.conf").write_text(
            f'{common}port {self.sentinel_port}\nrequirepass "{PASSWORD}"\n'
            f"sentinel monitor {self.MASTER} 127.0.0.1 {self.port} 1\n"
            f'sentinel auth-pass {self.MASTER} "{PASSWORD}"\n'
            f"sentinel down-after-milliseconds {self.MASTER} 60000\n"
        )
        _own(folder / "redis.conf", folder / "sentinel.conf")
        self.server = _spawn(["redis-server", folder / "redis.conf"], folder, "redis.log")
        self._sentinel = _spawn(["redis-sentinel", folder / "sentinel.conf"], folder, "sentinel.log")
        wait_for("Redis", lambda: self.cli("ping") == "PONG")
        wait_for("Sentinel", lambda: f"{self.port}" in self._ask_sentinel())

    def cli(self, *command: str, port: int | None = None) -> str:
        redis_cli = ["redis-cli", "-h", "127.0.0.1", "-p", str(port or self.port), *command]
        environment = {**os.environ, "REDISCLI_AUTH": PASSWORD}
        run = subprocess.run(redis_cli, check=False, capture_output=True, env=environment)
        return run.stdout.decode(errors="replace").strip()

    def _ask_sentinel(self) -> str:
        return self.cli("sentinel", "get-master-addr-by-name", self.MASTER, port=self.sentinel_port)

    def environment(self) -> dict[str, str]:
        return {
            "REDIS_SENTINEL_HOSTS": f"127.0.0.1:{self.sentinel_port}",
            "REDIS_SENTINEL_MASTER_NAME": self.MASTER,
            "REDIS_SENTINEL_PASSWORD": PASSWORD,
            "REDIS_PASSWORD": PASSWORD,
        }

    def close(self) -> None:
        _end(self._sentinel)
        _end(self.server)
