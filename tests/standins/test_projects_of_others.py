"""Projects that the stack's account is not in: its own of before are entered, those of others are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
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


def test_the_stacks_own_is_entered_whichever_page_lists_it(site: Site) -> None:
    assert site._server().projects() == []
    run = site.provision(SHOP_BEHIND)
    assert run.counts["created"] == 0
    assert site.secrets() == THERE


def test_others_are_refused_with_a_way_out(site: Site) -> None:
    with pytest.raises(Failed, match="project people-7 was not made by the stack"):
        site.provision(replace(SHOP, slug="people-7"))
    with pytest.raises(Failed, match="project webshop is kept by a different stack"):
        site.provision(SHOP_BEHIND, stack="stack-2")
    assert site._server().projects() == []
