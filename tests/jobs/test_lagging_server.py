"""Reads that lag behind writes, as those of a read replica do: nothing is made twice, refused or given up for it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from application_identity import Operator, give
from application_owner import Owner
from application_plan import Found, Plan, Stored
from application_secrets import Config, Provision
from application_wish import Application, Secret
from fake_config_map import ConfigMap
from infisical_api import ApiError, InfisicalApi
from job import Failed, Report

LAG_SECONDS = 1.5
SHOP = Application(
    name="shop",
    slug="webshop",
    environments={"prod": "P"},
    secrets=(Secret(("prod", "/", "A"), "stack", "a"), Secret(("prod", "/deep", "B"), "stack", "b")),
)


class Lagging:
    """A server with one project, whose reads see what was there before. It stands in for `Server`."""

    def __init__(self, lag: float = LAG_SECONDS, deadline_seconds: float = 20) -> None:
        self.api = InfisicalApi("http://unused", deadline_seconds=deadline_seconds)
        self.lag, self.acts, self.made = lag, 0, 0
        self.history: list[tuple[float, dict[str, Any] | None, Found]] = [(-math.inf, None, Found())]

    def seen(self) -> tuple[float, dict[str, Any] | None, Found]:
        return [each for each in self.history if each[0] <= time.monotonic() - self.lag][-1]

    def projects(self) -> list[dict[str, Any]]:
        project = self.seen()[1]
        return [project] if project else []

    def create(self, name: str, slug: str, description: str) -> dict[str, Any]:
        if self.history[-1][1]:
            raise ApiError(400, f'A project with the slug "{slug}" already exists in your organization.', "POST", "/")
        self.made += 1
        project = {"id": "p", "slug": slug, "name": name, "description": description}
        self.history.append((time.monotonic(), project, Found()))
        return project

    def every_project(self) -> list[dict[str, Any]]:
        return self.projects()

    def found(self, project: dict[str, Any], environments: set[str]) -> Found:
        return self.seen()[2]

    def act(self, project: str, plan: Plan) -> list[str]:
        self.acts += 1
        _, there, found = self.history[-1]
        if any(slug in found.environments for slug, _ in plan.environments):
            raise ApiError(400, "Environment with slug already exist", "POST", "/")
        written = {
            (write.environment, write.path, key): Stored(value or "", comment)
            for write in plan.writes
            for key, value, comment in write.secrets
        }
        environments = {slug: (slug, name) for slug, name in plan.environments}
        found = replace(
            found,
            environments=found.environments | environments,
            folders=found.folders | {*plan.folders},
            secrets=found.secrets | written,
        )
        self.history.append((time.monotonic(), there, found))
        return []


def provision(server: Any) -> Provision:
    config = Config(address="", namespace="n", drift="", auth="universal", deadline_seconds=20)
    kube: Any = ConfigMap()
    return Provision(config, server, kube, Report("test"), Owner("o", "stack-1", "state-1"))


def test_what_is_not_listed_yet_is_neither_refused_nor_made_twice() -> None:
    server = Lagging()
    run = provision(server)
    run.all([SHOP])
    assert (server.made, server.acts) == (1, 1)
    assert (run.counts["projects"], run.counts["created"]) == (1, 2)


def test_what_is_never_listed_ends_with_a_way_out() -> None:
    server = Lagging(lag=1000, deadline_seconds=2)
    with pytest.raises(Failed, match="the organisation has a project webshop"):
        provision(server).all([SHOP])
    assert server.made == 1


class Identities:
    """The identities of an organisation, which are listed late."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[float, dict[str, Any]]] = {}

    def get(self, path: str, **query: str) -> dict[str, Any]:
        seen = {key: each for key, (at, each) in self.made.items() if at <= time.monotonic() - LAG_SECONDS}
        if query:
            return {"identities": [{"identity": each, "createdAt": "t"} for each in seen.values()]}
        name = path.rpartition("/")[2]
        if path.endswith("/client-secrets"):
            return {"clientSecretData": []}
        if "universal-auth" in path:
            return {"identityUniversalAuth": {"clientId": f"client-{name}"}}
        if "/memberships/" in path:
            return {"identityMembership": {"roles": [{"role": "viewer"}]}}
        if name not in seen:
            raise ApiError(404, "not found", "GET", path)
        return {"identity": {**seen[name], "identity": {"authMethods": []}}}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("client-secrets"):
            return {"clientSecret": "c"}
        identity = {"id": f"i{len(self.made)}", "name": body["name"], "metadata": body["metadata"]}
        self.made[identity["id"]] = (time.monotonic(), identity)
        return {"identity": identity}


class Kube:
    """One empty Secret."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}

    def get(self, path: str) -> dict[str, Any]:
        return {"data": self.data}

    def merge_patch(self, path: str, change: dict[str, Any], *, field_manager: str) -> None:
        self.data |= change["data"]


def test_an_identity_that_is_listed_late_is_made_once(tmp_path: Path) -> None:
    class Server:
        """What an identity is made with."""

        api = Identities()

        def identities(self, project: str) -> str:
            return f"/api/v1/projects/{project}/memberships/identities"

    server: Any = Server()
    kube: Any = Kube()
    operator = Operator("operator", "o", "infisical-platform stack-1", "universal", str(tmp_path))
    assert give(SHOP, "p", server, kube, operator)
    assert len(server.api.made) == 1
    assert kube.data["identityId"]
