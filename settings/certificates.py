"""Certificates between Infisical and its database."""

from __future__ import annotations

from pydantic import Field, model_validator

from settings.machinery.types import Cron, DnsName, Hours, Section


class CertificateSettings(Section):
    """The authority of the platform, the database's leaf, and the job that publishes what it finds."""

    authority_duration: Hours = Field(default="87600h", description="Ten years; it keeps its key when it is renewed.")
    leaf_duration: Hours = Field(default="2160h", description="90 days.")
    leaf_renew_before: Hours = Field(default="720h", description="30 days: time to notice that a renewal fails.")
    extra_names: tuple[DnsName, ...] = Field(
        default=(), description="Further DNS names in the leaf, for clients that reach the database by another name."
    )
    sync_schedule: Cron = Field(
        default="*/15 * * * *", description="How often a renewed certificate is looked for; it is served meanwhile."
    )

    @model_validator(mode="after")
    def _each_outlives_what_it_signs(self) -> CertificateSettings:
        authority, leaf, before = (
            int(hours.removesuffix("h"))
            for hours in (self.authority_duration, self.leaf_duration, self.leaf_renew_before)
        )
        if leaf >= authority:
            raise ValueError("leafDuration: the leaf would outlive the authority that signs it")
        if before >= leaf:
            raise ValueError("leafRenewBefore: it would be renewed before it is issued")
        return self
