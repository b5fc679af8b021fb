"""Say what a container requests from its node and what it may use, and refuse what Kubernetes would refuse."""

from __future__ import annotations

from typing import Protocol

from settings.machinery.types import bytes_of, cores_of


class Sized(Protocol):
    """A section of settings that sizes pods. What is None is left to the operator or chart, or has no limit."""

    @property
    def cpu_request(self) -> str | None:
        """Return the CPU that a pod requests from its node."""
        ...

    @property
    def cpu_limit(self) -> str | None:
        """Return the CPU that it may use."""
        ...

    @property
    def memory_request(self) -> str | None:
        """Return the memory that it requests."""
        ...

    @property
    def memory_limit(self) -> str | None:
        """Return the memory that it may use."""
        ...


def resources_of(sized: Sized) -> dict[str, dict[str, str]]:
    """Return the `resources` of a container, without what isn't said."""
    wanted = {
        "requests": {"cpu": sized.cpu_request, "memory": sized.memory_request},
        "limits": {"cpu": sized.cpu_limit, "memory": sized.memory_limit},
    }
    given = {kind: {name: value for name, value in amounts.items() if value} for kind, amounts in wanted.items()}
    return {kind: amounts for kind, amounts in given.items() if amounts}


def refuse_what_does_not_fit(sized: Sized) -> None:
    """Raise ValueError where a pod requests more than it may use."""
    if sized.cpu_request and sized.cpu_limit and cores_of(sized.cpu_request) > cores_of(sized.cpu_limit):
        raise ValueError("cpuRequest: it must not be more than cpuLimit, because Kubernetes refuses such a pod")
    if sized.memory_request and sized.memory_limit and bytes_of(sized.memory_request) > bytes_of(sized.memory_limit):
        raise ValueError("memoryRequest: it must not be more than memoryLimit, because Kubernetes refuses such a pod")
