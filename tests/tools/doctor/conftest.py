"""Names that resolve, and those that don't."""

from __future__ import annotations

import socket
from typing import Any

import pytest


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What resolves, to which address."""
    known: dict[str, str] = {}

    def resolve(host: str, _port: int) -> list[tuple[Any, ...]]:
        if host not in known:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known
