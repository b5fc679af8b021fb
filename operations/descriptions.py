"""Read what settings say of themselves, for the files that are made from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_origin

from pydantic.fields import FieldInfo

from settings import Settings
from settings.machinery.schema import sections_in
from settings.machinery.types import Section
from settings.secrets import SECRETS


def by_key() -> Mapping[str, FieldInfo]:
    """Return the top-level keys, first the sections and then the encrypted ones."""
    return dict(sorted(Settings.by_key().items(), key=lambda item: item[0] in SECRETS))


def about(field: FieldInfo) -> str:
    """Return what the section of a top-level key says of itself, and what the field adds."""
    return sentences(*(section.__doc__ for section in sections(field)), field.description)


def sentences(*texts: str | None) -> str:
    """Return the texts as sentences: each begins with a capital and ends with a full stop."""
    found = [re.sub(r"\s+", " ", text).strip() for text in texts if text]
    found = [text[0].upper() + text[1:] if re.match(r"[a-z]+[ ,:](?!/)", text) else text for text in found]
    return " ".join(text if text.endswith(".") else f"{text}." for text in found)


def sections(field: FieldInfo) -> list[type[Section]]:
    """Return the sections that the field holds itself, not in a list."""
    return [] if get_origin(field.annotation) is tuple else sections_in(field)
