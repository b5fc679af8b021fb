"""What people rename or delete in Infisical is not made a second time with first values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import application_renamed
import pytest
from application_owner import Owner
from application_plan import Found, Member, Plan, Stored, decide
from application_renamed import renamed_environments, scheduled
from application_secrets import Config, Provision, Undone
from application_wish import PEOPLE, STACK, Application, Secret
from fake_config_map import ConfigMap
from hypothesis import example, given
from hypothesis import strategies as st
from infisical_api import ApiError, InfisicalApi
from job import Report
from pydantic import TypeAdapter, ValidationError

from settings.machinery.application_types import ProjectSlug

MARKER = "infisical-platform stack-1"
OURS = f"{MARKER} keeps this project. The stack's `applications.shop` says what is in it"
SHOP = Application(
    name="shop",
    slug="webshop",
    environments={"prod": "Production"},
    secrets=(
        Secret(("prod", "/", "KEPT"), "stack", "the stack's"),
        Secret(("prod", "/", "BEGUN"), "people", "first"),
    ),
)
ANEW = "`kubectl delete job application-secrets -n infisical`, `make refresh STACK=NAME`, `pulumi up --stack NAME`"


class Site:
    """Projects by their slugs, each with one environment or none, and what was written."""

    def __init__(self, projects: dict[str, str], *, outside: dict[str, str] | None = None) -> None:
        self.api = InfisicalApi("http://unused", deadline_seconds=5)
        self.listed, self.outside, self.made = projects, outside or {}, list[str]()
        self.environment, self.stored = "prod", {("prod", "/", "BEGUN"): Stored("theirs", f"{PEOPLE} - x")}

    def projects(self) -> list[dict[str, Any]]:
        environments = [{"id": "e", "slug": self.environment, "name": "Production"}] if self.environment else []
        more = {"environments": environments}
        return [{"id": slug, "slug": slug, "description": text, **more} for slug, text in self.listed.items()]

    def every_project(self) -> list[dict[str, Any]]:
        return [{"id": slug, "slug": slug, "description": text} for slug, text in self.outside.items()]

    def create(self, name: str, slug: str, description: str) -> None:
        self.made.append(slug)
        self.listed = {**self.listed, slug: description}

    def found(self, project: dict[str, Any], environments: set[str]) -> Found:
        return Found({each["slug"]: ("e", each["name"]) for each in project["environments"]}, secrets=self.stored)

    def act(self, project: str, plan: Plan) -> list[str]:
        self.made += [f"environment {slug}" for slug, _ in plan.environments]
        for write in plan.writes:
            self.made += [key for key, _, _ in write.secrets]
            for key, value, comment in write.secrets:
                self.stored[write.environment, write.path, key] = Stored(value or "", comment)
        return []


def provision(site: Any, application: Application = SHOP, run: Any = "up") -> Provision:
    config = Config(address="", namespace="infisical", drift="", auth="universal", deadline_seconds=5, run=run)
    kube: Any = ConfigMap()
    made = Provision(config, site, kube, Report("test"), Owner("o", "stack-1", "state-1"))
    made.all([application])
    return made


@pytest.mark.parametrize("run", ["up", "schedule"])
@pytest.mark.parametrize("outside", [False, True])
def test_a_project_with_another_slug_is_not_made_again(run: str, outside: bool) -> None:
    """Whether people have renamed it, or the stack asks for another slug."""
    site = Site({}, outside={"renamed": OURS}) if outside else Site({"renamed": OURS})
    with pytest.raises(Undone, match="there is no project webshop, and renamed is the one") as caught:
        provision(site, run=run)
    assert "Change its slug to webshop in the web UI" in str(caught.value)
    assert "set `project` of the application to renamed" in str(caught.value)
    assert site.made == []


@pytest.mark.parametrize("slug", ["shop_backend", "shop", "s" * 37])
def test_a_slug_that_no_stack_file_may_have_is_only_changed_back(slug: str) -> None:
    """The web UI takes `_` too, and other lengths."""
    with pytest.raises(Undone, match=f"{slug} is the one") as caught:
        provision(Site({slug: OURS}))
    assert str(caught.value).endswith("Change its slug to webshop in the web UI (Project Settings)")


@given(st.from_regex(r"[a-z0-9A-Z_-]{0,40}", fullmatch=True) | st.from_regex(r"[a-z0-9-]{3,38}", fullmatch=True))
@example("four")
@example("shop\n")
def test_what_a_stack_file_may_have_is_what_its_settings_take(slug: str) -> None:
    """The Job can't import the settings, so it has their rule a second time."""
    try:
        TypeAdapter(ProjectSlug).validate_python(slug)
        taken = True
    except ValidationError:
        taken = False
    assert bool(application_renamed._SLUG.fullmatch(slug)) == taken


def test_projects_of_others_and_of_other_applications_are_no_renamed_ones() -> None:
    site = Site({"blog": OURS.replace("shop", "blog"), "theirs": "", "foreign": OURS.replace("stack-1", "stack-2")})
    site.stored.clear()
    provision(site)
    assert site.made == ["webshop", "KEPT", "BEGUN"]


