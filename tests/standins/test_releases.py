"""Applications are provisioned and proven on every release of the supported range whose API is a different one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.standins.conftest import Start
from tests.standins.infisical import APPLICATION, Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import PEOPLE, SHOP, THERE, Site, secret
from tests.thorough import thorough

RELEASES = APPLICATION / "dist" / "api" / "release.mjs"
OLDEST = "2025-03-18"  # the first that can be bootstrapped
DAYS = sorted({day for day in re.findall(r'"(20\d\d-\d\d-\d\d)"', RELEASES.read_text()) if day >= OLDEST})


def test_days_are_known() -> None:
    assert len(DAYS) > 8
    assert DAYS[0] == OLDEST


def test_an_identity_gets_into_a_project_whose_newer_path_is_not_there_yet(
    start: Start, environment: Environment, tmp_path: Path
) -> None:
    """Releases of autumn 2025 have /api/v1/projects, and no /memberships/identities below it."""
    site = Site(bootstrap(start(environment | {"STAND_IN_RELEASED": "2025-10-15"})), tmp_path)
    site.provision(SHOP)
    assert site.viewers(SHOP) == [site.kube.identity("shop")["identityId"]]


def test_a_value_that_is_handed_over_to_people_is_kept_where_a_comment_alone_empties_it(
    start: Start, environment: Environment, tmp_path: Path
) -> None:
    site = Site(bootstrap(start(environment | {"STAND_IN_RELEASED": "2026-03-08"})), tmp_path)
    site.provision(SHOP)
    site.provision(replace(SHOP, secrets=(secret("A", None, "people"), *SHOP.secrets[1:])))
    assert site.secrets() == THERE | {"/A": ("a", PEOPLE)}


# Later ones ask the API server at once, which isn't there; the oldest want the token of a reviewer, which is not given.
WITHOUT_PROBES = [day for day in DAYS if "2025-03-21" <= day < "2025-12-01"]


@thorough
@pytest.mark.parametrize(
    ("auth", "day"),
    [*(("universal", day) for day in DAYS), *(("kubernetes", day) for day in WITHOUT_PROBES)],
)
def test_a_wish_is_provisioned_and_put_back_on_every_release(
    start: Start, environment: Environment, tmp_path: Path, auth: str, day: str
) -> None:
    site = Site(bootstrap(start(environment | {"STAND_IN_RELEASED": day})), tmp_path, auth)
    site.provision(SHOP)
    assert site.secrets() == THERE
    assert not site.provision(SHOP).counts["put_back"]
    site.write("A", "by hand")
    assert site.provision(SHOP).counts["put_back"] == 1
    assert site.secrets() == THERE
