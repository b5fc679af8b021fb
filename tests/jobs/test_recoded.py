"""How a value is stored changes last: a delivery decodes it as before until the `up` has come to the delivery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import application_secrets
import pytest
from application_owner import Owner
from application_plan import Found, Plan, Stored, decide
from application_secrets import Config, Provision, Undone
from application_wish import ENCODED, STACK, Application, Secret
from fake_config_map import ConfigMap
from infisical_api import InfisicalApi
from job import Report

PLAIN, CODED, OTHER = ("prod", "/", "PLAIN"), ("prod", "/", "CODED"), ("prod", "/", "OTHER")
SECRETS = (
    Secret(PLAIN, "stack", "plain again"),
    Secret(CODED, "stack", "aW4gYmFzZTY0", encoded=True),
    Secret(OTHER, "stack", "another"),
)
SHOP = Application("shop", "shop", {"prod": "P"}, secrets=SECRETS)
BLOG = Application("blog", "blog", {"prod": "P"}, secrets=(Secret(OTHER, "stack", "the blog's"),))
THERE = {
    PLAIN: Stored("d2FzIGJhc2U2NA==", f"{ENCODED} - x"),
    CODED: Stored("was plain", f"{STACK} - x"),
    OTHER: Stored("before", SECRETS[2].comment),
}
DONE = {each.place: Stored(each.value or "", each.comment) for each in SECRETS}


class Site:
    """A server with the projects of both applications, which notes what is written when."""

    def __init__(self) -> None:
        self.api = InfisicalApi("http://unused", deadline_seconds=20)
        self.stored = {"shop": dict(THERE), "blog": {OTHER: Stored("theirs")}}
        self.noted: list[tuple[str, str, str]] = []

    def projects(self) -> list[dict[str, Any]]:
        description = "infisical-platform stack-1 keeps this project"
        return [{"id": slug, "slug": slug, "description": description} for slug in self.stored]

    def found(self, project: dict[str, Any], environments: set[str]) -> Found:
        return Found({"prod": ("e", "P")}, secrets=dict(self.stored[project["id"]]))

    def act(self, project: str, plan: Plan) -> list[str]:
        for write in plan.writes:
            for key, value, comment in write.secrets:
                self.noted.append((project, write.verb, key))
                self.stored[project][write.environment, write.path, key] = Stored(value or "", comment)
        return []


def provision(site: Any) -> Provision:
    config = Config(address="", namespace="n", drift="", auth="universal", deadline_seconds=20)
    kube: Any = ConfigMap()
    run = Provision(config, site, kube, Report("test"), Owner("o", "stack-1", "state-1"))
    run.all([SHOP, BLOG])
    return run


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application_secrets, "_LOOK_SECONDS", 0.5)


def test_it_waits_for_every_application() -> None:
    """With a conflict `up` ends before the deliveries, which would give pods base64, or decode what is none."""
    site = Site()
    with pytest.raises(Undone, match="application blog: "):
        provision(site)
    assert site.stored["shop"] == THERE | {OTHER: DONE[OTHER]}


def test_it_is_the_last_that_is_written() -> None:
    site = Site()
    site.stored["blog"] = {}
    run = provision(site)
    assert site.stored["shop"] == DONE
    assert site.noted == [
        ("shop", "update", "OTHER"),
        ("blog", "create", "OTHER"),
        ("shop", "recode", "PLAIN"),
        ("shop", "recode", "CODED"),
    ]
    assert {name: count for name, count in run.counts.items() if count} == {"projects": 2, "created": 1, "put_back": 3}
    assert run.drift == []


def test_the_same_text_is_stored_otherwise_by_its_comment() -> None:
    """What is base64 of something may be meant as it is, and its delivery then leaves it so."""
    wish = replace(SHOP, secrets=(replace(SECRETS[1], encoded=False),))
    found = Found({"prod": ("e", "P")}, secrets={CODED: DONE[CODED]})
    plan = decide(wish, found)
    assert plan.recodes
    assert plan.without_recoding.empty
    assert (plan.put_back, plan.without_recoding.put_back) == (1, 0)
