"""Where the platform runs, and whether its data may be deleted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from settings.affinity import Affinity
from settings.machinery.types import Cpu, Image, KubeconfigPath, Memory, NamePrefix, Section, StackId
from settings.names import Names
from settings.resources import requests_fit_limits, require_memory


class ClusterSettings(Section):
    """The cluster that a stack is deployed to."""

    context: str | None = Field(
        default=None,
        min_length=1,
        description="Context of the kubeconfig. Set this. Otherwise `pulumi up` uses kubectl's current context.",
    )
    kubeconfig: KubeconfigPath | None = Field(
        default=None,
        description="Path of the kubeconfig. It is written into the state, so every machine that updates the stack "
        "needs the file at this path. Prefer to set KUBECONFIG. Default: KUBECONFIG, then "
        "~/.kube/config.",
    )
    name_prefix: NamePrefix | None = Field(
        default=None,
        description="Beginning of the names of the stack's namespaces, and of all else that a cluster has only one of. "
        "It lets several stacks share a cluster: with `blue`, Infisical runs in blue-infisical. Choose it before the "
        "first `up`, because a namespace can't be renamed. Default: none.",
    )
    stack_id: StackId | None = Field(
        default=None,
        description="The id of the stack whose place this one takes, because its state is lost, or its backup is "
        "restored here. Namespaces, projects in Infisical and delivered Secrets carry it. Keep it from then on. "
        "Default: an id of its own, generated once.",
    )
    protect: bool = Field(
        default=True,
        description="Refuse to delete what holds data: namespaces, database, Redis, keys. Set it to false only where "
        "the data has no value.",
    )

    @property
    def names(self) -> Names:
        """Return what the stack has in the cluster by name."""
        return Names(self.name_prefix or "")


class JobSettings(Section):
    """Images, resources and patience of the Jobs that check and connect the parts."""

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
    cpu_request: Cpu = Field(default="10m", description="CPU that each Job requests from its node.")
    cpu_limit: Cpu | None = Field(
        default=None,
        description="CPU limit of each Job. Default: none, so that it is done soon. A quota for limits needs one.",
    )
    memory_request: Memory = Field(default="32Mi", description="Memory that each Job requests from its node.")
    memory_limit: Memory = Field(
        default="512Mi",
        description="Memory limit of each Job but those with a setting of their own: the migration, and what backs up "
        "and restores.",
    )
    start_minutes: Annotated[int, Field(ge=1, le=60)] = Field(
        default=5,
        description="Minutes that the pod of a Job may take to start: until a node is there, and the image is pulled. "
        "They don't count against the patience of its script.",
    )

    applications_minutes: Annotated[int, Field(ge=2, le=55)] = Field(
        default=10,
        description="Minutes until Infisical has what the section `applications` asks for. It limits requests a "
        "minute, so thousands of secrets take longer. The Job's log-in ends after an hour.",
    )
    affinity: Affinity | None = Field(
        default=None, description="Nodes and neighbours of the Jobs' pods, in Kubernetes' own words."
    )

    _requests_fit_limits = model_validator(mode="after")(requests_fit_limits)

    @model_validator(mode="after")
    def _memory_suffices(self) -> JobSettings:
        require_memory(self.memory_limit, "64Mi", "Python needs it to verify certificates")
        return self
