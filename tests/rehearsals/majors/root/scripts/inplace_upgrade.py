#!/usr/bin/python3
"""Upgrade the data of a cluster to a newer major version. It stands in for Spilo's program, which no registry serves.

Zalando's operator runs it in the primary's pod, with the number of pods as its argument, and reads its exit code and
the last line. As unkind as the original: any member that is not well is a refusal, clients are cut off from the stop
until Patroni has the new data, the older data goes, and what could stand in pg_upgrade's way (pg_stat_statements and
what needs it) is dropped without a question.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

PROGRAMS = Path("/usr/lib/postgresql")
PATRONI = Path("/run/postgresql/patroni.yml")
HOME = Path("/home/postgres")
API = "http://127.0.0.1:8008"
LAG_LIMIT = 16 * 1024 * 1024
LIMIT_SECONDS = 120
# Patroni has no command for it.
FORGET = f"""
from patroni.config import Config
from patroni.dcs import get_dcs
assert get_dcs(Config("{PATRONI}").copy()).cancel_initialization()
"""


class Refused(Exception):
    """The upgrade can't be done. The message is the last line of what the operator reads."""


def ask(path: str, change: object = None) -> Any:
    """Return what Patroni's API answers, after a change of the cluster's configuration if one is given."""
    data = None if change is None else json.dumps(change).encode()
    request = urllib.request.Request(API + path, data, method="GET" if data is None else "PATCH")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait(what: str, done: Callable[[], bool]) -> None:
    """Wait until it is done. Raises Refused after the limit."""
    limit = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            if done():
                return
        except OSError:  # Patroni or PostgreSQL is just starting
            pass
        if time.monotonic() > limit:
            raise Refused(f"{what}: not within {LIMIT_SECONDS} s")
        time.sleep(0.5)


def pause(paused: bool) -> None:
    """Have Patroni let go of PostgreSQL, or take hold of it again."""
    ask("/config", {"pause": paused or None})
    wait("every member has seen the pause", lambda: bool(ask("/cluster").get("pause")) == paused)


