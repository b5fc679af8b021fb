"""Types that components pass to each other. They say where something is, never what it contains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.base.ports import POSTGRES_PORT


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRef:
    """A Secret of the cluster, by name."""

    namespace: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A TLS server of the database: its full DNS name, which its certificate has to carry."""

    host: str
    role: Literal["primary", "replica", "pooler"]
    port: int = POSTGRES_PORT
