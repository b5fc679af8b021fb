"""How Infisical reads a value: JSON, numbers, base64, PEM."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Environment = Mapping[str, str]
Violations = Iterator[tuple[str, str]]  # variable, what happens


def number_of(environment: Environment, name: str, default: int) -> int:
    value = environment.get(name, "")
    return int(value) if re.fullmatch(r"[0-9]{1,15}", value, re.ASCII) else default


def json_of(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_no_json)
    except ValueError:
        return None


def _no_json(constant: str) -> Any:
    raise ValueError(constant)


def decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def is_pem(value: bytes | None) -> bool:
    lines = (value or b"").replace(b"\r\n", b"\n").strip().split(b"\n")
    return len(lines) > 2 and lines[0].startswith(b"-----BEGIN ") and lines[-1].startswith(b"-----END ")


def is_origin(value: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", value) is not None
