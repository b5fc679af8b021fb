"""Constrained types of a stack's settings. Each says what it allows, and why it refuses the rest."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, SecretStr
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from settings.machinery import cron


class Section(BaseModel):
    """Base of all sections. Keys are camelCase in the stack file, unknown keys are refused, no error shows a value."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel,
        coerce_numbers_to_str=True,  # `pulumi config set --path` turns "2" into a number
        defer_build=True,  # builds each validator once, when the whole of the settings is built
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """Return the fields by the names that they have in the stack file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


@dataclass(frozen=True, slots=True)
class Form(AfterValidator):
    """A check of a text, with the reason that the user reads when the text fails it."""

    reason: str
    pattern: str = ""  # the check for editors (ECMA 262), as far as a pattern can express it
    media_type: str = ""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        form = {"pattern": self.pattern, "patternErrorMessage": self.reason} if self.pattern else {}
        media = {"contentMediaType": self.media_type} if self.media_type else {}
        return {**handler(schema), **form, **media}


def matching(pattern: str, reason: str) -> Form:
    """Return the check that a text matches a pattern as a whole."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):  # compiled at first use
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^({pattern})$")


def _secretly(form: Form) -> Form:
    """Return the form for a secret. Its check must keep the value out of its error; editors see no value to check."""
    check = cast("Callable[[str], object]", form.func)

    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return Form(checked, form.reason, media_type=form.media_type)


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_LABEL}(\.{_LABEL})*"
# DNS has at most 63 characters between two dots. Names of Kubernetes objects may have more.
_HOST_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_LOWER_HOST = rf"{_HOST_LABEL}(\.{_HOST_LABEL})*"
_HOST = _LOWER_HOST.replace("a-z", "A-Za-z")
_HOST_LENGTH = 253


# A host whose last label is a number is an address to every browser, and to Kubernetes.
_NO_ADDRESS = r"(?!([A-Za-z0-9-]+\.)*[0-9]+(:|$))"


def _origin(schemes: str, example: str, *, named: bool = False) -> Form:
    pattern = rf"({schemes})://{_NO_ADDRESS if named else ''}{_HOST}(:[0-9]{{1,5}})?"
    reason = (
        f"Write scheme, host name and port alone, as in {example}, because Infisical appends its own paths. DNS has at "
        "most 63 characters between two dots"
    )
    if named:
        reason += ". An IP address can't be used, because neither an Ingress nor its certificate can be made for one"

    def check(value: str) -> str:
        host, _, port = value.partition("://")[2].partition(":")
        if not re.fullmatch(pattern, value) or len(host) > _HOST_LENGTH or (port and not 0 < int(port) < 65536):
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^{pattern}$")


PEM = "application/x-pem-file"


def _pem(label: str) -> Form:
    reason = "Write the PEM with its line breaks, from -----BEGIN to -----END. Infisical can't read it on one line"
    block = re.compile(
        rf"-----BEGIN (?P<label>{label})-----\n(?P<body>([A-Za-z0-9+/=]{{1,76}}\n)+)-----END (?P=label)-----\n*",
        re.ASCII,
    )

    def check(value: str) -> str:
        text, end = value.replace("\r\n", "\n").strip() + "\n", 0
        while match := block.match(text, end):
            _decoded(match["body"].replace("\n", ""))
            end = match.end()
        if not text.strip() or end != len(text):
            raise ValueError(reason)
        return value

    return Form(check, reason, media_type=PEM)


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Write it in base64") from None


def _base64_of(length: int) -> Form:
    reason = f"Write {length} bytes in base64, as `openssl rand -base64 {length}` prints them"

    def check(value: str) -> str:
        if len(_decoded(value)) != length:
            raise ValueError(reason)
        return value

    return Form(check, reason)


def _secret_matching(pattern: str, reason: str) -> Form:
    return _secretly(matching(pattern, reason))


# Control characters, and what JavaScript's trim() removes.
_BLANK = r"\x00-\x20\x7f\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

# As the distribution project's reference grammar has it: a registry alone may be in capitals.
_REGISTRY = r"(localhost(:\d+)?|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?|[A-Za-z0-9-]+:\d+)"
_PATH = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"

