"""An instance that has been bootstrapped, as its clients see it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.standins.infisical import Answer, Infisical

EMAIL, PASSWORD = "admin@example.org", "the admin's password"
ADMIN = {"email": EMAIL, "password": PASSWORD, "organization": "Dog"}


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A server, its organisation, and the token of its first admin identity."""

    server: Infisical
    organization: str
    token: str

    def call(self, method: str, path: str, body: object = None, *, token: str | None = None, status: int = 200) -> Any:
        """The body of an answer that has to have `status`."""
        answer = self.server.request(method, path, body, token or self.token)
        assert answer.status == status, answer
        return answer.body

    def refusal(self, method: str, path: str, body: object = None, *, token: str | None = None) -> tuple[int, str]:
        """The status and upstream's sentence of a refusal."""
        answer = self.server.request(method, path, body, token or self.token)
        assert answer.status >= 400, answer
        return answer.status, answer.body["message"]

    def identity(self, name: str, role: str = "no-access") -> str:
        wish = {"name": name, "organizationId": self.organization, "role": role}
        return self.call("POST", "/api/v1/identities", wish)["identity"]["id"]

    def machine(self, name: str, role: str = "no-access") -> tuple[str, str]:
        """A new identity and a token of it, by universal auth."""
        identity = self.identity(name, role)
        path = f"/api/v1/auth/universal-auth/identities/{identity}"
        client = self.call("POST", path, {})["identityUniversalAuth"]["clientId"]
        secret = self.call("POST", f"{path}/client-secrets", {})["clientSecret"]
        credentials = {"clientId": client, "clientSecret": secret}
        return identity, self.call("POST", "/api/v1/auth/universal-auth/login", credentials)["accessToken"]

    def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        """A person's token, in the organisation."""
        session = self.call("POST", "/api/v3/auth/login", {"email": email, "password": password})
        chosen = {"organizationId": self.organization}
        return self.call("POST", "/api/v3/auth/select-organization", chosen, token=session["accessToken"])["token"]


def bootstrap(server: Infisical) -> Instance:
    server.detail()
    answer: Answer = server.request("POST", "/api/v1/admin/bootstrap", ADMIN)
    assert answer.status == 200, answer
    token = answer.body["identity"]["credentials"]["token"]
    return Instance(server=server, organization=answer.body["organization"]["id"], token=token)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
