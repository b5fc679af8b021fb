"""What a Job logs in to Redis with: the keys of its Secret, and the variables that its script reads."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi import Input
from pulumi_kubernetes import core

from components.base.pod import SecretKey

PASSWORD, SENTINEL_PASSWORD, CA = "password", "sentinel-password", "ca.crt"
_VARIABLES = {PASSWORD: "REDIS_PASSWORD", SENTINEL_PASSWORD: "SENTINEL_PASSWORD"}


def redis_variables(secret: core.v1.Secret, login: Mapping[str, Input[str]]) -> dict[str, Input[str] | SecretKey]:
    """Return the variables with the passwords that the Secret of this `login` has."""
    keys = (key for key in _VARIABLES if key in login)
    return {_VARIABLES[key]: SecretKey(secret=secret.metadata.name, key=key) for key in keys}
