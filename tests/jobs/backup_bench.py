"""A platform to back up: a real PostgreSQL with Infisical's tables, a real API server, real keys; and a volume.

The scripts run as an unprivileged user, as in their pods: PostgreSQL starts a server for nobody else.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from job_cluster import Cluster, Rule
from job_engines import DATABASE, PASSWORD, USER, Account, Postgres, eventually
from job_pki import Pair

HERE = Path(__file__).parent
JOBS = HERE.parents[1] / "components/jobs"
CLUSTER, CREDENTIALS, STATUS = "platform-db-cluster", "the-roles-credentials", "backup-status"
KEY = "0123456789abcdef0123456789abcdef"
LABEL = "1" * 32
RULES: list[Rule] = [
    ("acid.zalan.do", "postgresqls", ["get"], [CLUSTER]),
    ("", "secrets", ["get"], [CREDENTIALS]),
    ("", "configmaps", ["get", "patch"], [STATUS]),
]
# As Spilo has it: an extension in schema public, which nobody but a superuser could make again.
_numbers = itertools.count()

EXTENSION = "create extension if not exists pg_stat_statements schema public"


@dataclass(frozen=True)
class Done:
    """How a script ended."""

    status: int
    output: str

    @property
    def last_line(self) -> str:
        return self.output.splitlines()[-1]


def tables(*secrets: str) -> str:
    """As the release makes them, with these secrets in them."""
    nonce = os.urandom(12)
    sealed = AESGCM(KEY.encode()).encrypt(nonce, os.urandom(32), None)
    rows = ",".join(f"('{name}', 'of {name}')" for name in secrets)
    return f"""
        create table infisical_migrations (id serial primary key, name text, batch int, migration_time timestamptz);
        insert into infisical_migrations (name) values ('20240101_first.mjs'), ('20250601_kms.mjs');
        create table secrets (name text primary key, sealed text, "updatedAt" timestamptz default now());
        insert into secrets (name, sealed) values {rows};
        create type kind as enum ('a', 'b');
        create table "Odd'Name" (k kind);
        create view names as select name from secrets;
        create function twice(n int) returns int language sql as 'select 2 * n';
        create table kms_root_config (id int, "encryptedRootKey" bytea);
        insert into kms_root_config values (1, '\\x{(nonce + sealed).hex()}')"""


class Bench:
    """One platform, with a database of its own in the shared server."""

    def __init__(self, cluster: Cluster, postgres: Postgres, ca: Pair, base: Path) -> None:
        number = next(_numbers)
        self.cluster, self.postgres, self.account = cluster, postgres, Account()
        self.database = f"{DATABASE}_{number}"
        self.folder = self.account.folder(base / f"backup-{number}")
        self.volume = self.account.folder(self.folder / "volume")
        self.store = self.account.folder(self.folder / "store")
        self.keys = self.account.folder(self.folder / "keys")
        self.account.folder(self.folder / "tmp")
        self.bin = self.account.folder(self.folder / "bin")
        self.compiled = base / "compiled"  # by all of them
        if not self.compiled.exists():
            self.account.folder(self.compiled)
        self.file("store/passphrase", "a passphrase that only the cluster has")
        self.file("keys/ENCRYPTION_KEY", KEY)
        self.file("ca.crt", ca.pem)
        credentials = self.account.folder(self.folder / "credentials")
        for name in ("ca.crt", "token"):
            self.account.file(credentials / name, (cluster.folder / name).read_text())
        self.owner = owner_of_keys(base)
        self.file("store/recipient-0.asc", gpg(self.owner, "--armor", "--export"))
        postgres.sql(f"create database {self.database} owner {USER}")
        self.super(EXTENSION)
        self.namespace = cluster.namespace("backup")
        cluster.grant(self.namespace, RULES)
        cluster.secret(self.namespace, CREDENTIALS, {"username": USER, "password": PASSWORD})
        maps = f"/api/v1/namespaces/{self.namespace}/configmaps"
        cluster.create(maps, {"metadata": {"name": STATUS}})
        self.uid = cluster.postgresql(self.namespace, CLUSTER)["metadata"]["uid"]

    def file(self, name: str, text: str) -> Path:
        return self.account.file(self.folder / name, text)

    def super(self, statement: str) -> str:
        return self.sql(statement, "postgres")

    def sql(self, statement: str, user: str = USER) -> str:
        command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.postgres.folder), "-U", user]
        command += ["-p", str(self.postgres.port), "-d", self.database, "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def status(self) -> dict[str, str]:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{STATUS}"
        return self.cluster.call("GET", path).get("data") or {}

    def tell(self, **values: str) -> None:
        """Sets what a Job has told before."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{STATUS}"
        self.cluster.call("PATCH", path, {"data": values})

    @property
    def objects(self) -> list[str]:
        return sorted(path.name for path in self.volume.iterdir())

    def manifest(self) -> dict[str, Any]:
        return json.loads(max(self.volume.glob("*.json")).read_text())

    def config(self) -> dict[str, Any]:
        return {
            "database": {
                "namespace": self.namespace,
                "cluster": CLUSTER,
                "credentials": CREDENTIALS,
                "host": self.postgres.host,
                "port": self.postgres.port,
                "name": self.database,
                "ca_files": [str(self.folder / "ca.crt"), str(self.folder / "absent.crt")],
            },
            "target": {"kind": "volume", "folder": str(self.volume)},
            "status": STATUS,
            "store": str(self.store),
            "image": "infisical/infisical:v0.165.8",
            "deadline_seconds": 120,
        }

    def back_up(self, **changed: Any) -> Done:
        return self.run("back_up.py", {**self.config(), **changed})

    def rehearse(self, **changed: Any) -> Done:
        config = {key: value for key, value in self.config().items() if key not in ("database", "image")}
        return self.run("rehearse.py", {**config, "namespace": self.namespace, "keys": str(self.keys), **changed})

    def run(self, script: str, config: Mapping[str, Any], **variables: str) -> Done:
        process = self.start(script, config, **variables)
        output, _ = process.communicate(timeout=120)
        return Done(process.returncode, output)

    def start(self, script: str, config: Mapping[str, Any], **variables: str) -> "subprocess.Popen[str]":
        environment = {
            "PATH": f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "PYTHONPYCACHEPREFIX": str(self.compiled),
            "PYTHONPATH": os.pathsep.join([str(HERE / "hosts"), str(JOBS / "shared")]),
            "TMPDIR": str(self.folder / "tmp"),
            "TERMINATION_LOG": str(self.folder / "absent"),
            "KEY_LABEL": LABEL,
            "CONFIG": json.dumps(config),
            "KUBE_API_URL": self.cluster.url,
            "KUBE_CREDENTIALS": str(self.folder / "credentials"),
            **variables,
        }
        user = {"user": self.account.name} if os.geteuid() == 0 else {}
        return subprocess.Popen(
            [python(), "-u", str(JOBS / "backup" / script)],
            env=environment,
            cwd="/",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **user,  # type: ignore[arg-type]
        )

    def instead_of(self, program: str, script: str) -> None:
        """Put a shell script in the place of a program, for whoever looks it up on PATH."""
        self.file(f"bin/{program}", f"#!/bin/sh\n{script}\n").chmod(0o755)

    def drop(self) -> None:
        self.postgres.sql(f"drop database {self.database} with (force)")


