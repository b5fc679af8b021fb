"""Constrained types of what applications are called, in Infisical and in the cluster."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.machinery.types import matching

# Upstream's slugSchema: what slugify leaves as it is. A project's slug has 5 to 36 characters.
_SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"
PROJECT_SLUG_LENGTH = (5, 36)

ApplicationName = Annotated[
    str,
    Field(max_length=PROJECT_SLUG_LENGTH[1]),
    matching(
        r"[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "Use a-z, 0-9 and single '-', and begin with a letter. It names a project of Infisical and Kubernetes objects",
    ),
]
ProjectSlug = Annotated[
    str,
    Field(min_length=PROJECT_SLUG_LENGTH[0], max_length=PROJECT_SLUG_LENGTH[1]),
    matching(_SLUG, "Use a-z, 0-9 and single '-'. Infisical takes 5 to 36 of them as a project's slug"),
]
EnvironmentSlug = Annotated[
    str,
    Field(max_length=64),
    matching(_SLUG, "Use a-z, 0-9 and single '-', as Infisical does for an environment's slug"),
]
RoleSlug = Annotated[
    str, Field(max_length=64), matching(_SLUG, "Use a-z, 0-9 and single '-', as Infisical does for a role's slug")
]
# Below the twentieth level Infisical's recursive lists end without a word ("circuit break", generatePaths).
FolderPath = Annotated[
    str,
    Field(max_length=500),
    matching(
        r"/|(/[A-Za-z0-9_-]+){1,19}",
        "Write a folder from the root on, as in / or /worker/queue, at most 19 levels deep. "
        "Infisical takes letters, digits, '-' and '_'",
    ),
]
# What a key of a Kubernetes Secret may be: Infisical's own rule (no blank, ':' or '/') is wider.
SecretName = Annotated[
    str,
    Field(max_length=253),
    matching(
        r"(?!\.$)(?!\.\.)[-._A-Za-z0-9]+",
        "Use letters, digits, '-', '_' and '.'. A key of a Kubernetes Secret has nothing else",
    ),
]
ConfigKey = Annotated[
    str,
    Field(max_length=100),
    matching(r"[A-Za-z][A-Za-z0-9_-]*", "Write the name of an encrypted key of the stack, as in shopDatabaseUrl"),
]