class Upgrade:
    """One upgrade, from the programs in `old` to those in `new`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.config = yaml.safe_load(PATRONI.read_text())
        self.data = Path(self.config["postgresql"]["data_dir"])
        self.upgraded, self.before = (self.data.with_name(f"{self.data.name}_{end}") for end in ("new", "old"))
        self.old = PROGRAMS / (self.data / "PG_VERSION").read_text().strip() / "bin"
        self.new = PROGRAMS / os.environ["PGVERSION"] / "bin"

    def run(self) -> None:
        """Do it, or raise Refused with everything as it was."""
        replicas = self.refuse_unfit()
        self.prepare()
        self.pg_upgrade("--check")
        self.drop_what_stands_in_the_way()
        logging.info("enabling maintenance mode")
        pause(True)
        try:
            self.program(self.old, "pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t", "60", "stop")
            self.pg_upgrade()
            self.data.rename(self.before)
            self.upgraded.rename(self.data)
            for member in replicas:
                logging.info("member %s begins anew", member["name"])
                self.on(member, f"copy (select) to program '/scripts/begin_anew.sh {self.address}'")
            self.forget_the_identifier()
            subprocess.run(["pkill", "-KILL", "-f", f"patroni {PATRONI}"], check=True)
            wait("Patroni is back", lambda: bool(ask("/patroni")))
        finally:
            pause(False)
        wait("the new server serves", self.is_served_by_the_new_one)
        self.program(self.new, "vacuumdb", "-U", "postgres", "--all", "--analyze-in-stages")
        shutil.rmtree(self.before)
        logging.info("the upgrade from %s to %s took place", self.old.parent.name, self.new.parent.name)

    def refuse_unfit(self) -> list[Any]:
        """Raise Refused unless every member is well. Return the replicas."""
        cluster = ask("/cluster")
        members = cluster["members"]
        if len(members) != self.count:
            raise Refused(f"the number of replicas does not match ({len(members)} != {self.count})")
        if cluster.get("pause"):
            raise Refused("Patroni is in maintenance mode")
        me = self.config["name"]
        leaders = {member["name"]: member["host"] for member in members if member["role"] == "leader"}
        if [*leaders] != [me]:
            raise Refused("the current node does not own the leader lock")
        self.address = leaders[me]
        replicas = [member for member in members if member["name"] != me]
        for member in replicas:
            if member["state"] != "streaming" or int(member["lag"]) > LAG_LIMIT:
                raise Refused(f"member {member['name']} is {member['state']}, {member['lag']} bytes behind")
        for member in replicas:
            self.on(member, "select 1")
        return replicas

    def prepare(self) -> None:
        """Make an empty cluster of the newer version, with the locale, the checksums and the settings of the older."""
        question = "select datcollate, pg_encoding_to_char(encoding) from pg_database where datname = 'template1'"
        locale, encoding = self.sql("postgres", question).split("|")
        checksums = ["--data-checksums"] if self.sql("postgres", "show data_checksums") == "on" else []
        self.clear()
        options = ["-U", "postgres", f"--locale={locale}", f"--encoding={encoding}", *checksums]
        self.program(self.new, "initdb", "-D", self.upgraded, *options)
        for file in self.data.iterdir():
            if file.name.startswith(("postgresql.", "pg_hba.conf", "patroni.dynamic.json")):
                shutil.copy(file, self.upgraded)

    def pg_upgrade(self, *options: str) -> None:
        """Run pg_upgrade with hard links."""
        work = self.data.with_name("upgrade")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        folders = ("-b", self.old, "-B", self.new, "-d", self.data, "-D", self.upgraded)
        self.program(self.new, "pg_upgrade", "-k", "-U", "postgres", *folders, *options, folder=work)
        shutil.rmtree(work)

    def drop_what_stands_in_the_way(self) -> None:
        for database in self.sql("postgres", "select datname from pg_database where datallowconn").splitlines():
            self.sql(database, "drop extension if exists pg_stat_statements cascade")

    def forget_the_identifier(self) -> None:
        """Remove the older cluster's identifier, which the new one's differs from."""
        subprocess.run([sys.executable, "-c", FORGET], check=True)

    def is_served_by_the_new_one(self) -> bool:
        said = ask("/patroni")
        return bool(
            said["role"] in ("primary", "master") and said["server_version"] // 10000 == int(self.new.parent.name)
        )

    def clear(self) -> None:
        shutil.rmtree(self.upgraded, ignore_errors=True)

    def sql(self, database: str, statement: str) -> str:
        asked = self.program(self.old, "psql", "-U", "postgres", "-d", database, "-XAtqc", statement)
        return asked.strip()

    def on(self, member: Any, statement: str) -> None:
        """Run a statement on a replica, as Spilo does it: by its address, encrypted, as the superuser."""
        superuser = self.config["postgresql"]["authentication"]["superuser"]
        where = (
            f"host={member['host']} port={member['port']} user={superuser['username']} dbname=postgres sslmode=require"
        )
        password = {"PGPASSWORD": superuser["password"]}
        self.program(self.new, "psql", where, "-XAtqc", statement, environment=password)

    def program(
        self,
        programs: Path,
        name: str,
        *arguments: str | Path,
        folder: Path = HOME,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run one of PostgreSQL's programs, and return what it wrote. Raises Refused when it fails."""
        command = [programs / name, *arguments]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if name != "psql":
            print(done.stdout, flush=True)
        if done.returncode:
            raise Refused(f"{name} failed: {done.stdout.strip()[-500:]}")
        return done.stdout


def main() -> int:
    logging.basicConfig(format="%(asctime)s inplace_upgrade %(levelname)s: %(message)s", level="INFO")
    upgrade = Upgrade(int(sys.argv[1]))
    if int(upgrade.old.parent.name) >= int(upgrade.new.parent.name):
        logging.info("upgrade is not required: the data is of PostgreSQL %s", upgrade.old.parent.name)
        return 0
    try:
        upgrade.run()
    except (Refused, OSError, subprocess.SubprocessError) as error:
        upgrade.clear()
        logging.error("%s", " ".join(str(error).split()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
