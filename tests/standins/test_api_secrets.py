"""Secrets of the stand-in: what is stored is not always what was sent, and not every 200 has written something."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.standins.conftest import Start
from tests.standins.engines import Postgres
from tests.standins.infisical import Environment, Infisical
from tests.standins.instance import Instance, bootstrap

V4, BATCH = "/api/v4/secrets", "/api/v4/secrets/batch"
_numbers = itertools.count()


class Project:
    """One project, with environment prod."""

    def __init__(self, instance: Instance, slug: str) -> None:
        self.instance, self.slug = instance, slug
        body = {"projectName": "shop", "slug": slug}
        self.id = instance.call("POST", "/api/v1/projects", body)["project"]["id"]
        self.place = {"projectId": self.id, "environment": "prod", "secretPath": "/"}

    def create(self, name: str, value: str, **more: Any) -> Any:
        return self.instance.call("POST", f"{V4}/{name}", {**self.place, "secretValue": value, **more})

    def value(self, name: str, **switches: Any) -> str:
        query = urlencode(self.place | {"expandSecretReferences": "false"} | switches)
        return self.instance.call("GET", f"{V4}/{name}?{query}")["secret"]["secretValue"]

    def values(self, **switches: Any) -> dict[str, str]:
        listed = self.instance.call("GET", f"{V4}?{urlencode(self.place | switches)}")
        return {each["secretKey"]: each["secretValue"] for each in listed["secrets"]}


@pytest.fixture(scope="module")
def common_database(postgres: Postgres, template: str) -> str:
    """The database of the server that all of them have."""
    return postgres.new_database(template)


@pytest.fixture(scope="module")
def instance(
    application: Path,
    common_environment: Environment,
    postgres: Postgres,
    common_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Instance]:
    """One server for all of them: no test looks beyond its own project."""
    environment = common_environment | {"DB_CONNECTION_URI": postgres.uri(common_database)}
    log = tmp_path_factory.mktemp("server") / "log"
    with closing(Infisical(folder=application, environment=environment, log=log)) as server:
        yield bootstrap(server)


@pytest.fixture
def project(instance: Instance) -> Project:
    return Project(instance, f"webshop-{next(_numbers)}")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(" a ", "a"), ("a\n\n", "a\n"), ("\n", "\n"), ("a\r\n", "a\n"), ("\ta\u00a0", "a"), ("", ""), ("ä\nb", "ä\nb")],
)
def test_edges_are_trimmed(project: Project, sent: str, stored: str) -> None:
    project.create("KEY", sent)
    assert project.value("KEY") == stored


def test_references_are_expanded_and_unknown_ones_refused(project: Project) -> None:
    project.create("HOST", "db")
    project.create("URL", "pg://${HOST}/${prod.HOST}")
    assert project.value("URL") == "pg://${HOST}/${prod.HOST}"
    assert project.values()["URL"] == "pg://db/db"
    assert project.values(expandSecretReferences="false")["URL"] == "pg://${HOST}/${prod.HOST}"
    body = {**project.place, "secretValue": "cost: ${PRICE}"}
    refused = project.instance.refusal("POST", f"{V4}/NOTE", body)
    assert refused == (400, "Referenced secret(s) not found: PRICE")
    project.create("SELF", "x")
    project.instance.call("PATCH", f"{V4}/SELF", {**project.place, "secretValue": "${SELF}"})
    assert project.values()["SELF"] == "${SELF}"


def test_versions_names_and_refusals(project: Project, postgres: Postgres, common_database: str) -> None:
    assert project.create("tls.crt", "v1", secretComment="c")["secret"]["version"] == 1
    path = f"{V4}/tls.crt"
    assert project.instance.refusal("POST", path, {**project.place, "secretValue": "v"}) == (
        400,
        "Secret already exist",
    )
    for version in (2, 3):
        changed = project.instance.call("PATCH", path, {**project.place, "secretValue": "v1"})
        assert changed["secret"]["version"] == version
    assert changed["secret"]["secretComment"] == "c"
    assert project.instance.refusal("POST", f"{V4}/a%3Ab", {**project.place, "secretValue": "v"})[0] == 422
    elsewhere = project.place | {"secretPath": "/none/"}
    missing = "Folder with path '/none' in environment with slug 'prod' not found"
    assert project.instance.refusal("POST", f"{V4}/K", {**elsewhere, "secretValue": "v"}) == (404, missing)
    assert project.instance.refusal("GET", f"{V4}?{urlencode(elsewhere)}")[0] == 404
    project.create("SECRET", "never in the clear")
    assert "never" not in postgres.sql("select encode(\"encryptedValue\", 'escape') from secrets_v2", common_database)
    project.instance.call("DELETE", f"{V4}/SECRET", project.place)
    query = urlencode(project.place)
    assert project.instance.refusal("GET", f"{V4}/SECRET?{query}") == (404, "Secret with name 'SECRET' not found")


def test_batches_are_all_or_nothing_and_upsert(project: Project) -> None:
    def secrets(**values: str) -> list[dict[str, str]]:
        return [{"secretKey": key, "secretValue": value} for key, value in values.items()]

    instance = project.instance
    instance.call("POST", BATCH, {**project.place, "secrets": secrets(A="1", B="2")})
    assert instance.refusal("POST", BATCH, {**project.place, "secrets": secrets(C="3", A="x")})[0] == 400
    assert project.values() == {"A": "1", "B": "2"}
    changed = {**project.place, "secrets": secrets(B="20", C="3")}
    assert instance.refusal("PATCH", BATCH, changed)[0] == 404
    instance.call("PATCH", BATCH, {**changed, "mode": "ignore"})
    assert project.values() == {"A": "1", "B": "20"}
    instance.call("POST", "/api/v2/folders", {"projectId": project.id, "environment": "prod", "name": "jobs"})
    elsewhere = [*secrets(C="3"), {"secretKey": "D", "secretValue": "4", "secretPath": "/jobs"}]
    instance.call("PATCH", BATCH, {**project.place, "mode": "upsert", "secrets": elsewhere})
    assert project.values(recursive="true") == {"A": "1", "B": "20", "C": "3", "D": "4"}
    instance.call("DELETE", BATCH, {**project.place, "secrets": [{"secretKey": "A"}, {"secretKey": "B"}]})
    assert project.values() == {"C": "3"}


def test_imports_come_with_a_list_unless_told_otherwise(project: Project) -> None:
    project.instance.call("POST", f"{V4}/SHARED", {**project.place, "environment": "dev", "secretValue": "s"})
    wish = {"projectId": project.id, "environment": "prod", "import": {"environment": "dev", "path": "/"}}
    project.instance.call("POST", "/api/v2/secret-imports", wish)
    query = urlencode(project.place)
    imported = project.instance.call("GET", f"{V4}?{query}")["imports"]
    assert [each["secretKey"] for each in imported[0]["secrets"]] == ["SHARED"]
    assert project.instance.call("GET", f"{V4}?{query}&includeImports=false")["imports"] == []


def test_a_guarded_path_answers_with_a_request_for_approval(start: Start, environment: Environment) -> None:
    project = Project(bootstrap(start(environment | {"STAND_IN_GUARDED": "webshop/prod:/"})), "webshop")
    answer = project.create("KEY", "v")
    assert set(answer) == {"approval"}
    assert project.values() == {}


def test_the_older_api_serves_the_same_secrets(project: Project) -> None:
    place = {"workspaceId": project.id, "environment": "prod"}
    project.instance.call("POST", "/api/v3/secrets/raw/KEY", {**place, "secretValue": "v"})
    assert project.value("KEY") == "v"
    slug = urlencode({"workspaceSlug": project.slug, "environment": "prod"})
    listed = project.instance.call("GET", f"/api/v3/secrets/raw?{slug}")["secrets"]
    assert [each["secretKey"] for each in listed] == ["KEY"]
    project.instance.call("PATCH", "/api/v3/secrets/raw/KEY", {**place, "secretValue": "w"})
    project.instance.call("DELETE", "/api/v3/secrets/raw/KEY", place)
    assert project.values() == {}
