"""Real servers for the tests, on loopback: PostgreSQL, PgBouncer, Redis, Sentinel. Each ends with its own process."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from job_pki import Pair

PASSWORD = "correct-horse-battery"
USER, DATABASE = "infisical_user", "infisical"


def program(name: str, *folders: str) -> str:
    """Path of a program; without it the test is skipped, or fails where CI is set."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"]))
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return found


def free_port(*addresses: str) -> int:
    """A TCP port which is free on every address."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((addresses[0] if addresses else "127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                for address in addresses[1:]:
                    stack.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port


def eventually(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a condition. A server that doesn't answer is one that doesn't meet it yet."""

    def holds() -> bool:
        try:
            return bool(condition())
        except OSError:
            return False

    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


class Account:
    """The unprivileged user the servers run as: PostgreSQL and PgBouncer refuse root."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self) -> None:
        self.name = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def own(self, path: Path, mode: int) -> Path:
        path.chmod(mode)
        if os.geteuid() == 0:
            shutil.chown(path, self.name)
        return path

    def folder(self, path: Path) -> Path:
        path.mkdir()
        return self.own(path, 0o700)

    def file(self, path: Path, text: str) -> Path:
        path.write_text(text)
        return self.own(path, 0o600)

    def start(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **self._user())  # type: ignore[call-overload]
        self.started.append(process)
        return process

    def run(self, command: Sequence[str], folder: Path) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, **self._user())  # type: ignore[call-overload]

    def _user(self) -> dict[str, str]:
        return {"user": self.name} if os.geteuid() == 0 else {}


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


class TlsFiles:
    """The certificate and key a server reads."""

    def __init__(self, account: Account, folder: Path) -> None:
        self._account = account
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"

    def write(self, pair: Pair) -> None:
        self._account.file(self.certificate, pair.pem)
        self._account.file(self.key, pair.key_pem)


class Postgres:
    """PostgreSQL with TLS only, on one loopback address."""

    def __init__(self, base: Path, host: str, port: int, pair: Pair) -> None:
        self.host, self.port, self.account = host, port, Account()
        self.bin = program("initdb", "/usr/lib/postgresql/15/bin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
        self.folder = self.account.folder(base / "postgres")
        self.data = self.folder / "data"
        self.tls = TlsFiles(self.account, self.folder)
        self.tls.write(pair)
        self.account.run(
            [self.bin, "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync", "--no-locale"], self.folder
        )
        self.account.file(
            self.data / "pg_hba.conf",
            "local all all trust\nhostnossl all all all reject\nhostssl all all all scram-sha-256\n",
        )
        settings = {
            "listen_addresses": host,
            "port": str(port),
            "unix_socket_directories": str(self.folder),
            "ssl": "on",
            "ssl_cert_file": str(self.tls.certificate),
            "ssl_key_file": str(self.tls.key),
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        postgres = str(Path(self.bin).with_name("postgres"))
        self.process = self.account.start([postgres, "-D", str(self.data), *options], self.folder)
        eventually(lambda: self._try("select 1").returncode == 0, "PostgreSQL answers")
        self.sql(f"create role {USER} login password '{PASSWORD}'")
        self.sql(f"create database {DATABASE} owner {USER}")

    def sql(self, statement: str) -> None:
        result = self._try(statement)
        assert result.returncode == 0, result.stderr

    @property
    def major_version(self) -> int:
        """As the data directory has it: 15."""
        return int((self.data / "PG_VERSION").read_text())

    def _try(self, statement: str) -> subprocess.CompletedProcess[str]:
        command = [program("psql"), "-XAtq", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres"]
        return subprocess.run(
            [*command, "-d", "postgres", "-c", statement], capture_output=True, text=True, check=False
        )

    def present(self, pair: Pair) -> None:
        """Renews the certificate, as Spilo does: new files and a reload."""
        self.tls.write(pair)
        self.process.send_signal(signal.SIGHUP)
        eventually(
            lambda: presented(self.host, self.port) == pair.certificate.public_bytes(Encoding.DER), "new certificate"
        )

    def stop(self) -> None:
        stop(self.process)


class PgBouncer:
    """PgBouncer before a PostgreSQL, with TLS required, or without any when no pair is given."""

    def __init__(self, folder: Path, host: str, port: int, backend: Postgres, pair: Pair | None) -> None:
        self.host, self.port, self.account = host, port, Account()
        self.folder = self.account.folder(folder)
        self.tls = TlsFiles(self.account, self.folder)
        self.account.file(self.folder / "users", f'"{USER}" "{PASSWORD}"\n')
        tls = "client_tls_sslmode = disable"
        if pair:
            self.tls.write(pair)
            tls = (
                f"client_tls_sslmode = require\nclient_tls_cert_file = {self.tls.certificate}\n"
                f"client_tls_key_file = {self.tls.key}"
            )
        self.account.file(
            self.folder / "pgbouncer.ini",
            f"""[databases]
* = host={backend.host} port={backend.port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.folder}/users
pool_mode = transaction
server_tls_sslmode = require
{tls}
""",
        )
        self.process = self.account.start([program("pgbouncer"), str(self.folder / "pgbouncer.ini")], self.folder)
        eventually(lambda: listens(host, port), "PgBouncer listens")

    def stop(self) -> None:
        stop(self.process)


class RedisServer:
    """A Redis server or a Sentinel, restartable under the same address."""

    def __init__(self, folder: Path, host: str, port: int, config: Sequence[str], *, sentinel: bool = False) -> None:
        self.host, self.port, self.account = host, port, Account()
        self.folder = self.account.folder(folder)
        self.config = [f"bind {host}", f"port {port}", f"dir {self.folder}", "daemonize no", *config]
        self.program = program("redis-sentinel" if sentinel else "redis-server")
        self.start()

    def start(self) -> None:
        # Written anew each time, as the containers do: Sentinel rewrites its file.
        file = self.account.file(self.folder / "redis.conf", "\n".join(self.config) + "\n")
        self.process = self.account.start([self.program, str(file)], self.folder)
        eventually(lambda: listens(self.host, self.port), f"{self.program} listens")

    def stop(self) -> None:
        stop(self.process)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()


def presented(host: str, port: int) -> bytes:
    """DER of the certificate a PostgreSQL or PgBouncer presents."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, port), 5) as plain:
        plain.sendall(struct.pack("!ii", 8, 80877103))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as encrypted:
            return encrypted.getpeercert(binary_form=True) or b""
