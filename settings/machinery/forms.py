"""Make the forms of settings: a check of a text with the reason that the user reads when the text fails it."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pydantic import AfterValidator, GetJsonSchemaHandler, SecretStr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError


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
    """Return the form of a text that matches a pattern as a whole."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):  # compiled at first use
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^({pattern})$")


NOT_QUOTED = "not_quoted"  # the kind of error that a command with --type string mends
IN_QUOTES = "write it in quotes, because YAML makes something else of it"
_SAFE_DIGITS = 15  # of a whole number: what has more passes through Pulumi as a different one
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} (UTC|[+-]\d{4})", re.ASCII)


def as_written(value: object) -> object:
    """Return a value that is text. Raise the error NOT_QUOTED for what YAML has made something else of."""
    if isinstance(value, bool | float) or (isinstance(value, int) and len(str(abs(value))) > _SAFE_DIGITS):
        raise _not_quoted()  # 1.10 would become 1.1
    if isinstance(value, str) and _TIME.fullmatch(value):
        raise _not_quoted()  # 2026-11-26 has become 2026-11-26 00:00:00 +0000 UTC
    return value


def _not_quoted() -> PydanticCustomError:
    return PydanticCustomError(NOT_QUOTED, f"{IN_QUOTES[:1].upper()}{IN_QUOTES[1:]}")


def moment(pattern: str, reason: str) -> Form:
    """Return the form of a day, or of a moment, that the calendar and the clock have."""
    written = matching(pattern, reason)
    well_formed = cast("Callable[[str], str]", written.func)

    def check(value: str) -> str:
        try:
            datetime.fromisoformat(well_formed(value))
        except ValueError:
            raise ValueError(reason) from None
        return value

    return Form(check, reason, written.pattern)


def secretly(form: Form) -> Form:
    """Return the form for a secret. Its check must keep the value out of its error; editors see no value to check."""
    check = cast("Callable[[str], object]", form.func)

    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return Form(checked, form.reason, media_type=form.media_type)


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_NAME = rf"{_LABEL}(\.{_LABEL})*"
# DNS has at most 63 characters between two dots. Names of Kubernetes objects may have more.
_HOST_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LOWER_HOST = rf"{_HOST_LABEL}(\.{_HOST_LABEL})*"
HOST = LOWER_HOST.replace("a-z", "A-Za-z")
HOST_LENGTH = 253


# A host whose last label is a number is an address to every browser, and to Kubernetes.
_NO_ADDRESS = r"(?!([A-Za-z0-9-]+\.)*[0-9]+(:|$))"


def origin(schemes: str, example: str, *, named: bool = False) -> Form:
    """Return the form of an address without a path, of a host name alone when it is `named`."""
    pattern = rf"({schemes})://{_NO_ADDRESS if named else ''}{HOST}(:[0-9]{{1,5}})?"
    reason = (
        f"Write scheme, host name and port alone, as in {example}, because Infisical appends its own paths. DNS has at "
        "most 63 characters between two dots"
    )
    if named:
        reason += ". An IP address can't be used, because neither an Ingress nor its certificate can be made for one"

    def check(value: str) -> str:
        host, _, port = value.partition("://")[2].partition(":")
        if not re.fullmatch(pattern, value) or len(host) > HOST_LENGTH or (port and not 0 < int(port) < 65536):
            raise ValueError(reason)
        return value

    return Form(check, reason, f"^{pattern}$")


PEM = "application/x-pem-file"
# Linux starts no process with a variable above 128 KiB (MAX_ARG_STRLEN). Infisical gets a PEM in one, in base64, and
# this program gets all settings of a stack in one (pulumi/pulumi#20402).
_PEM_BYTES = 96_000


def pem(label: str) -> Form:
    """Return the form of one or more PEM blocks."""
    reason = "Write the PEM with its line breaks, from -----BEGIN to -----END. Infisical can't read it on one line"
    block = re.compile(
        rf"-----BEGIN (?P<label>{label})-----\n(?P<body>([A-Za-z0-9+/=]{{1,76}}\n)+)-----END (?P=label)-----\n*",
        re.ASCII,
    )

    def check(value: str) -> str:
        if len(value) > _PEM_BYTES:
            raise ValueError(
                f"Write at most {_PEM_BYTES} characters, because it becomes part of a variable, and Linux starts no "
                f"process with a larger one. It has {len(value)}. A provider that publishes the authorities of all its "
                "regions in one file has a file for each region, too"
            )
        text, end = value.replace("\r\n", "\n").strip() + "\n", 0
        while match := block.match(text, end):
            _decoded(match["body"].replace("\n", ""))
            end = match.end()
        if not text.strip() or end != len(text):
            raise ValueError(reason)
        return value

    return Form(check, reason, media_type=PEM)


def authorities() -> Form:
    """Return the form of one or more certificates of authorities, none of which has expired."""
    blocks = pem("CERTIFICATE")
    well_formed = cast("Callable[[str], str]", blocks.func)

    def check(value: str) -> str:
        texts = re.findall(r"-----BEGIN.+?-----END CERTIFICATE-----", well_formed(value), re.DOTALL)
        for number, text in enumerate(texts, 1):
            _judge_authority(f"certificate {number} of {len(texts)}", text)
        return value

    return Form(check, blocks.reason, media_type=PEM)


def _judge_authority(which: str, text: str) -> None:
    """Raise ValueError for what OpenSSL would verify nothing with."""
    store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        store.load_verify_locations(cadata=text)
    except ssl.SSLError:
        raise ValueError(f"{which} is damaged: OpenSSL can't read it") from None
    # Only those of authorities are listed.
    if not (found := store.get_ca_certs()):
        raise ValueError(f"{which} is of no authority. Write the certificate of the authority that signed it")
    subject = cast("Sequence[Sequence[tuple[str, str]]]", found[0].get("subject", ()))
    name = ", ".join(value for relative in subject for _, value in relative)
    not_after = str(found[0]["notAfter"])
    if ssl.cert_time_to_seconds(not_after) < time.time():
        raise ValueError(f"{which} ({name}) expired on {not_after}. Write the one that took its place, or leave it out")


def armour(label: str) -> Form:
    """Return the form of an OpenPGP key as `gpg --armor` writes it (RFC 9580, 6.2)."""
    reason = f"Write the key as `gpg --armor` prints it, from -----BEGIN {label}----- to its end"
    whole = re.compile(
        rf"-----BEGIN {label}-----\n([A-Za-z]+: [^\n]*\n)*\n([A-Za-z0-9+/=]{{1,76}}\n)+-----END {label}-----\n",
        re.ASCII,
    )

    def check(value: str) -> str:
        if not whole.fullmatch(value.replace("\r\n", "\n").strip() + "\n"):
            raise ValueError(reason)
        return value

    return Form(check, reason, media_type="application/pgp-keys")


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Write it in base64") from None


def base64_of(length: int) -> Form:
    """Return the form of as many bytes in base64."""
    reason = f"Write {length} bytes in base64, as `openssl rand -base64 {length}` prints them"

    def check(value: str) -> str:
        if len(_decoded(value)) != length:
            raise ValueError(reason)
        return value

    return Form(check, reason)


def secret_matching(pattern: str, reason: str) -> Form:
    """Return the form of a secret that matches a pattern as a whole."""
    return secretly(matching(pattern, reason))
