"""Accounts that Infisical itself uses at GitHub and AWS."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.machinery.types import AwsAccessKeyId, Line, Section
from settings.machinery.variables import Variable


class GitHubApp(Section):
    """The GitHub App for app connections. Set its secrets too: githubAppClientSecret and githubAppPrivateKey."""

    client_id: Annotated[Line, Variable("INF_APP_CONNECTION_GITHUB_APP_CLIENT_ID")] = Field(
        description="Client id of the App."
    )
    slug: Annotated[Line, Variable("INF_APP_CONNECTION_GITHUB_APP_SLUG")] = Field(
        description="Name of the App as its address on GitHub has it."
    )
    id: Annotated[int, Variable("INF_APP_CONNECTION_GITHUB_APP_ID")] = Field(ge=1, description="Number of the App.")


class Aws(Section):
    """The IAM user that assumes roles for app connections. Set its secret too: awsSecretAccessKey."""

    access_key_id: Annotated[AwsAccessKeyId, Variable("INF_APP_CONNECTION_AWS_ACCESS_KEY_ID")] = Field(
        description="Id of the access key. It begins with AKIA."
    )


class IntegrationSettings(Section):
    """Accounts at other services. A value that is set in Infisical's admin panel takes precedence."""

    github_app: GitHubApp | None = None
    aws: Aws | None = None
