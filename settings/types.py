"""Constrained types of a stack's settings: each says what is allowed and, when it is not, why."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A subject of a stack: plain data, camelCase in the stack file, unknown keys refused, values never echoed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel,
        coerce_numbers_to_str=True,  # `pulumi config set --path` makes a number of "2"
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )


def _matching(pattern: str, reason: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(reason)
        return value

    return AfterValidator(check)


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_LABEL}(\.{_LABEL})*"


def _site_url(value: str) -> str:
    match = re.fullmatch(rf"https?://(?i:{_DNS_NAME})(:(?P<port>[0-9]{{1,5}}))?", value)
    if not match or not 0 < int(match["port"] or 443) < 65536:
        raise ValueError(
            "give scheme, host name and port alone, as in https://secrets.example.org: Infisical appends its own paths"
        )
    return value


DnsLabel = Annotated[
    str,
    Field(max_length=63),
    _matching(r"[a-z]([-a-z0-9]*[a-z0-9])?", "use a-z, 0-9 and '-', a letter first: it names a Kubernetes object"),
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    _matching(_DNS_NAME, "use a-z, 0-9, '-' and '.': it names a Kubernetes object"),
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
