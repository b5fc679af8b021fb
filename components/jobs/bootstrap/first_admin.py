"""Tell what state an instance is in, claim a fresh one, and say a way out of each state that is none of ours."""

from dataclasses import dataclass
from datetime import UTC, datetime

from infisical_api import ApiError, InfisicalApi, Object
from job import Failed, Report
from precious import PreciousSecret
from retire import claims_of

_CONFIG = "/api/v1/admin/config"
_LOG_IN = "/api/v3/auth"
_REFUSED = (400, 401, 403, 404)


@dataclass(frozen=True)
class Words:
    """What the sentences of a failure name."""

    organization: str
    admin: str
    runbook: str
    data: str  # where the database's data came from, if not from this instance

    def see(self, heading: str) -> str:
        """Return where the way out is described."""
        return f"See {self.runbook}#{heading}"


class Instance:
    """An Infisical, as it is found."""

    def __init__(self, api: InfisicalApi, kept: PreciousSecret, words: Words) -> None:
        self.api, self.kept, self.words = api, kept, words

    def initialized(self) -> bool:
        """Return whether somebody has set the instance up. The answer may be a minute old."""
        return bool(self.api.get(_CONFIG)["config"]["initialized"])

    def holder_of(self, token: str) -> InfisicalApi | None:
        """Return a client with an identity's token. None where Infisical refuses the token."""
        try:
            return self._held(token)
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            return None

    def _held(self, token: str) -> InfisicalApi:
        holder = self.api.with_token(token)
        holder.get("/api/v1/identities/details")
        return holder

    def adopt(self, token: str) -> InfisicalApi:
        """Return a client with the given token, of an instance that was set up long ago."""
        if not self.initialized():
            raise Failed(
                "organizationToken is given, but this instance has not been set up: its database is empty. Bring the "
                f"data in first, or remove organizationToken. {self.words.see('not-set-up')}"
            )
        try:
            return self._held(token)
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            raise Failed(
                f"Infisical refuses organizationToken ({error.message}): it has been revoked, is too old or another "
                f"instance's, or was signed with a different authSecret. {self.words.see('token-refused')}"
            ) from error

    def organization(self, actor: InfisicalApi) -> str:
        """Return the id of the organisation that the actor belongs to. Refuse one that isn't the stack's."""
        known = self.kept.read().get("organizationId")
        found = _organization_of(actor)
        identity, name = str(found["id"]), str(found["name"])
        if known and identity != known:
            raise Failed(
                f"the token is of the organisation {name}, and this stack has made or adopted a different one. "
                f"{self.words.see('different-organisation')}"
            )
        # Once known by its id, people may rename it.
        if not known and name != self.words.organization:
            raise Failed(
                f"the token is of the organisation {name}, and organization.name is {self.words.organization}. Set "
                f"organization.name to {name}, or give a token of the other. {self.words.see('different-organisation')}"
            )
        self._require_rights(actor, identity, name)
        if not known:
            self.kept.write({"organizationId": identity})
        return identity

    def _require_rights(self, actor: InfisicalApi, identity: str, name: str) -> None:
        try:
            actor.get("/api/v1/identities", orgId=identity)
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            raise Failed(
                f"the token may not manage identities of the organisation {name} ({error.message}). Give one of an "
                f"identity with the role Admin. {self.words.see('without-rights')}"
            ) from error

    def log_in(self, password: str) -> InfisicalApi:
        """Return the admin's session in the stack's organisation. Raises ApiError."""
        credentials = {"email": self.words.admin, "password": password}
        session = self.api.post(f"{_LOG_IN}/login", credentials, idempotent=True)
        person = self.api.with_token(str(session["accessToken"]))
        known = self.kept.read().get("organizationId")
        key, wanted = ("id", known) if known else ("name", self.words.organization)
        ours = [each for each in person.get("/api/v1/organization")["organizations"] if each[key] == wanted]
        if not ours:
            raise ApiError(403, "it is not in the organisation", "GET", "/api/v1/organization")
        chosen = {"organizationId": ours[0]["id"]}
        answer = person.post(f"{_LOG_IN}/select-organization", chosen, idempotent=True)
        if answer.get("isMfaEnabled"):
            raise ApiError(403, "a second factor is asked for", "POST", f"{_LOG_IN}/select-organization")
        return self.api.with_token(str(answer["token"]))

    def by_log_in(self, password: str) -> InfisicalApi:
        """Return the admin's session, where the token that the bootstrap showed once is not at hand."""
        asked = self.kept.read().get("asked")
        try:
            return self.log_in(password)
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            raise Failed(self._lost(asked) if asked else self._claimed()) from error

    def _claimed(self) -> str:
        if self.words.data:
            return (
                f"this database has the data of another instance ({self.words.data}), and {self.words.admin} can't log "
                f"in to its organisation {self.words.organization} with adminPassword. Set adminPassword "
                "to the one that the admin has there (the escrow has the first one), or give an admin's token as "
                f"organizationToken. {self.words.see('restored-data')}"
            )
        return (
            "this instance was set up by somebody else: it is initialized, this stack has never asked for it, and "
            f"{self.words.admin} can't log in with adminPassword. If it is yours, adopt it with organizationToken. If "
            f"it is a stranger's, make the database anew. {self.words.see('claimed-by-somebody-else')}"
        )

    def _lost(self, asked: str) -> str:
        return (
            f"the token is lost: this stack asked for it at {asked}, the instance is initialized, and no token in "
            f"Secret {self.kept.name} is accepted; {self.words.admin} can't log in with adminPassword either. Give an "
            f"admin's token as organizationToken. {self.words.see('token-lost')}"
        )

    def half(self) -> Failed:
        """Return the failure of an instance that has the admin's account and is not set up."""
        return Failed(
            f"half a bootstrap: the account {self.words.admin} exists, and the instance is not set up. Set "
            "organization.admin to a different address, or, as nothing is stored yet, make the database anew. "
            f"{self.words.see('half-a-bootstrap')}"
        )


