"""How users log in, besides e-mail and password."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.machinery.types import Line, OrganizationSlug, Section
from settings.machinery.variables import Variable


class GitHubSignOn(Section):
    """An OAuth app of GitHub with the callback `<siteUrl>/api/v1/sso/github`. Set githubLoginClientSecret too."""

    client_id: Annotated[Line, Variable("CLIENT_ID_GITHUB_LOGIN")] = Field(description="Client id of the app.")


class SamlSignOn(Section):
    """The organisation whose identity provider everybody logs in with."""

    default_organization: OrganizationSlug = Field(
        description="Slug of the organisation, as its settings show it. The slug of one that was made at bootstrap "
        "ends in a random suffix.",
    )
    configured: bool = Field(
        default=False,
        description="Set it to true once the organisation exists and its SAML works. From then on the login page "
        "always leads to its identity provider. If you set it too early, nobody can log in, not even to set SAML up.",
    )


class SignOnSettings(Section):
    """Single sign-on through GitHub or SAML."""

    github: GitHubSignOn | None = None
    saml: SamlSignOn | None = None
