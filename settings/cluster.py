"""Where the platform goes, and what happens to its data when the stack goes."""

from __future__ import annotations

from pydantic import Field

from settings.machinery.types import Image, Section


class ClusterSettings(Section):
    """The cluster of a stack."""

    context: str | None = Field(
        default=None,
        min_length=1,
        description="Context of the kubeconfig. Name it: without, `up` goes wherever kubectl points at that moment.",
    )
    kubeconfig: str | None = Field(
        default=None, min_length=1, description="Path of the kubeconfig. Default: KUBECONFIG, then ~/.kube/config."
    )
    protect: bool = Field(
        default=True,
        description="Refuse to delete data (namespaces, database, Redis, keys). Turn off only where data is worthless.",
    )


class JobSettings(Section):
    """Images of the Jobs which check and connect the parts."""

    python_image: Image = Field(
        default="docker.io/library/python:3.13-slim",
        description="Python 3.11 or newer; nothing but its own library. Add @sha256:… to pin it: a tag may be moved.",
    )
    postgres_image: Image = Field(
        default="docker.io/library/postgres:15",
        description="Has psql, which logs in as Infisical will. Add @sha256:… to pin it: a tag may be moved.",
    )
