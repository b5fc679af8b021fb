"""Give people who are invited no role in the organisation.

Since January 2026 a server gives whoever is invited to a project the organisation's default role, too
(Infisical/infisical#5112). In a new organisation that is `member`, who makes projects and identities, and could log in
as any identity before July 2026. Only a person may change it, so the admin does.
"""

from infisical_api import InfisicalApi
from job import Failed

_NO_ACCESS = "no-access"


def give_no_access(admin: InfisicalApi, organization: str) -> None:
    """Make `no-access` the organisation's default role. Raises ApiError, and Failed where the server keeps another."""
    wish = {"defaultMembershipRoleSlug": _NO_ACCESS}
    kept = admin.patch(f"/api/v1/organization/{organization}", wish)["organization"]
    role = kept.get("defaultMembershipRole", _NO_ACCESS)  # images that don't show it invite without access
    if role != _NO_ACCESS:
        raise Failed(f"Infisical leaves the organisation's default role at {role}, and whoever is invited would get it")
