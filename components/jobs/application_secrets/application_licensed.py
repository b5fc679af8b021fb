"""Make what only a licence of Infisical allows: roles, groups, and folders whose changes people have to approve."""

import json
from dataclasses import dataclass
from typing import Any

from application_server import Server, membership_roles, role_of
from application_turn import MANAGER, noted
from application_wish import Application
from infisical_api import ApiError
from job import Failed, Pending
from kube import Api

Object = dict[str, Any]

_POLICIES = "/api/v1/secret-approvals"
_BYPASS = "bypassForMachineIdentities"  # PR 7540; a server of before drops it, and its policies bind people alone


@dataclass(frozen=True)
class Kept:
    """The ids of the policies that the stack made, by their places, in a ConfigMap: Infisical lists them to people."""

    kube: Api
    config_map: str

    def read(self) -> dict[str, str]:
        """Return what is kept."""
        [policies] = noted(self.kube, self.config_map, "policies")
        return policies

    def add(self, place: str, policy: str) -> None:
        """Write one down."""
        data = {"policies": json.dumps({**self.read(), place: policy}, sort_keys=True)}
        self.kube.merge_patch(self.config_map, {"data": data}, field_manager=MANAGER)


def make_roles(application: Application, project: str, server: Server) -> None:
    """Make the roles of a project. Whoever is invited with one of them is refused before."""
    path, wish = f"/api/v1/projects/{project}/roles", application.licensed.get("roles", {})
    there = {each["slug"]: each["id"] for each in server.api.get(path)["roles"]} if wish else {}
    for slug, role in wish.items():
        body = {"slug": slug, "name": role["name"], "permissions": [_permission(each) for each in role["permissions"]]}
        if slug in there:
            server.api.patch(f"{path}/{there[slug]}", body)
        else:
            server.api.post(path, body)


def let_through(application: Application, server: Server, kept: Kept) -> None:
    """Have the stack's own policies not bind the stack. One from before asks for consent to what is written next."""
    approvals: list[Object] = application.licensed.get("approvals", [])
    known = kept.read() if approvals else {}
    for each in approvals:
        policy = known.get(_place(application, each), "")
        there = _policy(server, policy) if policy else None
        if there and not there.get(_BYPASS, True):
            server.api.patch(f"{_POLICIES}/{policy}", _asked(each))


def licensed(application: Application, project: str, server: Server, kept: Kept) -> None:
    """Make what is missing. What is there already is brought to what the stack says; nothing is taken away."""
    if groups := application.licensed.get("groups"):
        _groups(server, project, groups)
    approvals: list[Object] = application.licensed.get("approvals", [])
    known = kept.read() if approvals else {}
    for each in approvals:
        place = _place(application, each)
        if made := _approval(server, project, each, known.get(place, "")):
            kept.add(place, made)


def _permission(permission: Object) -> Object:
    conditions: Object = {}
    if environments := permission.get("environments"):
        conditions["environment"] = {"$in": environments}
    if paths := permission.get("paths"):
        conditions["secretPath"] = {"$glob": paths[0]} if len(paths) == 1 else {"$in": paths}
    body: Object = {"subject": permission["subject"], "action": permission["actions"]}
    return {**body, "conditions": conditions} if conditions else body


def _groups(server: Server, project: str, wish: dict[str, list[str]]) -> None:
    listed: Any = server.api.get("/api/v1/groups")  # the one answer that is a list, with no name around it
    known = {each["slug"]: each["id"] for each in listed}
    wanted: dict[str, list[str]] = {}
    for role, slugs in wish.items():
        for slug in slugs:
            wanted.setdefault(slug, []).append(role)
    if unknown := sorted(wanted.keys() - known.keys()):
        there = ", ".join(sorted(known)) or "none"
        raise Failed(f"the organisation has no group with the slug {', '.join(unknown)}. It has {there}")
    path = f"/api/v1/projects/{project}/groups"
    members = {each["group"]["id"]: each["roles"] for each in server.api.get(path)["groupMemberships"]}
    for slug, roles in wanted.items():
        group, body = known[slug], {"roles": membership_roles(*roles)}
        if group not in members:  # a second time is refused
            server.api.post(f"{path}/{group}", body)
        elif {role_of(each) for each in members[group]} != {*roles}:
            server.api.patch(f"{path}/{group}", body)


def _place(application: Application, approval: Object) -> str:
    return f"{application.slug}/{approval['environment']}:{approval['path']}"


def _asked(approval: Object) -> Object:
    """Return the body of a policy. Servers since August 2026 have it bind machines, unless told not to."""
    return {
        "name": f"infisical-platform {approval['environment']}:{approval['path']}",
        "approvals": approval["required"],
        "approvers": [{"type": "user", "username": address} for address in approval["approvers"]],
        "secretPath": approval["path"],
        _BYPASS: True,
    }


def _approval(server: Server, project: str, wish: Object, policy: str) -> str:
    """Return the id of the policy that was made, because there was none by the id `policy`; "" where there was."""
    environment, body = wish["environment"], _asked(wish)
    there = _policy(server, policy) if policy else None
    if there is None:
        where = {"projectId": project, "workspaceId": project, "environment": environment}  # the second until 2025
        return _made(server, {**body, **where})
    if _says(there) != _says(body):
        server.api.patch(f"{_POLICIES}/{policy}", body)
    return ""


def _policy(server: Server, policy: str) -> Object | None:
    try:
        found = server.api.get(f"{_POLICIES}/{policy}")["approval"]
    except ApiError as error:
        if error.status != 404:
            raise
        return None
    return None if found.get("deletedAt") else found  # one that was deleted is found, and changed without any effect


def _says(policy: Object) -> tuple[str, int, set[str], bool]:
    who = {str(each.get("username")) for each in policy["approvers"]}
    return policy["secretPath"], policy["approvals"], who, bool(policy.get(_BYPASS, True))


def _made(server: Server, body: Object) -> str:
    try:
        return str(server.api.post(_POLICIES, {**body, "enforcementLevel": "hard"})["approval"]["id"])
    except ApiError as error:
        if "already exists" not in error.message:
            raise
        # Infisical shows it to nobody but people, so it can't be known here, and is not taken for the stack's.
        raise Pending(
            f"{body['environment']}:{body['secretPath']} is guarded by a policy that the stack does not know. Delete "
            "it in the web UI, so that the stack makes its own, or take the folder out of `approvals`"
        ) from error
