"""Projects of the stand-in, what is in them, and who may do what there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import EMAIL, Instance, bootstrap

PROJECTS = "/api/v1/projects"


@pytest.fixture
def instance(start: Start, environment: Environment) -> Instance:
    return bootstrap(start(environment))


def create(instance: Instance, slug: str = "webshop", **wish: Any) -> dict[str, Any]:
    body = {"projectName": slug, "slug": slug, "shouldCreateDefaultEnvs": False, **wish}
    return instance.call("POST", PROJECTS, body)["project"]


def member(instance: Instance, project: str, role: str) -> str:
    """The token of a machine with that role."""
    identity, token = instance.machine(role)
    path = f"{PROJECTS}/{project}/memberships/identities/{identity}"
    instance.call("POST", path, {"roles": [{"role": role, "isTemporary": False}]})
    return token


def test_a_slug_is_taken_once_and_has_five_characters_at_least(instance: Instance) -> None:
    create(instance)
    taken = 'A project with the slug "webshop" already exists in your organization.'
    assert instance.refusal("POST", PROJECTS, {"projectName": "x", "slug": "webshop"}) == (400, taken)
    assert instance.refusal("POST", PROJECTS, {"projectName": "shop", "slug": "shop"})[0] == 422
    made = instance.call("POST", PROJECTS, {"projectName": "shop"})["project"]
    assert made["slug"].startswith("shop-")
    assert [each["slug"] for each in made["environments"]] == ["dev", "staging", "prod"]
    instance.call("PATCH", f"{PROJECTS}/{made['id']}", {"slug": "shop"})
    assert instance.call("GET", f"{PROJECTS}/slug/shop")["id"] == made["id"]
    assert instance.refusal("GET", f"{PROJECTS}/slug/nothing")[0] == 404


def test_the_admin_is_not_in_a_project_that_a_machine_made(instance: Instance) -> None:
    project = create(instance, hasDeleteProtection=True)["id"]
    admin = instance.log_in()
    assert instance.call("GET", PROJECTS, token=admin)["projects"] == []
    assert instance.refusal("GET", f"{PROJECTS}/{project}", token=admin)[0] == 403
    everything = instance.call("GET", "/api/v1/organization-admin/projects", token=admin)["projects"]
    assert [each["id"] for each in everything] == [project]
    grant = f"/api/v1/organization-admin/projects/{project}/grant-admin-access"
    assert instance.refusal("POST", grant) == (403, "You are not allowed to access this resource")  # no machine may
    instance.call("POST", grant, token=admin)
    assert instance.call("GET", f"{PROJECTS}/{project}", token=admin)["project"]["slug"] == "webshop"
    assert instance.refusal("DELETE", f"{PROJECTS}/{project}") == (400, "Project delete protection is enabled")


def test_environments_and_folders(instance: Instance) -> None:
    project = create(instance)["id"]
    path = f"{PROJECTS}/{project}/environments"
    instance.call("POST", path, {"name": "Production", "slug": "prod"})
    assert instance.refusal("POST", path, {"name": "Other", "slug": "prod"})[0] == 400
    place = {"projectId": project, "environment": "prod"}
    made = instance.call("POST", "/api/v2/folders", {**place, "path": "/a/b", "name": "c"})["folder"]
    assert made["path"] == "/a/b/c"
    again = instance.refusal("POST", "/api/v2/folders", {**place, "path": "/a/b/", "name": "c"})
    assert again == (400, "Folder with specified name already exists")
    assert instance.refusal("POST", "/api/v2/folders", {**place, "name": "a.b"})[0] == 422
    query = f"projectId={project}&environment=prod"
    listed = instance.call("GET", f"/api/v2/folders?{query}&path=/&recursive=true")["folders"]
    assert [each["relativePath"] for each in listed] == ["a", "a/b", "a/b/c"]
    older = instance.call("GET", f"/api/v1/folders?workspaceId={project}&environment=prod&path=/a")["folders"]
    assert [each["name"] for each in older] == ["b"]
    instance.call("DELETE", "/api/v2/folders/a", place)
    assert instance.call("GET", f"/api/v2/folders?{query}")["folders"] == []


def test_people_are_invited_by_a_lowercase_name(instance: Instance) -> None:
    project = create(instance)["id"]
    path = f"{PROJECTS}/{project}/memberships"
    wish = {"usernames": ["dev@example.org", EMAIL], "roleSlugs": ["viewer"]}
    assert len(instance.call("POST", path, wish)["memberships"]) == 2
    assert instance.call("POST", path, wish)["memberships"] == []
    assert instance.refusal("POST", path, {"usernames": ["Dev@example.org"]})[0] == 422
    assert "plan RBAC restriction" in instance.refusal("POST", path, wish | {"roleSlugs": ["auditor"]})[1]
    people = {each["user"]["username"]: each for each in instance.call("GET", path)["memberships"]}
    assert people["dev@example.org"]["roles"][0]["role"] == "viewer"
    changed = {"roles": [{"role": "admin", "isTemporary": False}]}
    instance.call("PATCH", f"{path}/{people[EMAIL]['id']}", changed)
    instance.call("DELETE", path, {"usernames": ["dev@example.org"]})
    left = instance.call("GET", path)["memberships"]
    assert [(each["user"]["username"], each["roles"][0]["role"]) for each in left] == [(EMAIL, "admin")]


def invited(instance: Instance, project: str, username: str) -> str:
    """Invite a person to a project, and return their role in the organisation."""
    instance.call("POST", f"{PROJECTS}/{project}/memberships", {"usernames": [username]})
    found = instance.call("GET", f"/api/v2/organizations/{instance.organization}/memberships")["users"]
    return next(each["role"] for each in found if each["user"]["username"] == username)


@pytest.mark.parametrize(("day", "role"), [("2026-01-05", "no-access"), ("2026-01-06", "member")])
def test_who_is_invited_is_a_member_of_the_organisation_since_2026(
    start: Start, environment: Environment, day: str, role: str
) -> None:
    instance = bootstrap(start(environment | {"STAND_IN_RELEASED": day}))
    assert invited(instance, create(instance)["id"], "dev@example.org") == role


def test_a_person_changes_the_role_that_the_organisation_gives(instance: Instance) -> None:
    organization, change = f"/api/v1/organization/{instance.organization}", {"defaultMembershipRoleSlug": "no-access"}
    assert instance.refusal("PATCH", organization, change)[0] == 403  # a machine
    answer = instance.call("PATCH", organization, change, token=instance.log_in())
    assert answer["organization"]["defaultMembershipRole"] == "no-access"
    assert invited(instance, create(instance)["id"], "dev@example.org") == "no-access"


def test_a_viewer_reads_and_no_more(instance: Instance) -> None:
    project = create(instance, shouldCreateDefaultEnvs=True)["id"]
    viewer = member(instance, project, "viewer")
    query = f"projectId={project}&environment=prod"
    assert instance.call("GET", f"/api/v4/secrets?{query}", token=viewer)["secrets"] == []
    body = {"projectId": project, "environment": "prod", "secretValue": "v"}
    refused = instance.refusal("POST", "/api/v4/secrets/KEY", body, token=viewer)
    assert refused == (403, "You are not allowed to create on secrets")
    nobody = member(instance, project, "no-access")
    assert instance.refusal("GET", f"/api/v4/secrets?{query}", token=nobody)[0] == 403
    _, stranger = instance.machine("stranger")
    assert instance.refusal("GET", f"/api/v4/secrets?{query}", token=stranger)[0] == 403


def test_what_the_free_edition_refuses(instance: Instance, start: Start, environment: Environment) -> None:
    project = create(instance)["id"]
    assert "plan RBAC restriction" in instance.refusal("POST", f"{PROJECTS}/{project}/roles", {})[1]
    assert "plan restriction" in instance.refusal("POST", "/api/v1/secret-approvals", {})[1]
    privilege = instance.refusal("POST", "/api/v2/identity-project-additional-privilege", {})
    assert privilege[1].startswith("Additional privileges are not available")


def test_the_project_api_of_older_releases(start: Start, environment: Environment) -> None:
    instance = bootstrap(start(environment | {"STAND_IN_RELEASED": "2025-06-01"}))
    assert instance.refusal("GET", PROJECTS)[0] == 404
    made = instance.call("POST", "/api/v2/workspace", {"projectName": "shop", "slug": "webshop"})["project"]
    assert instance.call("GET", "/api/v2/workspace/webshop")["id"] == made["id"]
    assert [each["id"] for each in instance.call("GET", "/api/v1/workspace")["workspaces"]] == [made["id"]]
    body = {"workspaceId": made["id"], "environment": "prod", "secretValue": "v"}
    instance.call("POST", "/api/v3/secrets/raw/KEY", body)
    assert instance.refusal("POST", "/api/v4/secrets/KEY", body)[0] == 404
    instance.call("POST", "/api/v1/folders", {"workspaceId": made["id"], "environment": "prod", "name": "jobs"})
    identity = instance.identity("reader")
    path = f"/api/v2/workspace/{made['id']}/identity-memberships/{identity}"
    instance.call("POST", path, {"roles": [{"role": "viewer"}]})
    assert instance.call("GET", path)["identityMembership"]["identity"]["name"] == "reader"
    people = f"/api/v2/workspace/{made['id']}/memberships"
    instance.call("POST", people, {"usernames": ["dev@example.org"], "roleSlugs": ["viewer"]})
    assert instance.refusal("GET", people) == (404, f"Route GET:{people} not found")
    read = people.replace("v2", "v1")
    [dev] = instance.call("GET", read)["memberships"]
    changed = instance.call("PATCH", f"{read}/{dev['id']}", {"roles": [{"role": "member"}]})
    assert [each["role"] for each in changed["roles"]] == ["member"]


def test_all_projects_come_in_pages(instance: Instance) -> None:
    for number in range(3):
        create(instance, projectName=f"p{number}", slug=f"project-{number}")
    every, slugs = "/api/v1/organization-admin/projects", list[str]()
    for offset in (0, 2):
        page = instance.call("GET", f"{every}?offset={offset}&limit=2")
        assert page["count"] == 3
        slugs += [each["slug"] for each in page["projects"]]
    assert slugs == ["project-0", "project-1", "project-2"]
    assert instance.refusal("GET", f"{every}?limit=101")[0] == 422
