"""Constrained types of a stack's settings: each says what is allowed and, when it is not, why."""

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


class Section(BaseModel):
    """A subject of a stack: plain data, camelCase in the stack file, unknown keys refused, values never echoed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel,
        coerce_numbers_to_str=True,  # `pulumi config set --path` makes a number of "2"
        defer_build=True,  # each validator once, with the whole of the settings
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """The fields by the names which they have in the stack file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


@dataclass(frozen=True, slots=True)
class Form(AfterValidator):
    """Annotates text with the check it passes, and with the reason that is given when it does not."""

    reason: str
    pattern: str = ""  # the same for editors (ECMA 262), as far as a pattern can say it
    media_type: str = ""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        form = {"pattern": self.pattern, "patternErrorMessage": self.reason} if self.pattern else {}
        media = {"contentMediaType": self.media_type} if self.media_type else {}
        return {**handler(schema), **form, **media}


def _matching(pattern: str, reason: str) -> Form:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):  # compiled at first use
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^({pattern})$")


def _secretly(form: Form) -> Form:
    """The same of a secret: the check must not put the value into its error, and an editor sees none to check."""
    check = cast("Callable[[str], object]", form.func)

    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return Form(checked, form.reason, media_type=form.media_type)


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_LABEL}(\.{_LABEL})*"
_HOST = _DNS_NAME.replace("a-z", "A-Za-z")


# A host whose last label is a number is an address to every browser, and to Kubernetes.
_NO_ADDRESS = r"(?!([A-Za-z0-9-]+\.)*[0-9]+(:|$))"


def _origin(schemes: str, example: str, *, named: bool = False) -> Form:
    pattern = rf"({schemes})://{_NO_ADDRESS if named else ''}{_HOST}(:[0-9]{{1,5}})?"
    reason = f"give scheme, host name and port alone, as in {example}: Infisical appends its own paths"
    if named:
        reason += ", and neither an Ingress nor its certificate is made for an IP address"

    def check(value: str) -> str:
        match = re.fullmatch(pattern, value)
        port = value.rpartition(":")[2]
        if not match or (port.isdecimal() and not 0 < int(port) < 65536):
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^{pattern}$")


_CRON = 'five fields, as in "*/15 * * * *": minute, hour, day, month, weekday'
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def _cron(value: str) -> str:
    fields = value.split(" ")
    if len(fields) != len(_CRON_RANGES):
        raise ValueError(_CRON)
    for field, (low, high) in zip(fields, _CRON_RANGES, strict=True):
        for part in field.split(","):
            match = re.fullmatch(r"(\*|(?P<from>\d{1,2})(-(?P<to>\d{1,2}))?)(/(?P<step>\d{1,2}))?", part, re.ASCII)
            if not match:
                raise ValueError("each field is *, a number, a range or a list of them, with /step if need be")
            bounds = [int(match[name]) for name in ("from", "to") if match[name]]
            if any(not low <= bound <= high for bound in bounds) or bounds != sorted(bounds) or match["step"] == "0":
                raise ValueError(
                    "a field is out of its range: minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7"
                )
    return value


PEM = "application/x-pem-file"


def _pem(label: str) -> Form:
    reason = "give the PEM with its line breaks, from -----BEGIN to -----END: on one line it is not read"
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
        raise ValueError("not base64") from None


def _base64_of(length: int) -> Form:
    reason = f"give {length} bytes in base64: openssl rand -base64 {length}"

    def check(value: str) -> str:
        if len(_decoded(value)) != length:
            raise ValueError(reason)
        return value

    return Form(check, reason)


def _secret_matching(pattern: str, reason: str) -> Form:
    return _secretly(_matching(pattern, reason))


# What JavaScript's trim() takes away, and control characters.
_BLANK = r"\x00-\x20\x7f\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

