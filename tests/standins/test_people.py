"""People of an application: known by their address, whatever Infisical calls their account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from job import Failed

from tests.standins.conftest import Start
from tests.standins.engines import Postgres
from tests.standins.infisical import Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import SHOP, Site


def test_who_has_an_account_of_another_name_is_invited_once(
    start: Start, environment: Environment, database: str, postgres: Postgres, tmp_path: Path
) -> None:
    site = Site(bootstrap(start(environment)), tmp_path)
    columns = '(id, username, email, "isAccepted")'
    postgres.sql(f"insert into users {columns} values ('{uuid4()}', '00u1', 'Dev@example.org', true)", database)
    site.provision(SHOP)
    drift = site.provision(SHOP).drift
    assert not [line for line in drift if "is a member" in line]
    members = site.instance.call("GET", f"/api/v1/projects/{site.project}/memberships")["memberships"]
    assert [each["user"]["username"] for each in members] == ["00u1"]


def test_who_can_not_be_invited_is_named(start: Start, environment: Environment, tmp_path: Path) -> None:
    site = Site(bootstrap(start(environment)), tmp_path)
    people = {"dev@example.org": ("viewer",), "tester@mailinator.com": ("viewer",), "ops@example.org": ("viewer",)}
    with pytest.raises(Failed, match=r"tester@mailinator\.com: Disposable emails are not allowed"):
        site.provision(replace(SHOP, people=people))
