"""How Infisical sends mail."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.types import CertificatePem, Email, HostName, Line, Section
from settings.machinery.variables import Variable

IMPLICIT_TLS = 465


class MailSettings(Section):
    """The SMTP server that sends Infisical's mail. Its password is the encrypted key smtpPassword."""

    host: Annotated[HostName, Variable("SMTP_HOST")] = Field(description="Host name of the server.")
    port: Annotated[int, Variable("SMTP_PORT")] = Field(
        default=587,
        ge=1,
        le=65535,
        description="Port of the server. 465 uses TLS from the first byte, every other port uses STARTTLS.",
    )
    username: Annotated[Line | None, Variable("SMTP_USERNAME")] = Field(
        default=None,
        description="Set username and smtpPassword together. With only one of them, Infisical sends mail without "
        "logging in.",
    )
    from_address: Annotated[Email, Variable("SMTP_FROM_ADDRESS")] = Field(description="Sender of the mail.")
    from_name: Annotated[Line, Variable("SMTP_FROM_NAME")] = Field(
        default="Infisical", description="Name that is shown as the sender."
    )
    tls: Literal["required", "opportunistic", "off"] = Field(
        default="required",
        description="`required` sends no mail without TLS. `opportunistic` sends it in plain text when the server, or "
        "somebody in between, offers no STARTTLS. `off` always sends it in plain text.",
    )
    verify: Annotated[bool, Variable("SMTP_TLS_REJECT_UNAUTHORIZED")] = Field(
        default=True, description="Whether the server's certificate is checked."
    )
    authority: Annotated[CertificatePem | None, Variable("SMTP_CUSTOM_CA_CERT", form="base64")] = Field(
        default=None,
        description="PEM of the authority that signed the server's certificate. Set it when that authority is not a "
        "public one.",
    )

    @model_validator(mode="after")
    def _port_speaks_the_tls_that_is_asked_for(self) -> MailSettings:
        if self.port == IMPLICIT_TLS and self.tls != "required":
            reason = f"port {IMPLICIT_TLS} always uses TLS, so set required or use a different port"
            raise broken_rule("tls", reason)
        return self

    @model_validator(mode="after")
    def _password_is_sent_encrypted(self) -> MailSettings:
        if self.tls == "off" and self.username:
            reason = "off would send the password in plain text. Set required, or remove username and smtpPassword"
            raise broken_rule("tls", reason)
        return self

    @model_validator(mode="after")
    def _authority_is_used(self) -> MailSettings:
        if self.authority and not self.verify:
            reason = "it is false, so nothing is checked against authority. Set it to true, or remove authority"
            raise broken_rule("verify", reason)
        return self
