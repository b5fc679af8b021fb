"""Say what a container requests from its node and what it may use, and refuse what Kubernetes would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from settings.machinery.broken_rule import broken_rule
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


_SizedT = TypeVar("_SizedT", bound=Sized)
_EXCEEDING: Mapping[str, str] = {
    "cpuRequest": "it must not be more than cpuLimit, because Kubernetes refuses such a pod",
    "memoryRequest": "it must not be more than memoryLimit, because Kubernetes refuses such a pod",
}


def resources_of(sized: Sized) -> dict[str, dict[str, str]]:
    """Return the `resources` of a container, without what isn't said."""
    wanted = {
        "requests": {"cpu": sized.cpu_request, "memory": sized.memory_request},
        "limits": {"cpu": sized.cpu_limit, "memory": sized.memory_limit},
    }
    given = {kind: {name: value for name, value in amounts.items() if value} for kind, amounts in wanted.items()}
    return {kind: amounts for kind, amounts in given.items() if amounts}


def requests_fit_limits(sized: _SizedT) -> _SizedT:
    """Refuse a pod that requests more than it may use. A validator of sections."""
    if key := _exceeding(sized):
        raise broken_rule(key, _EXCEEDING[key])
    return sized


def refuse_exceeding(sized: Sized, *, of: str) -> None:
    """Refuse it of a part `of` a section, of which the section says what the part leaves out."""
    if key := _exceeding(sized):
        raise broken_rule((of, key), _EXCEEDING[key])


def _exceeding(sized: Sized) -> str | None:
    if sized.cpu_request and sized.cpu_limit and cores_of(sized.cpu_request) > cores_of(sized.cpu_limit):
        return "cpuRequest"
    if sized.memory_request and sized.memory_limit and bytes_of(sized.memory_request) > bytes_of(sized.memory_limit):
        return "memoryRequest"
    return None


def require_memory(limit: str, least: str, reason: str) -> None:
    """Refuse a memoryLimit below what a container needs to do its work at all."""
    if bytes_of(limit) < bytes_of(least):
        raise broken_rule("memoryLimit", f"set at least {least}. {reason}")