def python() -> str:
    """An interpreter that the unprivileged user may run: root's own may lie in a closed folder."""
    given = os.environ.get("JOB_PYTHON")
    return given or (shutil.which("python3", path="/usr/bin") if os.geteuid() == 0 else None) or sys.executable


def owner_of_keys(base: Path) -> Path:
    """Return the home of GnuPG in which the recipient has made a key pair, away from the cluster."""
    home = base / "owner"
    if not home.exists():
        home.mkdir(mode=0o700)
        pair = "Key-Type: RSA\nKey-Length: 2048\nSubkey-Type: RSA\nSubkey-Length: 2048\nName-Real: owner\n"
        gpg(home, "--gen-key", given=f"%no-protection\n{pair}%commit\n")
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return home


def gpg(home: Path, *options: str, given: str = "") -> str:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", *options]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def stamped(seconds_ago: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - seconds_ago))


def of_another(bench: Bench, uid: str = "another-cluster") -> str:
    """Return the name of a backup of another cluster, newer than all and with this one's key: a copy of the newest."""
    mine = bench.manifest()
    theirs = {**mine, "name": "infisical-29990101T000000Z-0123abcd", "cluster": uid}
    sealed = bench.account.file(bench.volume / f"{theirs['name']}.dump.gpg", "")
    shutil.copyfile(bench.volume / f"{mine['name']}.dump.gpg", sealed)
    bench.account.file(bench.volume / f"{theirs['name']}.json", json.dumps(theirs))
    return theirs["name"]


def await_another_second() -> None:
    """The name of a backup begins with its second, so two of one second have no order."""
    now = stamped(0)
    eventually(lambda: stamped(0) > now, "the second is over")
