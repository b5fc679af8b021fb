"""A generated value is kept through all that gives the stack a new one by accident, against the stand-in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from application_wish import STACK, Application, Secret
from job import Failed

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import DRIFT, OLDER, SHOP, Site

FIRST, SECOND = "the-first-of-all-values", "the-second-of-all-value"
SAID = "has what was generated before, and the stack has generated another value for it since"


def shop(environment: str, value: str, name: str) -> Application:
    """A shop with one generated value, which the stack knows by a name of its environment."""
    secret = Secret((environment, "/", "KEY"), "stack", value, name=name, generated=True)
    return replace(SHOP, environments={environment: "Production"}, secrets=(secret,))


@pytest.fixture(params=["newest", "older"])
def site(request: pytest.FixtureRequest, start: Start, environment: Environment, tmp_path: Path) -> Site:
    return Site(bootstrap(start(environment | (OLDER if request.param == "older" else {}))), tmp_path)


def value_of(site: Site, environment: str) -> str:
    server = site._server()
    [project] = [each for each in server.projects() if each["id"] == site.project]
    stored = server.found(project, {environment}).secrets[environment, "/", "KEY"]
    assert stored.comment.startswith(STACK)
    return stored.value


def test_a_slug_that_is_changed_there_and_then_here(site: Site) -> None:
    site.provision(shop("prod", FIRST, "shop-aaaaaaaaaaaa"))
    [project] = [each for each in site._server().projects() if each["id"] == site.project]
    [environment] = project["environments"]
    site.instance.call(
        "PATCH", f"{site._server()._project(site.project)}/environments/{environment['id']}", {"slug": "live"}
    )
    with pytest.raises(Failed, match="there is no environment prod, and live, which the stack does not name"):
        site.provision(shop("prod", FIRST, "shop-aaaaaaaaaaaa"))
    with pytest.raises(Failed, match=f"live:/KEY {SAID}") as caught:
        site.provision(shop("live", SECOND, "shop-bbbbbbbbbbbb"))
    assert "generatedValues.shop-bbbbbbbbbbbb" in str(caught.value)
    assert value_of(site, "live") == FIRST
    assert site.provision(shop("live", FIRST, "shop-bbbbbbbbbbbb")).counts["put_back"] == 0


def test_what_is_written_down_tells_no_value_and_lets_an_edit_be_put_back(site: Site) -> None:
    wish = shop("prod", FIRST, "shop-aaaaaaaaaaaa")
    site.provision(wish)
    assert json.loads(site.kube.secrets[DRIFT]["generated"])["webshop"].keys() == {"shop-aaaaaaaaaaaa"}
    assert FIRST not in str(site.kube.secrets[DRIFT])
    site.write("KEY", "edited by hand, as it were")
    site.provision(wish)
    assert value_of(site, "prod") == FIRST
    site.kube.secrets.pop(DRIFT)  # as when somebody deletes the ConfigMap
    site.write("KEY", "edited by hand, as it were")
    with pytest.raises(Failed, match=SAID):
        site.provision(wish)
