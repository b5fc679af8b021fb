"""Accounts with which Infisical itself reaches GitHub and AWS."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.machinery.types import AwsAccessKeyId, Line, Section
from settings.machinery.variables import Variable


class GitHubApp(Section):
    """The GitHub App behind app connections; secrets: githubAppClientSecret, githubAppPrivateKey. All five or none."""

    client_id: Annotated[Line, Variable("INF_APP_CONNECTION_GITHUB_APP_CLIENT_ID")]
    slug: Annotated[Line, Variable("INF_APP_CONNECTION_GITHUB_APP_SLUG")]
    id: Annotated[int, Variable("INF_APP_CONNECTION_GITHUB_APP_ID")] = Field(ge=1, description="The App's number.")


class Aws(Section):
    """The IAM user which assumes roles for app connections; its secret is awsSecretAccessKey."""

    access_key_id: Annotated[AwsAccessKeyId, Variable("INF_APP_CONNECTION_AWS_ACCESS_KEY_ID")] = Field(
        description="Twenty capitals and digits, beginning with AKIA."
    )


class IntegrationSettings(Section):
    """Connections to other services. What the admin panel says wins over these."""

    github_app: GitHubApp | None = None
    aws: Aws | None = None
