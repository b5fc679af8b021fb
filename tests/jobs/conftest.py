"""Runs the scripts as a pod would: one process, CONFIG and secrets in its environment, one last line.

JOB_PYTHON names the interpreter for the scripts, to run these tests under another one of the promise.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
JOBS = HERE.parents[1] / "components/jobs"
sys.path[:0] = [str(HERE)]

from backup_bench import Bench, tables  # noqa: E402
from delivery_bench import Shop, delivering  # noqa: E402
from job_cluster import Cluster, running_cluster  # noqa: E402
from job_engines import Account, Postgres, eventually, free_port, stop  # noqa: E402
from job_operator import World  # noqa: E402
from job_pki import Pair, authority  # noqa: E402
from job_platform import Platform  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    """How a script ended."""

    status: int
    output: str
    termination_message: str

    @property
    def last_line(self) -> str:
        return self.output.splitlines()[-1]


class RunningJob:
    """A script which is still at work."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, termination_log: Path) -> None:
        self.process, self._output, self._termination_log = process, output, termination_log

    def sees(self, text: str) -> None:
        """Waits until the script has printed `text`."""
        eventually(lambda: text in self._output.read_text(), f"{text!r} in the output")

    def outcome(self) -> Outcome:
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"still running: {self._output.read_text()}")
        outcome = Outcome(self.process.returncode, self._output.read_text(), self._termination_log.read_text())
        expected = "" if outcome.status == 0 else outcome.last_line
        assert outcome.termination_message.rstrip("\n") == expected
        return outcome


StartJob = Callable[..., RunningJob]
RunJob = Callable[..., Outcome]


@pytest.fixture
def start_job(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartJob]:
    """Starts a script: start_job("x.py", config, VARIABLE="value", hosts={name: [address]})."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(
        script: str, config: object = None, hosts: Mapping[str, list[str]] | None = None, **env: str
    ) -> RunningJob:
        termination_log = tmp_path / f"termination-{len(processes)}"
        termination_log.touch()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPYCACHEPREFIX": str(tmp_path_factory.getbasetemp() / "compiled"),
            "TERMINATION_LOG": str(termination_log),
            "PYTHONPATH": os.pathsep.join([str(HERE / "hosts"), str(JOBS / "shared")]),
            "TEST_HOSTS": json.dumps(hosts or {}),
            **({"CONFIG": json.dumps(config)} if config is not None else {}),
            **env,
        }
        interpreter = [os.environ.get("JOB_PYTHON", sys.executable), "-u"] if script.endswith(".py") else ["/bin/sh"]
        output = tmp_path / f"output-{len(processes)}"
        with output.open("wb") as file:
            command = [*interpreter, *map(str, JOBS.glob(f"*/{script}"))]
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        processes.append(process)
        return RunningJob(process, output, termination_log)

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def run_job(start_job: StartJob) -> RunJob:
    """Runs a script to its end."""

    def run(*arguments: Any, **keywords: Any) -> Outcome:
        return start_job(*arguments, **keywords).outcome()

    return run


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Where servers of an unprivileged user keep their files: pytest's own folders are closed to it."""
    with tempfile.TemporaryDirectory(prefix="job-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        # Also those of a fixture which failed half-way.
        for process in Account.started:
            if process.poll() is None:
                stop(process)


@pytest.fixture(scope="session")
def ca() -> Pair:
    return authority()


@pytest.fixture(scope="session")
def postgres(servers_folder: Path, ca: Pair) -> Iterator[Postgres]:
    """PostgreSQL on 127.0.0.1; PgBouncers join it on the same port of other loopback addresses."""
    server = Postgres(servers_folder, "127.0.0.1", free_port("127.0.0.1", "127.0.0.2"), ca.issue("127.0.0.1"))
    yield server
    server.stop()


@pytest.fixture
def platform(
    cluster: Cluster, postgres: Postgres, servers_folder: Path, start_job: Callable[..., Any]
) -> Iterator[Platform]:
    platform = Platform(cluster, postgres, servers_folder, start_job)
    yield platform
    platform.stop()


@pytest.fixture(scope="session")
def other_ca() -> Pair:
    return authority("another-ca")


@pytest.fixture
def bench(cluster: Cluster, postgres: Postgres, ca: Pair, servers_folder: Path) -> Iterator[Bench]:
    """A platform with three secrets, and nothing backed up yet."""
    postgres.present(ca.issue("127.0.0.1"))
    bench = Bench(cluster, postgres, ca, servers_folder)
    bench.sql(tables("a", "b", "c"))
    yield bench
    bench.drop()


@pytest.fixture(scope="module")
def delivering_operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The stand-in of the secrets operator, at work."""
    with delivering(cluster, tmp_path_factory.mktemp("operator")) as found:
        yield found


@pytest.fixture
def shop(delivering_operator: World, start_job: Callable[..., Any], tmp_path: Path) -> Shop:
    """An application with a delivery of the test's own."""
    return Shop(delivering_operator, start_job, tmp_path)