def claim(instance: Instance, organization: str, admin: str, password: str, report: Report) -> tuple[InfisicalApi, str]:
    """Ask for the first admin, once, and keep the token that is shown once. Return its client, and how it came."""
    # Also proves, before the token is made, that the Secret can be written.
    instance.kept.write({"asked": datetime.now(UTC).isoformat(timespec="seconds")})
    body = {"email": admin, "password": password, "organization": organization}
    try:
        answer = instance.api.post("/api/v1/admin/bootstrap", body)
    except ApiError as error:
        return _after_refusal(instance, error, password, report)
    token = str(answer["identity"]["credentials"]["token"])
    instance.kept.write({"token": token, "organizationId": str(answer["organization"]["id"])})
    if held := instance.holder_of(token):
        return held, "set up"
    # Some releases take a token without an end for one that is too old (Infisical/infisical#7599).
    return instance.by_log_in(password), "set up, and recovered by a log-in of the admin"


def _after_refusal(instance: Instance, error: ApiError, password: str, report: Report) -> tuple[InfisicalApi, str]:
    if "already been set up" in error.message:  # what initialized() said was from the cache
        return instance.by_log_in(password), "recovered by a log-in of the admin"
    if "already exists" in error.message:
        raise instance.half()
    if error.status == 404:
        raise Failed("this image has no bootstrap: set infisical.image to a release of April 2025 or newer")
    if error.status and error.status < 500:
        raise error
    report.progress(f"the answer was lost ({error}): looking whether the instance is set up")
    if not instance.initialized():
        raise error
    return instance.by_log_in(password), "recovered by a log-in of the admin"


def _organization_of(actor: InfisicalApi) -> Object:
    """Return the organisation of an identity, or the one that a person has selected."""
    try:
        return actor.get("/api/v1/identities/details")["identityDetails"]["organization"]
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
    selected = str(claims_of(actor.token).get("organizationId", ""))
    return next(each for each in actor.get("/api/v1/organization")["organizations"] if each["id"] == selected)
