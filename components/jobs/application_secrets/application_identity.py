"""Give each application's operator a machine identity: one project to read, one account that may log in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from application_server import Server, membership_roles
from application_wish import Application
from identity_secret import IdentitySecret
from infisical_api import ApiError
from job import Failed
from kube import Api

Object = dict[str, Any]

LAG_SECONDS = 10.0  # how far a replica that is read from may be behind what was written
_HOST = "https://kubernetes.default.svc"
_TTL_SECONDS = 3600
_STACK, _APPLICATION = "infisical-platform", "infisical-platform-application"  # metadata of an identity: whose it is
_DESCRIPTION = "infisical-platform"  # of the client secrets that are the stack's


@dataclass(frozen=True)
class Operator:
    """Where the operator's accounts and their identities are, and how they log in."""

    namespace: str
    organization: str
    marker: str
    auth: Literal["kubernetes", "universal"]
    authority: str  # file with the cluster's authority


def give(application: Application, project: str, server: Server, kube: Api, operator: Operator) -> bool:
    """Give an application's operator its identity, and return whether anything was changed."""
    kept = IdentitySecret(kube, operator.namespace, application.name)
    identity, changed = _identity(application, project, kept, server, operator)
    if operator.auth == "kubernetes":
        changed |= _kubernetes(application, identity, server, operator)
        changed |= _forget_universal(identity, kept, server)
    else:
        changed |= _rotate(identity, kept, server)
    return changed | _viewer(project, identity, server)


def take(application: Application, server: Server, organization: str, marker: str) -> None:
    """Delete the identity of an application that is retired, so that nothing can log in as it.

    It says whose it is, because the project's slug and its own name may have changed. One of before has its name alone.
    """
    for each in server.api.get("/api/v1/identities", orgId=organization)["identities"]:
        identity = each["identity"]["id"]
        marks = _marks(server, identity)
        whose = marks.get(_APPLICATION, application.name if each["identity"]["name"] == _name(application.slug) else "")
        if marks.get(_STACK) == marker and whose == application.name:
            server.api.delete(f"/api/v1/identities/{identity}")


def _identity(
    application: Application, project: str, kept: IdentitySecret, server: Server, operator: Operator
) -> tuple[str, bool]:
    """Return the application's identity, which is kept then, and whether anything was changed."""
    if known := _known(kept, server):
        return known, _mark(application, known, server, operator)
    identity, made = _found_or_made(application, project, kept, server, operator)
    # Before anybody can log in as it: what is found later with a way in, and not kept, is not taken for the stack's.
    return identity, kept.write({"identityId": identity}) or made


def _found_or_made(
    application: Application, project: str, kept: IdentitySecret, server: Server, operator: Operator
) -> tuple[str, bool]:
    """Return an identity, and whether it was made. A run that was killed may have made it."""
    made_before = _unkept(application, project, server, operator)
    if known := _known(kept, server) or next(iter(made_before), ""):
        return known, False
    wish = {"name": _name(application.slug), "organizationId": operator.organization, "role": "no-access"}
    made = server.api.post("/api/v1/identities", {**wish, **_marked(application, operator)})["identity"]["id"]
    # Names are not unique: a second run at the same time may have made one just before, which both then take.
    first = _first(made, lambda: _unkept(application, project, server, operator), lambda: _known(kept, server))
    if first != made:
        server.api.delete(f"/api/v1/identities/{made}")
    return first, True


def _marked(application: Application, operator: Operator) -> Object:
    wish = {_STACK: operator.marker, _APPLICATION: application.name}
    return {"metadata": [{"key": key, "value": value} for key, value in wish.items()]}


def _mark(application: Application, identity: str, server: Server, operator: Operator) -> bool:
    """Have an identity that is kept say whose it is, and return whether it did not before."""
    wish = _marked(application, operator)
    marks = _marks(server, identity)
    if all(marks.get(each["key"]) == each["value"] for each in wish["metadata"]):
        return False
    server.api.patch(f"/api/v1/identities/{identity}", wish)
    return True


def _first(made: str, unkept: Callable[[], list[str]], known: Callable[[], str]) -> str:
    """Return the oldest identity of an application, once the one that was made is listed, or will not be soon."""
    end = time.monotonic() + LAG_SECONDS
    while True:
        listed = unkept()
        if kept := known():  # asked after they were listed: a second run keeps one before it attaches a way in
            return kept
        if made in listed or time.monotonic() > end:
            return listed[0] if listed else made
        time.sleep(0.2)


def _known(kept: IdentitySecret, server: Server) -> str:
    """Return the identity that is kept, where there still is one."""
    known = kept.read().get("identityId", "")
    return known if known and _exists(server, known) else ""


def _unkept(application: Application, project: str, server: Server, operator: Operator) -> list[str]:
    """Return the identities that a run may have made for an application and not kept."""
    made = _made(application.slug, server, operator.organization, operator.marker)
    return [each for each in made if _harmless(server, project, each)]


def _harmless(server: Server, project: str, identity: str) -> bool:
    """Return whether an identity that nobody has kept may be taken for the stack's.

    Whoever may edit identities can give one any name and metadata. So nobody may be able to log in as it, or it has to
    be in the project already, where it then gets nothing new.
    """
    try:
        found: Object = server.api.get(f"/api/v1/identities/{identity}")["identity"]
        return found["identity"].get("authMethods") == [] or _membership(project, identity, server) is not None
    except ApiError as error:
        if error.status != 404:  # gone since it was listed, or not to be read yet
            raise
        return False


def _name(slug: str) -> str:
    return f"{slug}-operator"


