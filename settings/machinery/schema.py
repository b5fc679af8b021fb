"""What the settings are made of: sections, keys, and the variable that a setting becomes. No stack is needed for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import get_args

from pydantic.fields import FieldInfo

from settings.machinery.types import Section
from settings.machinery.variables import Variable
from settings.settings import Settings


@cache
def setting_by_variable() -> Mapping[str, str]:
    """Return the key of the setting that each variable comes from: {"SMTP_HOST": "mail.host"}."""
    return {variable.name: ".".join(path) for path, _, variable in fields(Settings) if variable}


def fields(
    section: type[Section], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo, Variable | None]]:
    """Yield every setting of a section and its subsections: its path in the stack file, its field, its variable."""
    for key, field in section.by_key().items():
        path = (*above, key)
        yield path, field, variable_of(field)
        for part in sections_in(field):
            yield from fields(part, path)


def sections_in(field: FieldInfo) -> list[type[Section]]:
    """Return the sections that a field may hold. A choice has several."""
    pending, found = [field.annotation], list[type[Section]]()
    while pending:
        annotation = pending.pop(0)
        if isinstance(annotation, type) and issubclass(annotation, Section):
            found.append(annotation)
        pending += get_args(annotation)
    return found


def variable_of(field: FieldInfo) -> Variable | None:
    """Return the variable that a setting becomes, or None when it becomes none by itself."""
    return next((item for item in field.metadata if isinstance(item, Variable)), None)
