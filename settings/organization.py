"""The first organisation, its first admin, and how the stack itself logs in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.machinery.types import Email, Line, Minutes, Section


class OrganizationSettings(Section):
    """The first organisation. Once it is there, the site is opened, and nobody can sign up.

    Without this section, whoever opens a fresh site first owns it.
    """

    name: Annotated[Line, Field(max_length=64)] = Field(
        description="Name of the organisation. Once it is made, people may rename it, and a different name here "
        "changes nothing."
    )
    admin: Email = Field(
        description="E-mail address of the first admin, who logs in with adminPassword. A different one changes "
        "nothing once the instance is set up."
    )
    machine_auth: Literal["kubernetes", "universal"] = Field(
        default="kubernetes",
        description="How the stack logs in to Infisical. `kubernetes` keeps no secret: Infisical asks the API server "
        "who a pod is. For that it gets ALLOW_INTERNAL_IP_CONNECTIONS, so app connections that members set up may name "
        "private addresses too; networkPolicies still limit what they reach. `universal` does without, by a client "
        "secret that is kept in the cluster.",
    )
    deadline_minutes: Minutes = Field(
        default=4,
        description="Minutes until the organisation is there and the stack's own log-in works. One of them passes in "
        "any case, because servers cache for so long that sign-up was open.",
    )
