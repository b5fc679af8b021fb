"""Constrained types of a stack's settings: each says what is allowed and, when it is not, why."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A subject of a stack: plain data, camelCase in the stack file, unknown keys refused, values never echoed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )


def _matching(pattern: str, reason: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(reason)
        return value

    return AfterValidator(check)


def _site_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give the whole address, as in https://secrets.example.org")
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError("give scheme, host and port alone: Infisical appends its own paths, so no trailing slash")
    return value


DnsLabel = Annotated[
    str,
    Field(max_length=63),
    _matching(r"[a-z]([-a-z0-9]*[a-z0-9])?", "use a-z, 0-9 and '-', a letter first: it names a Kubernetes object"),
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    _matching(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", "use a-z, 0-9, '-' and '.': it names a Kubernetes object"),
]
Cpu = Annotated[
    str,
    _matching(r"\d+m|\d+(\.\d{1,3})?", 'write cores as a string, "500m" or "1.5": both operators refuse a number'),
]
Memory = Annotated[
    str,
    _matching(r"\d+(\.\d+)?[KMGTPE]i?", 'write bytes with a unit, as "512Mi" (a lower-case k is no unit here)'),
]
Image = Annotated[
    str,
    _matching(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", "not an image reference"),
    _matching(r".*(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", "pin a tag (not latest) or a digest"),
]
Cron = Annotated[str, _matching(r"(\S+\s+){4}\S+", 'five fields, as "*/15 * * * *"')]
Email = Annotated[str, _matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "not an e-mail address")]
SiteUrl = Annotated[str, AfterValidator(_site_url)]
