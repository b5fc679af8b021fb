"""Application secrets against the stand-in: provisioned, read back, put back, and what people own left alone."""

from __future__ import annotations

import base64
import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import application_identity
import pytest
from application_owner import Owner
from application_secrets import Config, Provision
from application_server import Server
from application_turn import OurTurn, Turn
from application_wish import PEOPLE, STACK, Application, Secret
from infisical_api import InfisicalApi
from job import Failed, Report

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import Instance, bootstrap

DRIFT = "/api/v1/namespaces/infisical/configmaps/infisical-drift"
OLDER = {"STAND_IN_RELEASED": "2025-06-01"}
DEADLINE_SECONDS = 30.0


@dataclass
class Kube:
    """The API server, as far as the identities' Secrets go."""

    secrets: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def get(self, path: str) -> dict[str, Any]:
        return {"data": self.secrets.get(path)}

    find = get

    def merge_patch(self, path: str, change: dict[str, Any], *, field_manager: str) -> dict[str, Any]:
        merged = {**self.secrets.get(path, {}), **change["data"]}
        self.secrets[path] = {key: value for key, value in merged.items() if value is not None}
        return {}

    def identity(self, application: str) -> dict[str, str]:
        path = f"/api/v1/namespaces/operator/secrets/infisical-identity-{application}"
        return {key: base64.b64decode(value).decode() for key, value in self.secrets[path].items()}


@dataclass
class Site:
    """An instance, and what a Job of a stack does there."""

    instance: Instance
    folder: Path
    auth: Any = "universal"
    kube: Any = field(default_factory=Kube)

    def provision(self, *applications: Application, stack: str = "stack-1", wish: str = "") -> Provision:
        """Do it, with a `wish` as a run of the schedule that was told it."""
        authority = self.folder / "ca.crt"
        authority.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        config = Config(
            address="",
            namespace="infisical",
            drift="infisical-drift",
            operator_namespace="operator",
            auth=self.auth,
            deadline_seconds=DEADLINE_SECONDS,
            authority=str(authority),
            canary="operator-canary",
        )
        url = f"http://127.0.0.1:{self.instance.server.port}"
        api, kube = InfisicalApi(url, token=self.instance.token, deadline_seconds=DEADLINE_SECONDS), self.kube
        server = Server(OurTurn(api, Turn(kube, DRIFT, wish)) if wish else api)
        run = Provision(config, server, kube, Report("test"), Owner(self.instance.organization, stack, "state-1"))
        run.all(applications)
        return run

    @property
    def project(self) -> str:
        return next(each["id"] for each in self._server().projects() if each["slug"] == "webshop")

    def _server(self) -> Server:
        url = f"http://127.0.0.1:{self.instance.server.port}"
        return Server(InfisicalApi(url, token=self.instance.token, deadline_seconds=60))

    def secrets(self, slug: str = "webshop") -> dict[str, tuple[str, str]]:
        """Every secret of prod by path and name: its value, and who keeps it."""
        server = self._server()
        project = next(each for each in server.projects() if each["slug"] == slug)
        found = server.found(project, {"prod"}).secrets
        return {
            f"{path.rstrip('/')}/{key}": (stored.value, stored.comment.partition(" - ")[0])
            for (_, path, key), stored in found.items()
        }

    def machines(self) -> list[str]:
        """The names of the organisation's machine identities."""
        listed = self.instance.call("GET", f"/api/v1/identities?orgId={self.instance.organization}")["identities"]
        return [each["identity"]["name"] for each in listed]

    def viewers(self, application: Application) -> list[str]:
        """The machine identities that may read a project."""
        server = self._server()
        project = next(each["id"] for each in server.projects() if each["slug"] == application.slug)
        found = self.instance.call("GET", server.identities(project))["identityMemberships"]
        return [each["identity"]["id"] for each in found if [role["role"] for role in each["roles"]] == ["viewer"]]

    def write(self, key: str, value: str) -> None:
        """Change a secret as a person does, in the older API, which every release serves."""
        body = {"workspaceId": self.project, "environment": "prod", "secretPath": "/", "secretValue": value}
        self.instance.call("PATCH", f"/api/v3/secrets/raw/{key}", body)


