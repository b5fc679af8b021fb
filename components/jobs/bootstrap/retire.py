"""Retire the token of the bootstrap, which has no end and may do everything."""

import base64
import json

from infisical_api import ApiError, InfisicalApi
from job import Failed
from precious import PreciousSecret

_NAME = "Instance Admin Identity"  # upstream's
_GONE = (400, 401, 403, 404)
_NOT_REVOKED = (
    "the bootstrap token is NOT revoked: only an instance admin may. Log in as one, and take Token Auth from machine "
    f"identity {_NAME} in the organisation's access control"
)


def retire(actor: InfisicalApi, provisioner: InfisicalApi, organization: str, kept: PreciousSecret) -> str:
    """Revoke the token once the provisioner is proven, see that it is dead, and forget it. Return what is now so."""
    held = kept.read()
    token = held.get("token")
    if not token:
        # What this stack has not asked for is somebody's, and is left alone.
        return _retire_lost(actor, provisioner, organization) if "asked" in held else "there is no bootstrap token"
    claims = claims_of(token)
    holder = actor.with_token(token)
    # Its last acts: newer releases let only an instance admin touch the authentication of one. A token that is refused
    # for its age alone may be taken again one day; then the actor is a session of the admin.
    for client in (holder, actor):
        _withdraw(client, claims["identityId"])
        _unless_gone(client, "POST", f"/api/v1/auth/token-auth/tokens/{claims['identityAccessTokenId']}/revoke")
    detached = _detach(provisioner, claims["identityId"])
    if _lives(holder):
        raise Failed("the bootstrap token still works after it was revoked")
    kept.write({"token": None})
    return "the bootstrap token is revoked" if detached else _NOT_REVOKED


def _retire_lost(actor: InfisicalApi, provisioner: InfisicalApi, organization: str) -> str:
    """Take the way in of the bootstrap's identity away, where its token was made and never kept."""
    for each in provisioner.get("/api/v1/identities", orgId=organization)["identities"]:
        identity = each["identity"]
        if identity["name"] == _NAME and "token-auth" in identity.get("authMethods", ["token-auth"]):
            _withdraw(actor, identity["id"])
            return "the bootstrap token is revoked" if _detach(actor, identity["id"]) else _NOT_REVOKED
    return "there is no bootstrap token"


def _withdraw(client: InfisicalApi, identity: str) -> None:
    """Make an identity no instance admin. Releases of early 2025 lack the route."""
    _unless_gone(client, "DELETE", f"/api/v1/admin/identity-management/identities/{identity}/super-admin-access")


def _detach(client: InfisicalApi, identity: str) -> bool:
    """Take the way in of an identity away. Return whether it has none now: newer releases may forbid it."""
    return _unless_gone(client, "DELETE", f"/api/v1/auth/token-auth/identities/{identity}")


def _unless_gone(client: InfisicalApi, method: str, path: str) -> bool:
    """Send it where there is still something to be done. Return False where that is forbidden."""
    try:
        client.send(method, path, {} if method == "POST" else None, idempotent=True)
    except ApiError as error:
        if error.status not in _GONE:
            raise
        return error.status not in (401, 403)
    return True


def _lives(holder: InfisicalApi) -> bool:
    try:
        holder.get("/api/v1/identities/details")
    except ApiError as error:
        if error.status not in (401, 403):
            raise
        return False
    return True


def claims_of(token: str) -> dict[str, str]:
    """Return what a token says of itself. It is not verified: the server does that."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