DnsLabel = Annotated[
    str,
    Field(max_length=63),
    matching(
        r"[a-z]([-a-z0-9]*[a-z0-9])?", "Use a-z, 0-9 and '-', and begin with a letter. It names a Kubernetes object"
    ),
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    matching(_DNS_NAME, "Use a-z, 0-9, '-' and '.'. It names a Kubernetes object"),
]
CertificateName = Annotated[
    str,
    Field(max_length=_HOST_LENGTH),
    matching(_LOWER_HOST, "Write a DNS name in lower case, with at most 63 characters between two dots"),
]
HostName = Annotated[
    str,
    Field(max_length=_HOST_LENGTH),
    matching(
        _HOST, "Write a host name alone, without scheme, port or path, with at most 63 characters between two dots"
    ),
]
Cpu = Annotated[
    str,
    matching(
        r"(?!0+(\.0+)?m?$)(\d+m|\d+(\.\d{1,3})?)",
        'Write more than 0 cores as a string, "500m" or "1.5". Both operators refuse a number',
    ),
]
Memory = Annotated[
    str,
    matching(
        r"(?!0+(\.0+)?[KMGTPE])\d+(\.\d+)?[KMGTPE]i?",
        'Write more than 0 bytes with a unit, as in "512Mi". A lower-case k is not accepted as a unit',
    ),
]
Image = Annotated[
    str,
    matching(
        rf"({_REGISTRY}/)?{_PATH}(/{_PATH})*(:\w[\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?",
        "Write it as registry/name:tag. The name is in lower case, because no node can pull it otherwise",
    ),
    matching(r".*(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", "Pin a tag (not latest) or a digest"),
]
Digest = Annotated[str, matching(r"sha256:[0-9a-f]{64}", "Write sha256: and 64 hexadecimal digits")]
ChartVersion = Annotated[
    str, matching(r"\d+\.\d+\.\d+", "Write one exact version, as in 1.10.0. A range would not pin the chart")
]
OperatorVersion = Annotated[
    str,
    matching(r"v\d+\.\d+\.\d+", "Write one exact version with its v, as in v0.11.5. A range would not pin the chart"),
]
ChartRepository = Annotated[
    str, matching(r"(https|oci)://[!-~]+", "Write the whole address. It begins with https:// or oci://")
]
Hours = Annotated[
    str, matching(r"[1-9][0-9]{0,5}h", 'Write whole hours, as in "2160h". cert-manager has no longer unit of time')
]
Cron = Annotated[str, Form(cron.checked, cron.FIELDS)]
Email = Annotated[
    str, matching(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+", "Write it as name@host.domain")
]
SiteUrl = Annotated[str, _origin("https", "https://secrets.example.org", named=True)]
Origin = Annotated[str, _origin("https?", "https://app.example.org")]
CertificatePem = Annotated[str, _pem("CERTIFICATE")]
Line = Annotated[
    str,
    matching(
        rf"[^{_BLANK}]([^\x00-\x1f\x7f]*[^{_BLANK}])?",
        "Write one line of text without control characters and without space around it. Infisical treats a value of "
        "blanks as not set",
    ),
]
VariableName = Annotated[
    str,
    matching(
        r"[A-Z_][A-Z0-9_]*",
        "Write the variable's name in capitals, digits and '_'. Infisical reads no variable with a different name",
    ),
]
OrganizationSlug = Annotated[
    str,
    matching(r"[a-z0-9]+(-[a-z0-9]+)*", "Use a-z, 0-9 and '-'. Write the organisation's slug, not its name"),
]
AwsAccessKeyId = Annotated[
    str,
    matching(r"[A-Z0-9]{16,128}", "Write 16 to 128 capitals and digits. This is the id of the key, not its secret"),
]
KeyLabel = Annotated[
    str,
    matching(r"[0-9a-f]{32}", "Write the label of the key, 32 hexadecimal digits, as the refused change prints it"),
]

SecretLine = Annotated[
    SecretStr,
    _secret_matching(
        r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", "Write one line of printable ASCII without space around it"
    ),
]
Password = Annotated[
    SecretStr,
    _secret_matching(
        r"(?!md5[0-9a-f]{32}\Z)[A-Za-z0-9]{16,128}",  # the operator would take md5… for a hash that it need not make
        "Use 16 to 128 letters and digits, because the password passes through URIs, files and the operators' shells. "
        "It must not look like an md5 hash",
    ),
]
EncryptionKey = Annotated[
    SecretStr,
    # What upstream takes, for keys that move in: its 32 bytes are the AES-256 key, whoever made them.
    _secret_matching(
        r"[\x21-\x7e][\x20-\x7e]{30}[\x21-\x7e]",
        "Write exactly 32 printable ASCII characters, as `openssl rand -hex 16` prints them. They are the AES-256 key",
    ),
]
Base64Key = Annotated[SecretStr, _secretly(_base64_of(32))]
SigningKey = Annotated[
    SecretStr,
    _secret_matching(
        r"[\x21-\x7e]{32,}", "Use at least 32 printable characters. Whoever guesses this key can forge sessions"
    ),
]
PrivateKeyPem = Annotated[SecretStr, _secretly(_pem("(RSA )?PRIVATE KEY"))]


def bytes_of(memory: str) -> float:
    """Return the bytes of a Memory: "1.5Gi" is 1610612736."""
    match = re.fullmatch(r"(?P<number>[\d.]+)(?P<unit>[KMGTPE])(?P<binary>i?)", memory)
    assert match, memory
    return float(match["number"]) * (1024 if match["binary"] else 1000) ** ("KMGTPE".index(match["unit"]) + 1)


def cores_of(cpu: str) -> float:
    """Return the cores of a Cpu: "500m" is 0.5."""
    return float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
