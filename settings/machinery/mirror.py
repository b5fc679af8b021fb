"""Pull the images that a stack does not name itself from a mirror of the public registries."""

from __future__ import annotations

from typing import TypeVar

from settings.machinery.types import IMAGE, Section

S = TypeVar("S", bound=Section)


def mirrored(section: S, registry: str) -> S:
    """Return the section with every default image, at any depth, pulled from `registry`. An image that is set stays."""
    changed: dict[str, object] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            changed[name] = mirrored(value, registry)
        elif isinstance(value, str) and IMAGE in field.metadata and name not in section.model_fields_set:
            changed[name] = f"{registry}/{_path(value)}"
    return section.model_copy(update=changed)


def _path(image: str) -> str:
    """Return an image without its registry: the first part, where that is a host."""
    host, _, path = image.partition("/")
    return path if path and ("." in host or ":" in host or host == "localhost") else image