@pytest.fixture(params=["newest", "older"])
def site(request: pytest.FixtureRequest, start: Start, environment: Environment, tmp_path: Path) -> Site:
    older = request.param == "older"
    return Site(
        bootstrap(start(environment | (OLDER if older else {}))), tmp_path, "kubernetes" if older else "universal"
    )


def secret(key: str, value: str | None, owner: Any = "stack", path: str = "/", encoded: bool = False) -> Secret:
    return Secret(("prod", path, key), owner, value, encoded)


SHOP = Application(
    name="shop",
    slug="webshop",
    environments={"prod": "Production", "staging": "Staging"},
    people={"dev@example.org": ("viewer",)},
    secrets=(
        secret("A", "a"),
        secret("LINES", "one\ntwo\n"),
        secret("tls.crt", base64.b64encode(b"\x00\xff").decode(), encoded=True),
        secret("STRIPE", None, "people"),
        secret("BEGUN", "first", "people"),
        secret("DEEP", "d", path="/worker/queue"),
    ),
)
THERE = {
    "/A": ("a", STACK),
    "/LINES": ("one\ntwo\n", STACK),
    "/tls.crt": ("AP8=", f"{STACK} base64"),
    "/BEGUN": ("first", PEOPLE),
    "/worker/queue/DEEP": ("d", STACK),
}


def test_a_wish_is_provisioned_and_read_back(site: Site) -> None:
    run = site.provision(SHOP)
    assert site.secrets() == THERE
    assert run.counts["created"] == 5
    assert run.drift == [
        "shop: prod:/STRIPE waits for its people to write it",
        *(line for line in run.drift if "is a member" in line),
    ]
    known = site.kube.identity("shop")
    membership = site._server().identities(site.project) + f"/{known['identityId']}"
    roles = site.instance.call("GET", membership)["identityMembership"]["roles"]
    assert [role["role"] for role in roles] == ["viewer"]
    if site.auth == "universal":
        credentials = {"clientId": known["clientId"], "clientSecret": known["clientSecret"]}
        token = site.instance.call("POST", "/api/v1/auth/universal-auth/login", credentials)["accessToken"]
        query = f"projectId={site.project}&environment=prod"
        listed = site.instance.call("GET", f"/api/v4/secrets?{query}", token=token)["secrets"]
        assert [each["secretKey"] for each in listed] == ["A", "BEGUN", "LINES", "tls.crt"]
    else:
        path = f"/api/v1/auth/kubernetes-auth/identities/{known['identityId']}"
        found = site.instance.call("GET", path)["identityKubernetesAuth"]
        assert (found["allowedNamespaces"], found["allowedNames"]) == ("operator", "infisical-shop")


def test_the_second_run_writes_nothing(site: Site) -> None:
    site.provision(SHOP)
    versions = site.instance.call("GET", f"/api/v3/secrets/raw?workspaceId={site.project}&environment=prod")
    run = site.provision(SHOP)
    assert not run.counts["created"] + run.counts["put_back"] + run.counts["identities changed"]
    again = site.instance.call("GET", f"/api/v3/secrets/raw?workspaceId={site.project}&environment=prod")
    assert [each["version"] for each in again["secrets"]] == [each["version"] for each in versions["secrets"]]


def test_the_stack_puts_its_own_back_and_leaves_what_people_own(site: Site) -> None:
    site.provision(SHOP)
    site.write("A", "changed by hand")
    site.write("BEGUN", "a person's")
    run = site.provision(SHOP)
    assert site.secrets() == THERE | {"/BEGUN": ("a person's", PEOPLE)}
    assert "shop: prod:/A was not what the stack says" in run.mended
    assert run.counts["put_back"] == 1


def test_nothing_is_deleted_that_is_not_listed_or_not_the_stacks(site: Site) -> None:
    site.provision(SHOP)
    fewer = replace(SHOP, secrets=SHOP.secrets[1:])
    run = site.provision(fewer)
    assert site.secrets() == THERE
    assert "shop: prod:/A is no longer in the stack. List it in removed to have it deleted" in run.drift
    site.provision(replace(fewer, secrets=fewer.secrets[:3], removed=(("prod", "/", "A"), ("prod", "/", "BEGUN"))))
    assert site.secrets() == {place: value for place, value in THERE.items() if place != "/A"}


