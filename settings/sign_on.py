"""How users sign on besides e-mail and password."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.machinery.types import Line, OrganizationSlug, Section
from settings.machinery.variables import Variable


class GitHubSignOn(Section):
    """An OAuth app of GitHub, callback `<siteUrl>/api/v1/sso/github`. Its secret is githubLoginClientSecret."""

    client_id: Annotated[Line, Variable("CLIENT_ID_GITHUB_LOGIN")]


class SamlSignOn(Section):
    """The organisation whose identity provider everybody is sent to."""

    default_organization: OrganizationSlug = Field(
        description="Slug as the organisation's settings show it: one made at bootstrap ends in a random suffix.",
    )
    configured: bool = Field(
        default=False,
        description="Say true once that organisation exists and its SAML works. From then on every visit of the login "
        "page is redirected to its identity provider: too early, and nobody can log in, not even to set SAML up.",
    )


class SignOnSettings(Section):
    """Single sign-on."""

    github: GitHubSignOn | None = None
    saml: SamlSignOn | None = None
