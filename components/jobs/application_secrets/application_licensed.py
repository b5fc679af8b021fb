"""Make what only a licence of Infisical allows: roles, groups, and folders whose changes people have to approve."""

from typing import Any

from application_server import Server, membership_roles
from application_wish import Application

Object = dict[str, Any]


def licensed(application: Application, project: str, server: Server) -> None:
    """Make what is missing. What is there already is brought to what the stack says; nothing is taken away."""
    wish = application.licensed
    if roles := wish.get("roles"):
        _roles(server, f"/api/v1/projects/{project}/roles", roles)
    for role, groups in wish.get("groups", {}).items():
        for group in groups:
            path = f"/api/v1/projects/{project}/groups/{group}"
            server.api.post(path, {"roles": membership_roles(role)}, idempotent=True)
    if approvals := wish.get("approvals"):
        _approvals(server, project, approvals)


def _roles(server: Server, path: str, roles: Object) -> None:
    there = {each["slug"]: each["id"] for each in server.api.get(path)["roles"]}
    for slug, role in roles.items():
        body = {"slug": slug, "name": role["name"], "permissions": [_permission(each) for each in role["permissions"]]}
        if slug in there:
            server.api.patch(f"{path}/{there[slug]}", body)
        else:
            server.api.post(path, body)


def _permission(permission: Object) -> Object:
    conditions: Object = {}
    if environments := permission.get("environments"):
        conditions["environment"] = {"$in": environments}
    if paths := permission.get("paths"):
        conditions["secretPath"] = {"$glob": paths[0]} if len(paths) == 1 else {"$in": paths}
    body: Object = {"subject": permission["subject"], "action": permission["actions"]}
    return {**body, "conditions": conditions} if conditions else body


def _approvals(server: Server, project: str, approvals: list[Object]) -> None:
    path = "/api/v1/secret-approvals"
    there = {each["name"]: each["id"] for each in server.api.get(path, projectId=project)["approvals"]}
    for each in approvals:
        name = f"infisical-platform {each['environment']}:{each['path']}"
        approvers = [{"type": "user", "username": address} for address in each["approvers"]]
        common = {"name": name, "approvals": each["required"], "approvers": approvers, "secretPath": each["path"]}
        if name in there:
            server.api.patch(f"{path}/{there[name]}", common)
        else:
            place = {"projectId": project, "workspaceId": project, "environment": each["environment"]}
            server.api.post(path, {**common, **place, "enforcementLevel": "hard"})
