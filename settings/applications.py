"""What applications get of Infisical: a project each, its secrets, and the people who may see them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    SecretStr,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from settings.delivery import Delivery
from settings.machinery.application_types import (
    PROJECT_SLUG_LENGTH,
    ConfigKey,
    EnvironmentSlug,
    FolderPath,
    ProjectSlug,
    RoleSlug,
    SecretName,
)
from settings.machinery.forms import as_written
from settings.machinery.stored_value import is_kept
from settings.machinery.types import Email, Line, Section

CANARY = "operator-canary"  # the stack's own application, which proves the operator
BUILT_IN_ROLES = frozenset({"admin", "member", "viewer", "no-access"})
_Person = Annotated[Email, AfterValidator(str.lower)]  # as Infisical has its users
_KINDS = "Write text in quotes, {from: KEY}, {generate: LENGTH} or {owner: people}"


class Encrypted(Section):
    """A value that the stack holds encrypted, as a key of its own at the top."""

    key: ConfigKey = Field(alias="from", description="Encrypted key of the stack that has the value.")
    encoding: Literal["text", "base64"] = Field(
        default="text", description="Whether the key holds the value itself, or its bytes in base64."
    )
    _value: SecretStr | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _take_the_value(self, info: ValidationInfo) -> Encrypted:
        known: Mapping[str, SecretStr] = info.context or {}
        self._value = known.get(self.key)
        return self

    @property
    def bytes(self) -> bytes:
        """Return the value. Raises ValueError, which doesn't repeat it."""
        text = self._value.get_secret_value() if self._value else ""
        if self.encoding == "text":
            return text.encode()  # UnicodeEncodeError is a ValueError
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            raise ValueError("it isn't base64, which applications say that it is") from None


class Generated(Section):
    """A value that is generated once and kept in the stack's state."""

    generate: Annotated[int, Field(ge=16, le=256, description="Length of the value. It has letters and digits alone.")]


class _Text:
    """Let text be a value, and a number that arrives as it was written. Of others, no digit is to be trusted."""

    @staticmethod
    def check(value: object) -> object:
        if not isinstance(value, str | int | float):
            raise ValueError(_KINDS)
        if value == "":
            raise ValueError("write at least one character, because an empty value is delivered as a missing one")
        return as_written(value)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "minLength": 1}


_Plain = Annotated[str, BeforeValidator(_Text.check), _Text()]


def _kind(value: Any) -> str:
    if isinstance(value, Section):
        return f"<{type(value).__name__}>"
    if not isinstance(value, Mapping):
        return "<text>"
    return next((kind for key, kind in _BY_KEY.items() if key in value), "")


_BY_KEY = {"owner": "<PeopleOwned>", "from": "<Encrypted>", "generate": "<Generated>"}
_choice = Discriminator(_kind, custom_error_type="value_kind", custom_error_message=_KINDS)
Initial = Annotated[
    Annotated[_Plain, Tag("<text>")]
    | Annotated[Encrypted, Tag("<Encrypted>")]
    | Annotated[Generated, Tag("<Generated>")],
    _choice,
]


class PeopleOwned(Section):
    """A value that people keep in Infisical. The stack never changes it once it is there."""

    owner: Literal["people"]
    initial: Initial | None = Field(
        default=None, description="The value that it begins with. Otherwise its people write the first one too."
    )
    encoding: Literal["text", "base64"] = Field(
        default="text",
        description="Whether people write the value itself, or its bytes in base64, which the delivery decodes. "
        "Infisical doesn't keep blanks around a value, ${ or bytes, so `make migrate-secrets` moves those in base64.",
    )

    @model_validator(mode="after")
    def _bytes_begin_with_people(self) -> PeopleOwned:
        if self.encoding == "base64" and self.initial is not None:
            raise ValueError("leave initial out: the value is bytes in base64, which people write first")
        return self


Value = Annotated[
    Annotated[_Plain, Tag("<text>")]
    | Annotated[Encrypted, Tag("<Encrypted>")]
    | Annotated[Generated, Tag("<Generated>")]
    | Annotated[PeopleOwned, Tag("<PeopleOwned>")],
    _choice,
]


