"""What the stack asks of Infisical for each application, and how what the stack made is told from what people made."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from job import ConfigError

Place = tuple[str, str, str]  # environment, folder, name of a secret

# The comment of a secret says who keeps it. People read it in the web UI, so it goes on in words.
STACK = "infisical-platform:stack"
PEOPLE = "infisical-platform:people"
ENCODED = f"{STACK} base64"
_STACK_SAYS = f"{STACK} - the stack keeps this value and puts it back when it is changed here"
_ENCODED_SAYS = f"{ENCODED} - the stack keeps this value, which is delivered decoded, and puts it back"
_PEOPLE_SAYS = f"{PEOPLE} - this value is yours: the stack never changes it"


@dataclass(frozen=True)
class Secret:
    """A secret that the stack asks for. Without `value`, its people write the first one."""

    place: Place
    owner: Literal["stack", "people"]
    value: str | None = None  # as Infisical stores it
    encoded: bool = False
    name: str = ""  # by which the stack knows its value
    generated: bool = False

    @property
    def comment(self) -> str:
        """Return what its comment says."""
        if self.owner == "people":
            return _PEOPLE_SAYS
        return _ENCODED_SAYS if self.encoded else _STACK_SAYS


@dataclass(frozen=True)
class Application:
    """A project of Infisical, and what is in it."""

    name: str
    slug: str
    environments: dict[str, str] = field(default_factory=dict[str, str])  # slug to name
    people: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])  # address to roles
    secrets: tuple[Secret, ...] = ()
    removed: tuple[Place, ...] = ()
    retired: bool = False
    licensed: dict[str, Any] = field(default_factory=dict[str, Any])  # roles, groups, approvals


def application_of(document: dict[str, Any], folder: str) -> Application:
    """Return the application of a document. `folder` has the values as files."""
    try:
        secrets = tuple(_secret(each, folder) for each in document["secrets"])
        people = {address.lower(): tuple(roles) for address, roles in document["people"].items()}
        removed = tuple((environment, path, key) for environment, path, key in document["removed"])
        plain = {key: document[key] for key in ("name", "slug", "environments", "retired", "licensed")}
        return Application(**plain, people=people, secrets=secrets, removed=removed)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ConfigError(f"the wish of {document.get('name')}: {type(error).__name__}: {error}") from None


def _secret(document: dict[str, Any], folder: str) -> Secret:
    environment, path, key = document["place"]
    value, encoded = None, bool(document.get("encoded"))
    file = str(document.get("file", ""))
    if file:
        content = Path(folder, file).read_bytes()
        value = base64.b64encode(content).decode() if encoded else content.decode()
    generated = bool(document.get("generated"))
    return Secret((environment, path, key), document["owner"], value, encoded, file, generated)


def shown(place: Place) -> str:
    """Return a secret's place as people write it."""
    environment, path, key = place
    return f"{environment}:{path.rstrip('/')}/{key}"