DnsLabel = Annotated[
    str,
    Field(max_length=63),
    _matching(r"[a-z]([-a-z0-9]*[a-z0-9])?", "use a-z, 0-9 and '-', a letter first: it names a Kubernetes object"),
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    _matching(_DNS_NAME, "use a-z, 0-9, '-' and '.': it names a Kubernetes object"),
]
HostName = Annotated[str, Field(max_length=253), _matching(_HOST, "a host name alone, without scheme, port or path")]
Cpu = Annotated[
    str,
    _matching(r"\d+m|\d+(\.\d{1,3})?", 'write cores as a string, "500m" or "1.5": both operators refuse a number'),
]
Memory = Annotated[
    str,
    _matching(
        r"(?!0+(\.0+)?[KMGTPE])\d+(\.\d+)?[KMGTPE]i?",
        'write bytes with a unit, as "512Mi" (a lower-case k is no unit here), and more than none',
    ),
]
Image = Annotated[
    str,
    _matching(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", "write it as registry/name:tag"),
    _matching(r".*(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", "pin a tag (not latest) or a digest"),
]
Digest = Annotated[str, _matching(r"sha256:[0-9a-f]{64}", "write sha256: and 64 hexadecimal digits")]
ChartVersion = Annotated[str, _matching(r"\d+\.\d+\.\d+", "an exact version, as in 1.10.0: a range is no pin")]
ChartRepository = Annotated[
    str, _matching(r"(https|oci)://[!-~]+", "write the whole address, which begins with https:// or oci://")
]
Hours = Annotated[
    str, _matching(r"[1-9][0-9]{0,5}h", 'whole hours, as in "2160h": cert-manager knows no longer unit of time')
]
Cron = Annotated[str, Form(_cron, _CRON)]
Email = Annotated[
    str, _matching(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+", "write it as name@host.domain")
]
SiteUrl = Annotated[str, _origin("https", "https://secrets.example.org", named=True)]
Origin = Annotated[str, _origin("https?", "https://app.example.org")]
CertificatePem = Annotated[str, _pem("CERTIFICATE")]
Line = Annotated[
    str,
    _matching(
        rf"[^{_BLANK}]([^\x00-\x1f\x7f]*[^{_BLANK}])?",
        "one line of text without control characters, no space around it: Infisical takes blanks for nothing",
    ),
]
VariableName = Annotated[
    str,
    _matching(r"[A-Z_][A-Z0-9_]*", "a variable's name is written in capitals, digits and '_', as Infisical reads it"),
]
OrganizationSlug = Annotated[
    str, _matching(r"[a-z0-9]+(-[a-z0-9]+)*", "a-z, 0-9 and '-': the slug, not the organisation's name")
]
AwsAccessKeyId = Annotated[
    str, _matching(r"[A-Z0-9]{16,128}", "16 to 128 capitals and digits: the key's id, not its secret")
]
KeyLabel = Annotated[
    str, _matching(r"[0-9a-f]{32}", "give the label of the key: 32 hexadecimal digits, as the refused change prints it")
]

SecretLine = Annotated[
    SecretStr,
    _secret_matching(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", "one line of printable ASCII, no space around it"),
]
Password = Annotated[
    SecretStr,
    _secret_matching(
        r"(?!md5[0-9a-f]{32}\Z)[A-Za-z0-9]{16,128}",  # the operator would take md5… for a hash that it need not make
        "16 to 128 letters and digits, no md5 hash: it passes through URIs, files and the operators' shells",
    ),
]
EncryptionKey = Annotated[
    SecretStr,
    # What upstream takes, for keys that move in: its 32 bytes are the AES-256 key, whoever made them and how.
    _secret_matching(
        r"[\x21-\x7e][\x20-\x7e]{30}[\x21-\x7e]",
        "give exactly 32 printable ASCII characters, as `openssl rand -hex 16` makes them: they are the AES-256 key",
    ),
]
Base64Key = Annotated[SecretStr, _secretly(_base64_of(32))]
SigningKey = Annotated[
    SecretStr, _secret_matching(r"[\x21-\x7e]{32,}", "at least 32 printable characters: who guesses it forges sessions")
]
PrivateKeyPem = Annotated[SecretStr, _secretly(_pem("(RSA )?PRIVATE KEY"))]


def bytes_of(memory: str) -> float:
    """Bytes of a Memory: "1.5Gi" is 1610612736."""
    match = re.fullmatch(r"(?P<number>[\d.]+)(?P<unit>[KMGTPE])(?P<binary>i?)", memory)
    assert match, memory
    return float(match["number"]) * (1024 if match["binary"] else 1000) ** ("KMGTPE".index(match["unit"]) + 1)


def cores_of(cpu: str) -> float:
    """Cores of a Cpu: "500m" is 0.5."""
    return float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
