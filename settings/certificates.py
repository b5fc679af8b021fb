"""Certificates between Infisical and its database."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.cron import longest_pause
from settings.machinery.types import CertificateName, Cron, Hours, Minutes, Section


class CertificateSettings(Section):
    """The platform's authority, the database's certificate (the leaf), and the job that publishes what it finds."""

    authority_duration: Hours = Field(
        default="87600h", description="How long the authority is valid, by default ten years. A renewal keeps its key."
    )
    leaf_duration: Hours = Field(default="2160h", description="How long the leaf is valid, by default 90 days.")
    leaf_renew_before: Hours = Field(
        default="720h",
        description="How long before its end the leaf is renewed. The default, 30 days, leaves time to notice a "
        "failed renewal.",
    )
    extra_names: tuple[CertificateName, ...] = Field(
        default=(), description="More DNS names for the leaf, for clients that reach the database by a different name."
    )
    sync_schedule: Cron = Field(
        default="*/15 * * * *",
        description="When CertSync looks for a renewed certificate, as a cron schedule. Until then the database serves "
        "the one before.",
    )
    deadline_minutes: Minutes = Field(
        default=2,
        description="Minutes until every pod of the database presents a certificate that verifies. Set more where a "
        "server takes long to read a renewed one.",
    )

    @model_validator(mode="after")
    def _each_outlives_what_it_signs(self) -> CertificateSettings:
        authority, leaf, before = (
            timedelta(hours=int(hours.removesuffix("h")))
            for hours in (self.authority_duration, self.leaf_duration, self.leaf_renew_before)
        )
        if leaf >= authority:
            raise broken_rule(
                "leafDuration", "the leaf must expire before authorityDuration, when its authority expires"
            )
        if before >= leaf:
            raise broken_rule(
                "leafRenewBefore", "it must be less than leafDuration, because the leaf is renewed that early"
            )
        if longest_pause(self.sync_schedule) >= before:
            raise broken_rule(
                "syncSchedule",
                "between two runs lies as much time as leafRenewBefore or more, so the database's "
                "certificate can expire before its renewal is published. Let it run more often",
            )
        return self