def test_a_value_that_people_wrote_is_not_taken(site: Site) -> None:
    site.provision(SHOP)
    taken = replace(SHOP, secrets=(secret("BEGUN", "the stack's"),))
    with pytest.raises(Failed, match="application shop: prod:/BEGUN has a value that people wrote"):
        site.provision(taken)
    assert site.secrets() == THERE


def test_projects_of_others_are_refused(site: Site) -> None:
    site.provision(SHOP)
    with pytest.raises(Failed, match="kept by a different stack"):
        site.provision(SHOP, stack="stack-2")
    body = {"projectName": "people", "slug": "peoples"}
    site.instance.call("POST", "/api/v2/workspace", body)
    with pytest.raises(Failed, match="project peoples was not made by the stack"):
        site.provision(replace(SHOP, slug="peoples"))


def test_a_retired_application_is_gone(site: Site) -> None:
    site.provision(SHOP)
    run = site.provision(Application(name="shop", slug="webshop", retired=True))
    assert run.counts["projects removed"] == 1
    assert [each for each in site._server().projects() if each["slug"] == "webshop"] == []
    assert "webshop-operator" not in site.machines()
    site.provision(Application(name="shop", slug="webshop", retired=True))


def test_an_identity_of_others_outlives_a_retired_application(site: Site) -> None:
    site.instance.identity("webshop-operator")
    site.provision(Application(name="shop", slug="webshop", retired=True))
    assert "webshop-operator" in site.machines()


def test_a_request_for_approval_is_not_written(start: Start, environment: Environment, tmp_path: Path) -> None:
    guarded = {"STAND_IN_GUARDED": "webshop/prod:/"}
    site = Site(bootstrap(start(environment | guarded)), tmp_path)
    with pytest.raises(Failed, match="not written: in prod:/ a policy makes every change a request for approval"):
        site.provision(SHOP)


def test_too_many_requests_are_waited_for(start: Start, environment: Environment, tmp_path: Path) -> None:
    limits = {"STAND_IN_RATE_LIMITS": "secrets=3,write=4", "STAND_IN_RATE_WINDOW": "1"}
    site = Site(bootstrap(start(environment | limits)), tmp_path)
    site.provision(SHOP)
    assert site.secrets() == THERE


def test_internal_addresses_are_explained(
    start: Start, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_identity, "_HOST", "https://127.0.0.1")
    site = Site(bootstrap(start(environment)), tmp_path, "kubernetes")
    with pytest.raises(Failed, match="allowInternalIpConnections"):
        site.provision(SHOP)


def test_a_run_that_is_killed_is_completed_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for after in range(1, 20, 6):
        application = replace(SHOP, name=f"shop{after}", slug=f"webshop-{after}")
        _killed(site, application, after, monkeypatch)
        site.provision(application)
        assert site.secrets(application.slug) == THERE
        named = site.instance.call("GET", f"/api/v1/identities?orgId={site.instance.organization}")["identities"]
        assert [each["identity"]["name"] for each in named].count(f"{application.slug}-operator") == 1


def _killed(site: Site, application: Application, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provision in a process that is killed once the server has answered so many requests."""
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return
    left, send = [after], InfisicalApi.send

    def counted(self: InfisicalApi, method: str, path: str, *args: Any, **more: Any) -> Any:
        answer = send(self, method, path, *args, **more)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    try:
        monkeypatch.setattr(InfisicalApi, "send", counted)
        site.provision(application)
    finally:
        os._exit(0)  # whatever happens: this is a second pytest


def test_a_folder_may_have_more_than_a_request_takes(site: Site) -> None:
    """A server refuses more than 1 MiB at once: 413."""
    long = tuple(secret(f"LONG_{number}", f"{number}" * 20_000) for number in range(10, 50))
    site.provision(replace(SHOP, secrets=long))
    assert len([key for key in site.secrets() if "LONG_" in str(key)]) == 40
