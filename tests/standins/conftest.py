"""Engines for the whole session; a database and any number of servers for each test."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.standins.authority import Authority
from tests.standins.engines import USER, WITH_PARENT, Postgres, Redis
from tests.standins.infisical import Environment, Infisical, image_environment, install_application, run_npm
from tests.standins.migration import SCRIPT, Migrate, Migration, npm_on_path

# Their subject is what a server makes of an empty database. Elsewhere its migrations are time for nothing.
FROM_EMPTY = {"test_api_bootstrap", "test_infisical_server", "test_migration", "test_root_key"}

Start = Callable[..., Infisical]
Npm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backend")
    install_application(folder)
    return folder


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("platform-db-ca")


@contextmanager
def _engine_folder() -> Iterator[Path]:
    # pytest's own folders are closed to other users, and the engines run as one.
    folder = Path(tempfile.mkdtemp(prefix="infisical-"))
    shutil.chown(folder, USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(authority: Authority) -> Iterator[Postgres]:
    with _engine_folder() as folder, closing(Postgres(folder, authority)) as engine:
        yield engine


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with _engine_folder() as folder, closing(Redis(folder)) as engine:
        yield engine


@pytest.fixture(scope="session")
def common_environment(redis: Redis, authority: Authority) -> dict[str, str]:
    return {
        "AUTH_SECRET": "0ZFcLDOd4LjSHRfGsSTzOlpyTn4JWiXdQMMQmcvLkNQ=",
        "ENCRYPTION_KEY": "f13dbc92aaaf86fa7cb0ed8ac3265f47",
        "DB_ROOT_CERT": authority.root_cert,
        **redis.environment(),
    }


@pytest.fixture(scope="session")
def template(application: Path, common_environment: dict[str, str], postgres: Postgres) -> str:
    """A migrated database, for copies: nobody connects to it."""
    name = postgres.new_database()
    run_npm(application, "migration:latest", common_environment | {"DB_CONNECTION_URI": postgres.uri(name)})
    return name


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres: Postgres) -> str:
    """The test's own database: empty, or as the migration Job leaves it."""
    if request.path.stem in FROM_EMPTY:
        return postgres.new_database()
    return postgres.new_database(request.getfixturevalue("template"))


@pytest.fixture
def environment(common_environment: dict[str, str], postgres: Postgres, database: str) -> dict[str, str]:
    """What a right deployment gives the server at its first boot."""
    return common_environment | {"DB_CONNECTION_URI": postgres.uri(database)}


@pytest.fixture(scope="session")
def shared_database(postgres: Postgres, template: str) -> str:
    """A migrated database, for tests which leave it as it is."""
    return postgres.new_database(template)


@pytest.fixture
def shared_environment(common_environment: dict[str, str], postgres: Postgres, shared_database: str) -> dict[str, str]:
    """What a right deployment gives the server at a later boot."""
    return common_environment | {"DB_CONNECTION_URI": postgres.uri(shared_database)}


@pytest.fixture
def start(application: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server with exactly the environment given, on top of the image's."""
    servers: list[Infisical] = []

    def start(environment: dict[str, str]) -> Infisical:
        log = tmp_path / f"server-{len(servers)}.log"
        servers.append(Infisical(folder=application, environment=environment, log=log))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def npm(application: Path) -> Npm:
    """Runs `npm run SCRIPT` with the environment given, on top of the image's."""
    return partial(run_npm, application)


@pytest.fixture
def migrated(postgres: Postgres, database: str, template: str) -> str:
    """The test's own database, with all migrations of the image."""
    postgres.sql(f"drop database {database}")
    postgres.sql(f"create database {database} template {template} owner infisical_user")
    return database


@pytest.fixture
def migrate(application: Path, environment: Environment) -> Iterator[Migrate]:
    """Starts the Job's script in an image of the server, on the test's own database."""
    running: list[Migration] = []

    def start(folder: Path = application, deadline: float = 60, quiet: float = 2, **change: str) -> Migration:
        config = {"image": "infisical:v1", "deadline_seconds": deadline, "quiet_seconds": quiet}
        process = subprocess.Popen(
            [*WITH_PARENT, "node", str(SCRIPT)],
            cwd=folder,
            env={**image_environment(), **environment, "CONFIG": json.dumps(config), **npm_on_path(folder), **change},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(Migration(process))
        return running[-1]

    yield start
    for migration in running:
        migration.process.kill()
        migration.process.wait()