class Permission(Section):
    """What a role may do with one kind of thing."""

    subject: Line = Field(description="What it is about, in Infisical's words: secrets, secret-folders, …")
    actions: tuple[Line, ...] = Field(min_length=1, description="What is allowed: read, create, edit, delete, …")
    environments: tuple[EnvironmentSlug, ...] = Field(default=(), description="Environments. Default: all.")
    paths: tuple[Line, ...] = Field(default=(), description="Folders, in which * and ** stand for any. Default: all.")


class Role(Section):
    """A role of the project. It needs a licence of Infisical."""

    name: Line
    permissions: tuple[Permission, ...] = Field(min_length=1)


class Approval(Section):
    """A folder in which a change needs the consent of people. It needs a licence of Infisical."""

    environment: EnvironmentSlug
    path: FolderPath = "/"
    approvers: tuple[_Person, ...] = Field(min_length=1, description="People who may consent.")
    required: Annotated[int, Field(ge=1, description="How many of them have to.")] = 1


class ApplicationSettings(Section):
    """A project of Infisical for each application by name, kept equal to what stands here.

    docs/applications.md is for the people who own one.
    """

    project: ProjectSlug | None = Field(
        default=None,
        description="Slug of the project. Default: the application's name, with -app behind a name of fewer than 5 "
        "characters, because Infisical takes no shorter slug.",
    )
    environments: dict[EnvironmentSlug, Line] = Field(
        default={}, description="Environments, each with the name that people see. At least one is needed."
    )
    people: dict[RoleSlug, tuple[_Person, ...]] = Field(
        default={},
        description="Who may see the project in the web UI, by role: admin, member, viewer or no-access.",
    )
    secrets: dict[EnvironmentSlug, dict[FolderPath, dict[SecretName, Value]]] = Field(
        default={},
        description="Secrets by environment and folder. A value is text, {from: an encrypted key of the stack}, "
        "{generate: length} or {owner: people}.",
    )
    deliver: tuple[Delivery, ...] = ()
    removed: dict[EnvironmentSlug, dict[FolderPath, tuple[SecretName, ...]]] = Field(
        default={},
        description="Secrets that are to be deleted in Infisical. It happens only to those that the stack made.",
    )
    retired: bool = Field(
        default=False,
        description="End the application. The project is deleted if the stack made it. What was delivered stays in "
        "the cluster as it is where cluster.protect is true, and goes elsewhere.",
    )
    roles: dict[RoleSlug, Role] = Field(default={}, description="Roles beside Infisical's own, with a licence alone.")
    groups: dict[RoleSlug, tuple[Line, ...]] = Field(
        default={}, description="Slugs of groups of the organisation, by role. With a licence alone."
    )
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A secret of an application, with its place."""

    environment: str
    path: str
    key: str
    value: str | Encrypted | Generated | PeopleOwned

    @property
    def source(self) -> str | Encrypted | Generated | None:
        """Return where the first value comes from. None when people write it."""
        return self.value.initial if isinstance(self.value, PeopleOwned) else self.value

    @property
    def encoded(self) -> bool:
        """Return whether it is stored in base64, so that whoever delivers it has to decode it."""
        match self.value:
            case str():
                return not is_kept(self.value)
            case Encrypted():
                return self.value.encoding == "base64" or not is_kept(self.value.bytes.decode())
            case PeopleOwned():
                return self.value.encoding == "base64"
            case Generated():
                return False


def secrets_of(application: ApplicationSettings) -> Iterator[Named]:
    """Yield every secret of an application."""
    for environment, folders in application.secrets.items():
        for path, values in folders.items():
            for key, value in values.items():
                yield Named(environment=environment, path=path, key=key, value=value)


def project_slug(name: str, application: ApplicationSettings) -> str:
    """Return the slug of an application's project."""
    return application.project or (name if len(name) >= PROJECT_SLUG_LENGTH[0] else f"{name}-app")
