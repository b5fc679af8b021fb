"""Passwords that a stack gives, or has generated."""

from __future__ import annotations

from pulumi import Output, Resource, ResourceOptions
from pulumi_random import RandomPassword
from pydantic import SecretStr


def password(name: str, given: SecretStr | None, rotation: int, *, parent: Resource) -> Output[str]:
    """Return the given password, or one that is generated anew when `rotation` changes. Secret.

    Letters and digits: no character that a URI, a shell or a configuration file could read otherwise. Not protected,
    since that would forbid the replacement; what was made with a password is.
    """
    if given is not None:
        return Output.secret(given.get_secret_value())
    # None for the first one: a stack that has never rotated keeps what it has.
    keepers = {"rotation": str(rotation)} if rotation > 1 else None
    opts = ResourceOptions(parent=parent)
    return RandomPassword(name, length=32, special=False, keepers=keepers, opts=opts).result