def _made(slug: str, server: Server, organization: str, marker: str) -> list[str]:
    """Return the identities that the stack made for an application, the oldest first. Others may be called the same."""
    listed: list[Object] = server.api.get("/api/v1/identities", orgId=organization)["identities"]
    named = [each for each in listed if each["identity"]["name"] == _name(slug)]
    named.sort(key=lambda each: (str(each.get("createdAt") or ""), each["identity"]["id"]))
    return [each["identity"]["id"] for each in named if _marks(server, each["identity"]["id"]).get(_STACK) == marker]


def _exists(server: Server, identity: str) -> bool:
    try:
        server.api.get(f"/api/v1/identities/{identity}")
    except ApiError as error:
        if error.status in (400, 404, 422):
            return False
        raise
    return True


def _marks(server: Server, identity: str) -> dict[str, str]:
    """Return an identity's metadata."""
    try:
        metadata: list[Object] = server.api.get(f"/api/v1/identities/{identity}")["identity"].get("metadata") or []
    except ApiError as error:
        if error.status != 404:  # gone since it was listed, or not to be read yet
            raise
        return {}
    return {str(each["key"]): str(each.get("value") or "") for each in metadata}


def _attached(server: Server, method: str, identity: str) -> Object | None:
    key = {"kubernetes-auth": "identityKubernetesAuth", "universal-auth": "identityUniversalAuth"}[method]
    try:
        return server.api.get(f"/api/v1/auth/{method}/identities/{identity}")[key]
    except ApiError as error:
        if error.status in (400, 404):
            return None
        raise


def _kubernetes(application: Application, identity: str, server: Server, operator: Operator) -> bool:
    wish = {
        "kubernetesHost": _HOST,
        "caCert": Path(operator.authority).read_text(),
        "allowedNamespaces": operator.namespace,
        "allowedNames": f"infisical-{application.name}",
        "allowedAudience": "",
        "accessTokenTTL": _TTL_SECONDS,
        "accessTokenMaxTTL": _TTL_SECONDS,
    }
    there = _attached(server, "kubernetes-auth", identity)
    target = f"/api/v1/auth/kubernetes-auth/identities/{identity}"
    try:
        if there is None:
            server.api.post(target, wish)
        elif any(_text(there.get(key)) != _text(value) for key, value in wish.items()):
            # As a whole: Infisical takes a lifetime that is left out for the longest one of before, and refuses it.
            server.api.patch(target, wish)
        else:
            return False
    except ApiError as error:
        if "Local IPs" not in error.message:
            raise
        raise Failed(
            f"{error}. Infisical may not ask the cluster who logs in. Set infisical.allowInternalIpConnections to true "
            "or organization.machineAuth to universal"
        ) from error
    return True


def _text(value: object) -> str:
    return str(value or "").strip()


def _forget_universal(identity: str, kept: IdentitySecret, server: Server) -> bool:
    """End the way in of before, whose secret has no end, and return whether there was one."""
    attached = _attached(server, "universal-auth", identity) is not None
    if attached:
        server.api.delete(f"/api/v1/auth/universal-auth/identities/{identity}")
    return kept.forget("clientId", "clientSecret") or attached


def _rotate(identity: str, kept: IdentitySecret, server: Server) -> bool:
    """Have a client secret that is kept and works, and none of the stack's beside it. Return whether it was made."""
    if not kept.write(_universal(identity, kept.read(), server)):
        return False
    value, target = kept.read()["clientSecret"], f"/api/v1/auth/universal-auth/identities/{identity}/client-secrets"
    for each in server.api.get(target)["clientSecretData"]:
        ours = each.get("description") == _DESCRIPTION and not each.get("isClientSecretRevoked")
        if ours and not value.startswith(each["clientSecretPrefix"]):
            server.api.post(f"{target}/{each['id']}/revoke", idempotent=True)
    return True


def _universal(identity: str, known: dict[str, str], server: Server) -> dict[str, str]:
    target = f"/api/v1/auth/universal-auth/identities/{identity}"
    there = _attached(server, "universal-auth", identity)
    if there is None:
        lifetimes = {"accessTokenTTL": _TTL_SECONDS, "accessTokenMaxTTL": _TTL_SECONDS}
        there = server.api.post(target, lifetimes)["identityUniversalAuth"]
    client = str(there["clientId"])
    kept = known.get("clientSecret", "")
    if kept and known.get("clientId") == client and _in_force(server, target, kept):
        return {"clientId": client, "clientSecret": kept}
    made = server.api.post(f"{target}/client-secrets", {"description": _DESCRIPTION})
    return {"clientId": client, "clientSecret": str(made["clientSecret"])}


def _in_force(server: Server, target: str, secret: str) -> bool:
    """Return whether Infisical still takes a client secret. A log-in may not tell: failed ones lock it for minutes."""
    listed: list[Object] = server.api.get(f"{target}/client-secrets")["clientSecretData"]
    return any(secret.startswith(each["clientSecretPrefix"]) for each in listed if not each["isClientSecretRevoked"])


def _membership(project: str, identity: str, server: Server) -> Object | None:
    try:
        return server.api.get(f"{server.identities(project)}/{identity}")["identityMembership"]
    except ApiError as error:
        if error.status not in (400, 404):
            raise
        return None


def _viewer(project: str, identity: str, server: Server) -> bool:
    target = f"{server.identities(project)}/{identity}"
    there = _membership(project, identity, server)
    if there is None:
        server.api.post(target, {"roles": membership_roles("viewer")})
        return True
    if [role["role"] for role in there["roles"]] == ["viewer"]:
        return False
    server.api.patch(target, {"roles": membership_roles("viewer")})
    return True
