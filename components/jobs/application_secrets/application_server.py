"""Read and write an application's project, in the API that the running server has: v4 where served, otherwise v3."""

from typing import Any
from urllib.parse import urlencode

from application_plan import Found, Member, Plan, Stored, Verb, Write
from application_wish import STACK, Place
from infisical_api import ApiError, InfisicalApi
from secret_batches import batches

Object = dict[str, Any]
_EVERY, _PAGE = "/api/v1/organization-admin/projects", 100  # the most that a page has
_NOBODY = "00000000-0000-0000-0000-000000000000"
# What is newer than /api/v1/projects, and asked for what no organisation has.
_MACHINE = f"/api/v1/projects/{_NOBODY}/memberships/identities/{_NOBODY}"
_PLACE = {"projectId": _NOBODY, "environment": "none"}
_ASKED_SECONDS = 10.0


class Server:
    """The API of a server, by the routes that it has."""

    def __init__(self, api: InfisicalApi) -> None:
        self.api = api
        self.projects_v1 = self._has("/api/v1/projects")
        # It has answered. What goes on failing is no route that is missing, and not worth the run's time.
        with api.within(_ASKED_SECONDS):
            self.machines_v1 = self._has(_MACHINE)
            self.v4 = self._has("/api/v4/secrets", **_PLACE)
            self.folders = "/api/v2/folders" if self._has("/api/v2/folders", **_PLACE) else "/api/v1/folders"

    def _has(self, path: str, **query: str) -> bool:
        """Return whether a route is there, whatever it answers."""
        try:
            self.api.get(path, **query)
        except ApiError as error:
            return not error.has_no_route
        return True

    # --- projects ----------------------------------------------------------------------------------------------------

    def projects(self) -> list[Object]:
        """Return the projects that this account is in."""
        if self.projects_v1:
            return self.api.get("/api/v1/projects")["projects"]
        return self.api.get("/api/v1/workspace")["workspaces"]

    def create(self, name: str, slug: str, description: str) -> Object:
        """Create a project, empty."""
        wish = {"projectName": name, "slug": slug, "projectDescription": description, "type": "secret-manager"}
        path = "/api/v1/projects" if self.projects_v1 else "/api/v2/workspace"
        return self.api.post(path, {**wish, "shouldCreateDefaultEnvs": False})["project"]

    def every_project(self) -> list[Object]:
        """Return the organisation's projects, also those that this account is not in. They come in pages."""
        found: dict[str, Object] = {}
        while True:
            page = self.api.get(_EVERY, offset=str(len(found)), limit=str(_PAGE))
            before = len(found)
            found |= {each["id"]: each for each in page["projects"]}
            if len(found) == before or len(found) >= int(page.get("count") or 0):
                return [*found.values()]

    def delete(self, project: Object) -> str:
        """Delete a project with everything in it. Return what to do where Infisical refuses, empty where it's done.

        It does so for one with delete protection, and some releases do for every one (PR 6723).
        """
        try:
            self.api.delete(self._project(project["id"]))
        except ApiError as error:
            if error.status not in (400, 403) and not error.has_no_route:
                raise
            return f"Infisical does not delete project {project['slug']} ({error.message}). Delete it in the web UI"
        return ""

    def _project(self, project: str) -> str:
        return f"/api/v1/{'projects' if self.projects_v1 else 'workspace'}/{project}"

    def _members(self, project: str) -> str:
        return f"{self._project(project)}/memberships"

    def identities(self, project: str) -> str:
        """Return the path of a project's machine identities."""
        if self.machines_v1:
            return f"/api/v1/projects/{project}/memberships/identities"
        return f"/api/v2/workspace/{project}/identity-memberships"

    # --- reading -----------------------------------------------------------------------------------------------------

    def found(self, project: Object, environments: set[str]) -> Found:
        """Return what a project has, its folders in these environments alone."""
        there = {each["slug"]: (each["id"], each["name"]) for each in project["environments"]}
        folders: set[tuple[str, str]] = set()
        secrets: dict[Place, Stored] = {}
        for environment in sorted(there):
            if environment in environments:
                folders |= {(environment, path) for path in self._folders(project["id"], environment)}
            for each in self._secrets(project["id"], environment):
                place = (environment, str(each.get("secretPath") or "/").rstrip("/") or "/", each["secretKey"])
                secrets[place] = Stored(each["secretValue"], each.get("secretComment") or "")
        return Found(there, frozenset(folders), secrets, self._people(project["id"]))

    def _people(self, project: str) -> dict[str, Member]:
        members = self.api.get(self._members(project))["memberships"]
        return {_address(each["user"]): Member(each["id"], tuple(map(role_of, each["roles"]))) for each in members}

    def _folders(self, project: str, environment: str, path: str = "/") -> list[str]:
        key = "projectId" if self.folders.startswith("/api/v2") else "workspaceId"
        query = urlencode({key: project, "environment": environment, "path": path})
        answer = self.api.get(f"{self.folders}?{query}")
        found: list[str] = []
        for each in answer["folders"]:
            below = f"{path.rstrip('/')}/{each['name']}"
            found += [below, *self._folders(project, environment, below)]
        return found

    def _secrets(self, project: str, environment: str) -> list[Object]:
        common = {"environment": environment, "secretPath": "/", "recursive": "true", "expandSecretReferences": "false"}
        if self.v4:
            return self.api.get(
                "/api/v4/secrets", projectId=project, includeImports="false", viewSecretValue="true", **common
            )["secrets"]
        return self.api.get("/api/v3/secrets/raw", workspaceId=project, include_imports="false", **common)["secrets"]

    # --- writing -----------------------------------------------------------------------------------------------------

    def act(self, project: str, plan: Plan) -> list[str]:
        """Do what a plan says. Return the folders in which a change only became a request for approval."""
        for slug, name in plan.environments:
            self.api.post(f"{self._project(project)}/environments", {"slug": slug, "name": name})
        for environment, name in plan.renamed:
            self.api.patch(f"{self._project(project)}/environments/{environment}", {"name": name})
        for environment, path in plan.folders:
            parent, _, name = path.rpartition("/")
            key = "projectId" if self.folders.startswith("/api/v2") else "workspaceId"
            wish = {key: project, "environment": environment, "path": parent or "/", "name": name}
            self.api.post(self.folders, wish)
        waiting = [place for write in plan.writes for place in self._write(project, write)]
        for who, roles in plan.invited:
            self._invite(project, who, roles)
        for membership, roles in plan.roles:
            self.api.patch(f"{self._members(project)}/{membership}", {"roles": membership_roles(*roles)})
        return waiting

    def _invite(self, project: str, who: str, roles: tuple[str, ...]) -> None:
        # The older API has them read and changed in v1, and invited in v2.
        path = self._members(project) if self.projects_v1 else f"/api/v2/workspace/{project}/memberships"
        try:
            self.api.post(path, {"usernames": [who], "roleSlugs": list(roles)}, idempotent=True)
        except ApiError as error:  # which says what is wrong, and not with whom
            raise ApiError(error.status, f"{who}: {error.message}", error.method, error.path) from error

    def _write(self, project: str, write: Write) -> list[str]:
        base = "/api/v4/secrets/batch" if self.v4 else "/api/v3/secrets/batch/raw"
        place = {("projectId" if self.v4 else "workspaceId"): project, "environment": write.environment}
        for secrets in batches(_body(write.verb, *each) for each in write.secrets):
            body = {**place, "secretPath": write.path, "secrets": secrets}
            match write.verb:
                case "create":
                    answer = self._created(base, body)
                case "update" | "recode":
                    answer = self.api.patch(base, body)
                case "delete":
                    answer = self.api.delete(base, body)
            if "approval" in answer:
                return [f"{write.environment}:{write.path}"]
        return []

    def _created(self, base: str, body: Object) -> Object:
        """Create secrets. Those of the stack's that are there, though the list does not show them, are changed.

        With read replicas a list may be old, and Infisical keeps it for minutes, until the project changes.
        """
        try:
            return self.api.post(base, body)
        except ApiError as error:
            if "already exist" not in error.message:
                raise
            there = self._comments(body)
            known = [each for each in body["secrets"] if each["secretKey"] in there]
            if not known or not all(_stacks(there[each["secretKey"]], each["secretComment"]) for each in known):
                raise
        answer = self.api.patch(base, {**body, "secrets": known})
        missing = [each for each in body["secrets"] if each not in known]
        return self.api.post(base, {**body, "secrets": missing}) if missing and "approval" not in answer else answer

    def _comments(self, body: Object) -> dict[str, str]:
        """Return the comments of the secrets that are there, each of which Infisical reads anew."""
        place = {name: str(value) for name, value in body.items() if name != "secrets"}
        options = {"expandSecretReferences": "false", ("includeImports" if self.v4 else "include_imports"): "false"}
        one, found = f"/api/{'v4/secrets' if self.v4 else 'v3/secrets/raw'}", dict[str, str]()
        for each in body["secrets"]:
            key = each["secretKey"]
            try:
                answer = self.api.get(f"{one}/{key}", **place, **options)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                found[key] = str(answer["secret"].get("secretComment") or "")
        return found


def _stacks(*comments: str) -> bool:
    return all(comment.startswith(STACK) for comment in comments)


def membership_roles(*roles: str) -> list[Object]:
    """Return roles as a membership has them."""
    return [{"role": role, "isTemporary": False} for role in roles]


def _address(user: Object) -> str:
    """Return what the stack calls a person: single sign-on gives accounts names that are no addresses."""
    return str(user.get("email") or user["username"]).lower()


def role_of(role: Object) -> str:
    """Return the slug of a membership's role."""
    return role.get("customRoleSlug") or role["role"]


def _body(verb: Verb, key: str, value: str | None, comment: str) -> Object:
    if verb == "delete":
        return {"secretKey": key}
    return {"secretKey": key, "secretComment": comment, "secretValue": value}
