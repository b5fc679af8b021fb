"""Take passwords from a stack, or generate them."""

from __future__ import annotations

from pulumi import Output, Resource, ResourceOptions
from pulumi_random import RandomPassword
from pydantic import SecretStr


def password(name: str, given: SecretStr | None, rotation: int, *, parent: Resource) -> Output[str]:
    """Return the given password, or a generated one that is replaced when `rotation` changes. Secret.

    It has only letters and digits, which a URI, a shell and a configuration file all take as they are. Protection would
    forbid its replacement, so it has none; what was made with the password is protected.
    """
    if given is not None:
        return Output.secret(given.get_secret_value())
    # None for the first one: a stack that has never rotated keeps what it has.
    keepers = {"rotation": str(rotation)} if rotation > 1 else None
    opts = ResourceOptions(parent=parent)
    return RandomPassword(name, length=32, special=False, keepers=keepers, opts=opts).result
