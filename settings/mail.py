"""How Infisical sends mail."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.machinery.types import CertificatePem, Email, HostName, Line, Section
from settings.machinery.variables import Variable

IMPLICIT_TLS = 465


class MailSettings(Section):
    """An SMTP server. The password is the encrypted key smtpPassword."""

    host: Annotated[HostName, Variable("SMTP_HOST")]
    port: Annotated[int, Variable("SMTP_PORT")] = Field(
        default=587, ge=1, le=65535, description="465 means TLS from the first byte, every other port STARTTLS."
    )
    username: Annotated[Line | None, Variable("SMTP_USERNAME")] = Field(
        default=None, description="Together with smtpPassword, or neither: half a pair logs in with nothing."
    )
    from_address: Annotated[Email, Variable("SMTP_FROM_ADDRESS")]
    from_name: Annotated[Line, Variable("SMTP_FROM_NAME")] = "Infisical"
    tls: Literal["required", "opportunistic", "off"] = Field(
        default="required",
        description="`opportunistic` sends in plain text to whoever strips STARTTLS; `off` always does.",
    )
    verify: Annotated[bool, Variable("SMTP_TLS_REJECT_UNAUTHORIZED")] = Field(
        default=True, description="Whether the server's certificate is checked."
    )
    authority: Annotated[CertificatePem | None, Variable("SMTP_CUSTOM_CA_CERT", form="base64")] = Field(
        default=None, description="PEM of the authority that signed the server's certificate, if it is no public one."
    )

    @model_validator(mode="after")
    def _tls_is_what_it_says(self) -> MailSettings:
        if self.port == IMPLICIT_TLS and self.tls != "required":
            raise ValueError(f"tls: on port {IMPLICIT_TLS} TLS comes first, so it can't be {self.tls}")
        if self.tls == "off" and self.username:
            raise ValueError("tls: off would send the password in plain text")
        if self.authority and not self.verify:
            raise ValueError("verify: authority is given, but with verify false nothing is checked against it")
        return self
