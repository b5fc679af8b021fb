"""What only a licence allows: roles, groups and approvals are made, are there once, and follow the stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from application_wish import Application, Secret
from job import Failed

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import SHOP, Site

POLICIES = "/api/v1/secret-approvals"
READS = {"subject": "secrets", "actions": ["read"], "environments": ["prod"], "paths": ["/people"]}
GUARD = {"environment": "prod", "path": "/people", "approvers": ["dev@example.org"], "required": 1}
LICENSED: dict[str, Any] = {
    "roles": {"auditor": {"name": "Auditor", "permissions": [READS]}},
    "groups": {"viewer": ["developers", "operators"], "auditor": ["developers"]},
    "approvals": [GUARD],
}


@pytest.fixture
def site(start: Start, environment: Environment, tmp_path: Path) -> Site:
    site = Site(bootstrap(start(environment | {"LICENSE_KEY": "l" * 9})), tmp_path)
    for slug in ("developers", "operators"):
        site.instance.call("POST", "/api/v1/groups", {"name": f"The {slug}", "slug": slug})
    return site


def shop(**licensed: Any) -> Application:
    return replace(SHOP, people={"dev@example.org": ("auditor",)}, licensed=LICENSED | licensed)


def groups(site: Site) -> dict[str, set[str]]:
    found = site.instance.call("GET", f"/api/v1/projects/{site.project}/groups")["groupMemberships"]
    return {
        each["group"]["slug"]: {role.get("customRoleSlug") or role["role"] for role in each["roles"]} for each in found
    }


def policies(site: Site) -> list[dict[str, Any]]:
    """What people are shown."""
    project, admin = site.project, site.instance.log_in()
    owner = {"usernames": ["admin@example.org"], "roleSlugs": ["admin"]}
    site.instance.call("POST", f"/api/v1/projects/{project}/memberships", owner)
    return site.instance.call("GET", f"{POLICIES}?projectId={project}", token=admin)["approvals"]


def test_all_is_there_once_and_people_have_a_role_of_the_stacks_own(site: Site) -> None:
    for _ in range(2):
        site.provision(shop())
    people = site.instance.call("GET", f"/api/v1/projects/{site.project}/memberships")["memberships"]
    roles = {each["user"]["username"]: [role.get("customRoleSlug") for role in each["roles"]] for each in people}
    assert roles == {"dev@example.org": ["auditor"]}
    assert groups(site) == {"developers": {"viewer", "auditor"}, "operators": {"viewer"}}
    [policy] = policies(site)
    assert (policy["secretPath"], policy["approvals"]) == ("/people", 1)
    assert [each["username"] for each in policy["approvers"]] == ["dev@example.org"]


def test_a_change_of_the_stack_reaches_what_is_there(site: Site) -> None:
    site.provision(shop())
    two = {"dev@example.org": ("auditor",), "ops@example.org": ("viewer",)}
    guard = GUARD | {"approvers": [*two], "required": 2}
    site.provision(replace(shop(groups={"auditor": ["operators"]}, approvals=[guard]), people=two))
    assert groups(site) == {"developers": {"viewer", "auditor"}, "operators": {"auditor"}}, "nothing is taken away"
    [policy] = policies(site)
    assert policy["approvals"] == len(policy["approvers"]) == 2


def test_a_policy_that_people_have_deleted_is_made_again(site: Site) -> None:
    site.provision(shop())
    [policy] = policies(site)
    site.instance.call("DELETE", f"{POLICIES}/{policy['id']}")
    site.provision(shop())
    assert [each["secretPath"] for each in policies(site)] == ["/people"]


def test_a_policy_of_others_is_left_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.provision(shop(approvals=[]))
    place = {"projectId": site.project, "environment": "prod", "secretPath": "/people"}
    approver = {"type": "user", "username": "dev@example.org"}
    site.instance.call("POST", POLICIES, {**place, "name": "theirs", "approvers": [approver]})
    monkeypatch.setattr("tests.standins.test_application_secrets.DEADLINE_SECONDS", 10.0)
    with pytest.raises(Failed, match="prod:/people is guarded by a policy that the stack does not know"):
        site.provision(shop())
    assert [each["name"] for each in policies(site)] == ["theirs"]


def test_a_group_that_is_not_there_is_named_at_once(site: Site) -> None:
    with pytest.raises(Failed, match=r"no group with the slug testers\. It has developers, operators"):
        site.provision(shop(groups={"viewer": ["testers"]}))


def test_what_is_refused_in_each_round_is_said(site: Site) -> None:
    """Not that Infisical doesn't give back what was written."""
    with pytest.raises(Failed, match=r"answers 404 to POST .*memberships: dev@example.org: Role 'ghost' not found"):
        site.provision(replace(SHOP, people={"dev@example.org": ("ghost",)}))


def test_a_policy_does_not_bind_the_stack(site: Site) -> None:
    """Servers since August 2026 have one bind machines, and each run would file a request with the value in it."""
    first = Secret(("prod", "/people", "FIRST"), "people", "begun")
    site.provision(shop())
    [policy] = policies(site)
    assert policy["bypassForMachineIdentities"] is True
    body = {key: policy[key] for key in ("name", "approvals", "approvers", "secretPath")}
    site.instance.call("PATCH", f"{POLICIES}/{policy['id']}", {**body, "bypassForMachineIdentities": False})
    site.provision(replace(shop(), secrets=(*SHOP.secrets, first)))
    assert site.secrets()["/people/FIRST"][0] == "begun"
    assert [each["bypassForMachineIdentities"] for each in policies(site)] == [True]


def test_an_older_server_knows_no_such_thing(start: Start, environment: Environment, tmp_path: Path) -> None:
    released = {"LICENSE_KEY": "l" * 9, "STAND_IN_RELEASED": "2026-07-15"}
    site = Site(bootstrap(start(environment | released)), tmp_path)
    for slug in ("developers", "operators"):
        site.instance.call("POST", "/api/v1/groups", {"name": f"The {slug}", "slug": slug})
    for _ in range(2):
        site.provision(shop())
    [policy] = policies(site)
    assert "bypassForMachineIdentities" not in policy
