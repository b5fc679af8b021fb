"""What the small Infisical of `fake_instance` stores."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass
class State:
    """What is stored, and what kind of release it is."""

    initialized: bool = False
    allow_sign_up: bool = True
    stale_reads: int = 0  # answers for which sign-up still seems open after it was closed
    user: Body | None = None
    organization: Body | None = None
    identities: dict[str, Body] = field(default_factory=dict[str, Body])
    instance_admins: set[str] = field(default_factory=set[str])
    tokens: dict[str, str] = field(default_factory=dict[str, str])  # token to identity, "" for the admin's session
    kubernetes: dict[str, Body] = field(default_factory=dict[str, Body])
    universal: dict[str, Body] = field(default_factory=dict[str, Body])
    keeps_password: bool = True
    takes_first_token: bool = True  # some releases take it for one that is too old
    config_by_identity: bool = True
    allows_internal: bool = True
    admin_is_admin: bool = True  # of the organisation
    default_role_changes: bool = True
    dies_half_way: bool = False  # in the middle of the bootstrap


def new_organization(name: str) -> Body:
    """Return an organisation as upstream makes it."""
    return {"id": str(uuid.uuid4()), "name": name, "defaultMembershipRole": "member"}
