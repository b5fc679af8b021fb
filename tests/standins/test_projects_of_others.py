"""Projects that the stack's account is not in: Infisical lets only people in, so each is refused with a way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from application_server import Server
from infisical_api import ApiError
from job import Failed

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import SHOP, THERE, Site

SHOP_BEHIND = replace(SHOP, name="zzz")


@pytest.fixture
def site(start: Start, environment: Environment, tmp_path: Path) -> Site:
    """An instance in which a new account of the stack is in none of 51 projects. A page of upstream has 50."""
    instance = bootstrap(start(environment))
    for number in range(50):
        instance.call("POST", "/api/v1/projects", {"projectName": f"p{number}", "slug": f"people-{number}"})
    Site(instance, tmp_path).provision(SHOP_BEHIND)
    _, token = instance.machine("anew", "admin")
    return Site(replace(instance, token=token), tmp_path)


def _let_in(site: Site) -> None:
    """Do as the refusal says: an admin enters the project, and adds the stack's account."""
    admin, every = site.instance.log_in(), "/api/v1/organization-admin/projects"
    listed = site.instance.call("GET", f"{every}?limit=100", token=admin)["projects"]
    project = next(each["id"] for each in listed if each["slug"] == "webshop")
    machines = site.instance.call("GET", f"/api/v1/identities?orgId={site.instance.organization}")["identities"]
    identity = next(each["identity"]["id"] for each in machines if each["identity"]["name"] == "anew")
    site.instance.call("POST", f"{every}/{project}/grant-admin-access", token=admin)
    path = f"/api/v1/projects/{project}/memberships/identities/{identity}"
    site.instance.call("POST", path, {"roles": [{"role": "admin", "isTemporary": False}]}, token=admin)


def test_the_stacks_own_is_found_whichever_page_lists_it_and_a_person_lets_its_account_in(site: Site) -> None:
    assert site._server().projects() == []
    with pytest.raises(Failed, match="identity infisical-provisioner-stack-1 is not in it") as refusal:
        site.provision(SHOP_BEHIND)
    assert "role Admin" in str(refusal.value)
    _let_in(site)
    run = site.provision(SHOP_BEHIND)
    assert run.counts["created"] == 0
    assert site.secrets() == THERE


def test_others_are_refused_with_a_way_out(site: Site) -> None:
    with pytest.raises(Failed, match="project people-7 was not made by the stack"):
        site.provision(replace(SHOP, slug="people-7"))
    with pytest.raises(Failed, match="project webshop is kept by a different stack"):
        site.provision(SHOP_BEHIND, stack="stack-2")
    assert site._server().projects() == []


def test_a_server_that_can_not_make_a_project_is_not_taken_for_one_that_has_it(
    start: Start, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(*_: object) -> None:
        raise ApiError(500, "Something went wrong", "POST", "/api/v1/projects")

    site = Site(bootstrap(start(environment)), tmp_path)
    monkeypatch.setattr(Server, "create", create)
    monkeypatch.setattr("tests.standins.test_application_secrets.DEADLINE_SECONDS", 5.0)
    with pytest.raises(Failed, match="answers 500 to POST /api/v1/projects: Something went wrong"):
        site.provision(SHOP)
