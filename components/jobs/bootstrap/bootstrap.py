"""Give the instance its first organisation and admin, close sign-up, and leave an identity of the stack's own.

Each step looks first whether it is done, so a run that was ended anywhere is completed by the next one.
"""

import os
import time
from dataclasses import dataclass
from typing import Literal

from first_admin import Instance, Words, claim
from infisical_api import ApiError, InfisicalApi, machine_login
from job import Report, run, secret
from newcomers import give_no_access
from precious import PreciousSecret
from provisioner import Provisioner, Wish
from redact import redactor
from retire import retire
from sign_up import close


@dataclass(frozen=True)
class Config:
    """adopts: the instance was set up long ago, and ORGANIZATION_TOKEN is an admin's token of it."""

    url: str
    namespace: str
    secret: str
    account: str
    organization: str
    admin: str
    machine_auth: Literal["kubernetes", "universal"]
    mode: Literal["create", "adopt"]
    runbook: str
    settle_seconds: float
    deadline_seconds: float
    data: str = ""  # where the database's data came from, if not from this instance


class Bootstrap:
    """One run: who speaks to Infisical, and what is known of it."""

    def __init__(self, config: Config, report: Report) -> None:
        self.config, self.report = config, report
        self.api = InfisicalApi(config.url, deadline_seconds=config.deadline_seconds)
        self.kept = PreciousSecret(config.namespace, config.secret, report, config.deadline_seconds)
        self.password, self.given = secret("ADMIN_PASSWORD"), os.environ.get("ORGANIZATION_TOKEN", "")
        kept = self.kept.read()
        hidden = [self.password, self.given, kept.get("token"), kept.get("clientSecret")]
        self.api.hide = report.hide = redactor(value for value in hidden if value)
        self.words = Words(config.organization, config.admin, config.runbook, config.data)
        self.instance = Instance(self.api, self.kept, self.words)

    def actor(self) -> tuple[InfisicalApi, str]:
        """Return a client with an organisation admin's rights, and how it came by them."""
        kept = self.kept.read()
        if kept.get("identityId") and (own := self._as_provisioner(kept)):
            return own, "done already"
        if self.config.mode == "adopt":
            return self.instance.adopt(self.given), "adopted"
        if kept.get("token") and (held := self.instance.holder_of(kept["token"])):
            return held, "continued"
        if not self.instance.initialized():
            return claim(self.instance, self.config.organization, self.config.admin, self.password, self.report)
        return self.instance.by_log_in(self.password), "recovered by a log-in of the admin"

    def _as_provisioner(self, kept: dict[str, str]) -> InfisicalApi | None:
        """Return the stack's own identity, logged in. None where Infisical refuses it, so that it is made anew."""
        try:
            own = machine_login(self.api, kept)
            own.get("/api/v1/identities", orgId=kept.get("organizationId", ""))
        except ApiError as error:
            if error.status not in (400, 401, 403, 404):
                raise
            self.report.progress(f"the provisioner {kept['identityId']} can't log in: {error.message}")
            return None
        return own

    def run(self) -> str:
        """Do what is not done yet, and return what is now so."""
        actor, how = self.actor()
        organization = self.instance.organization(actor)
        closed = close(actor, self.api, self.admin_session, self.words)
        wish = Wish(namespace=self.config.namespace, account=self.config.account, machine_auth=self.config.machine_auth)
        provisioner = Provisioner(actor, self.instance, wish, organization)
        proven, made = provisioner.ensure(self.report)
        people = self._people(organization)
        retired = "organizationToken can go"
        if self.config.mode == "create":
            retired = retire(actor, proven, organization, self.kept)
        # What was found closed by a later run has been closed for longer than any cache lives.
        settled = how == "done already" and not closed.by_us
        closed.verify(0 if settled else self.config.settle_seconds, self.report)
        return (
            f"{how}: organisation {self.config.organization}; sign-up is closed; provisioner {made}, proven by "
            f"{self.config.machine_auth} auth; {retired}; {people}"
        )

    def admin_session(self) -> InfisicalApi:
        """Return the admin's own session, for what a machine may not do on older images. Raises ApiError."""
        return self.instance.log_in(self.password)

    def _people(self, organization: str) -> str:
        """Prove the admin's log-in, and keep who is invited without a role. Return both, as far as it went."""
        admin = self.config.admin
        unknown = f"who is invited may get a role in the organisation. {self.words.see('invited-people')}"
        try:
            session = self.admin_session()
        except ApiError as error:
            if "Legacy encryption scheme" not in error.message:
                return f"the log-in of {admin} is not proven ({error}); {unknown}"
            return (
                f"the log-in of {admin} is NOT proven: this image keeps no password of a first admin. "
                f"{self.words.see('admin-locked-out')}; {unknown}"
            )
        if "asked" not in self.kept.read():  # an adopted organisation stays as its people have it
            return f"{admin} can log in; {unknown}"
        try:
            give_no_access(session, organization)
        except ApiError as refusal:
            return f"{admin} can log in, and may not change the organisation ({refusal}); {unknown}"
        return f"{admin} can log in; who is invited gets no role in the organisation"


def main(config: Config, report: Report) -> str:
    """Bootstrap or adopt the instance."""
    started = time.monotonic()
    outcome = Bootstrap(config, report).run()
    return f"{outcome} ({time.monotonic() - started:.0f} s)"


if __name__ == "__main__":
    run("bootstrap", Config, main)
