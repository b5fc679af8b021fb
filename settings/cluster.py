"""Where the platform runs, and whether its data may be deleted."""

from __future__ import annotations

from pydantic import Field

from settings.machinery.types import Image, Section


class ClusterSettings(Section):
    """The cluster that a stack is deployed to."""

    context: str | None = Field(
        default=None,
        min_length=1,
        description="Context of the kubeconfig. Set this. Otherwise `pulumi up` uses kubectl's current context.",
    )
    kubeconfig: str | None = Field(
        default=None,
        min_length=1,
        description="Path of the kubeconfig. It is written into the state, so every machine that updates the stack "
        "needs the file at this path. Prefer to set KUBECONFIG. Default: KUBECONFIG, then "
        "~/.kube/config.",
    )
    protect: bool = Field(
        default=True,
        description="Refuse to delete what holds data: namespaces, database, Redis, keys. Set it to false only where "
        "the data has no value.",
    )


class JobSettings(Section):
    """Images of the Jobs that check and connect the parts."""

    python_image: Image = Field(
        default="docker.io/library/python:3.13-slim",
        description="Image with Python 3.11 or newer. The Jobs need nothing but its standard library. Add @sha256:… "
        "to pin it, because a tag can be moved.",
    )
    postgres_image: Image = Field(
        default="docker.io/library/postgres:15",
        description="Image with psql. The gate uses it to log in as Infisical does. Add @sha256:… to pin it, because "
        "a tag can be moved.",
    )