def test_the_schedule_makes_no_project() -> None:
    site = Site({})
    with pytest.raises(Undone, match=r"project webshop is gone\. Restore it or its slug in the web UI") as caught:
        provision(site, run="schedule")
    assert ANEW in str(caught.value)
    assert site.made == []


def test_a_release_that_lists_no_project_of_others_makes_one_all_the_same() -> None:
    class Older(Site):
        def every_project(self) -> list[dict[str, Any]]:
            raise ApiError(404, "Route GET:/api/v1/organization-admin/projects not found", "GET", "/")

    site = Older({})
    site.stored.clear()
    provision(site)
    assert site.made[0] == "webshop"


def test_the_schedule_makes_no_environment_and_says_so() -> None:
    site = Site({"webshop": OURS})
    site.environment, site.stored = "", {}
    run = provision(site, run="schedule")
    [line] = run.drift
    assert line.startswith("shop: environment prod is gone. Restore it or its slug in the web UI.")
    assert ANEW in line
    assert site.made == []


def test_the_schedule_puts_back_what_the_stack_keeps_and_begins_nothing_of_people() -> None:
    site = Site({"webshop": OURS})
    site.stored.clear()
    run = provision(site, run="schedule")
    assert site.made == ["KEPT"]
    assert run.drift == ["shop: prod:/BEGUN waits for its people to write it"]


def test_the_schedule_names_no_approver_and_no_group_anew() -> None:
    guards = [{"environment": "prod", "path": "/"}]
    guarded = replace(SHOP, licensed={"approvals": guards, "groups": {"viewer": ["staff"]}, "roles": {}})
    kept, _ = scheduled(guarded, {"environments": [{"slug": "prod"}]}, "")
    assert kept.licensed == {}


def test_the_schedule_gives_nobody_rights_that_an_admin_has_just_taken_away() -> None:
    given: list[Any] = []

    class Members(Site):
        def found(self, project: dict[str, Any], environments: set[str]) -> Found:
            members = {who: Member("m", roles) for who, roles in given or [("bob@example.org", ("viewer",))]}
            return replace(super().found(project, environments), members=members)

        def act(self, project: str, plan: Plan) -> list[str]:
            given.extend([*plan.invited, *(("bob@example.org", roles) for _, roles in plan.roles)])
            return super().act(project, plan)

    people = {"eve@example.org": ("admin",), "bob@example.org": ("admin", "member")}
    site, shop = Members({"webshop": OURS}), replace(SHOP, people=people, licensed={"groups": {"admin": ["a"]}})
    site.stored["prod", "/", "KEPT"] = Stored("the stack's", SHOP.secrets[0].comment)
    run = provision(site, shop, run="schedule")
    assert (site.made, given) == ([], [])
    assert [line.partition(". ")[0] for line in run.drift] == [
        "shop: eve@example.org is no member, and the stack gives them admin",
        "shop: bob@example.org has the role viewer, and the stack gives them admin and member",
    ]
    assert all(line.endswith(ANEW) for line in run.drift)
    provision(site, replace(shop, licensed={}))
    assert dict(given) == people


@pytest.mark.parametrize("comment", [STACK, PEOPLE])
def test_an_environment_with_another_slug_is_not_made_again(comment: str) -> None:
    site = Site({"webshop": OURS})
    site.environment, site.stored = "live", {("live", "/", "BEGUN"): Stored("theirs", f"{comment} - x")}
    with pytest.raises(Undone, match="there is no environment prod, and live, which the stack does not name") as caught:
        provision(site)
    assert "Change the slug of live to prod in the web UI" in str(caught.value)
    assert site.made == []


def test_an_environment_that_is_let_go_stands_in_the_way_of_none() -> None:
    there = {("live", "/", "BEGUN"): Stored("theirs", f"{PEOPLE} - x")}
    found = Found({"live": ("e", "Live")}, secrets=there)
    assert list(renamed_environments(SHOP, found))
    assert not list(renamed_environments(replace(SHOP, removed=(("live", "/", "BEGUN"),)), found))
    unmarked = replace(found, secrets={("live", "/", "BEGUN"): Stored("theirs")})
    assert not list(renamed_environments(SHOP, unmarked))
    assert not decide(SHOP, unmarked).conflicts


def test_an_environment_that_the_stack_no_longer_names_is_told_once() -> None:
    ours = {("live", "/", key): Stored("x", f"{STACK} - x") for key in "AB"}
    found = Found({"prod": ("e", "Production"), "live": ("f", "Live")}, secrets=ours)
    [line] = decide(SHOP, found).drift
    assert line.startswith("environment live is no longer in the stack, and has 2 of its secrets. List them in removed")
    listed = replace(SHOP, removed=tuple(ours))
    assert not decide(listed, found).drift
    assert [each.verb for each in decide(listed, found).writes].count("delete") == 1


def test_a_project_that_no_application_has_is_told() -> None:
    site = Site({"webshop": OURS, "old": OURS.replace("shop", "blog"), "theirs": "", "other": "infisical-platform x"})
    run = provision(site)
    assert [line for line in run.drift if line.startswith("project ")] == [
        "project old is the stack's, and no application has it. Delete it in the web UI, or take the beginning off its "
        "description"
    ]
