"""Passwords that a stack gives, or has generated."""

from __future__ import annotations

from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_random import RandomPassword


def password(name: str, given: Input[str] | None, rotation: int, *, parent: Resource) -> Output[str]:
    """The given password, else one that is generated anew when `rotation` changes. Secret.

    Letters and digits: no character that a URI, a shell or a configuration file could read otherwise. Not protected,
    since that would forbid the replacement; what was made with a password is.
    """
    if given is not None:
        return Output.secret(given)
    # None for the first one: a stack which has never rotated keeps what it has.
    keepers = {"rotation": str(rotation)} if rotation > 1 else None
    opts = ResourceOptions(parent=parent)
    return RandomPassword(name, length=32, special=False, keepers=keepers, opts=opts).result
