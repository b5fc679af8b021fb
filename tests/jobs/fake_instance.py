"""A small Infisical for what the stand-in can't do: end the client at any request, before or after the server acts."""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
import uuid
from collections.abc import Callable

from fake_state import Body, State, new_organization

ADMIN_CONFIG = "/api/v1/admin/config"
_ID = "[0-9a-f-]{36}"
_FIRST = "Instance Admin Identity"


class Refusal(Exception):
    """An answer of 400 or more."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class FakeInstance:
    """Serves a State on 127.0.0.1. `at_request` is called for each request, before and after it acts."""

    def __init__(self) -> None:
        self.state, self.requests = State(), list[str]()
        self.at_request: Callable[[int, str], None] = lambda number, moment: None
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                path = self.path.partition("?")[0]
                fake.requests.append(f"{self.command} {path}")
                number = len(fake.requests)
                fake.at_request(number, "before")
                try:
                    status, answer = 200, fake.act(self.command, path, json.loads(raw) if raw else {}, token)
                except Refusal as refusal:
                    status, answer = refusal.status, {"message": refusal.message}
                fake.at_request(number, "after")
                try:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(json.dumps(answer).encode())
                except BrokenPipeError:
                    pass  # the client has been killed

            def log_message(self, format: str, *_: object) -> None:
                """Print nothing."""

        for verb in ("POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{verb}", Handler.do_GET)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # --- what tests set up and look at ---------------------------------------------------------------------------

    def set_up(self, email: str, password: str, organization: str) -> str:
        """Set the instance up as somebody else would, and return the token."""
        answer = self._bootstrap({"email": email, "password": password, "organization": organization})
        return answer["identity"]["credentials"]["token"]

    def identity(self, name: str, role: str = "admin") -> tuple[str, str]:
        """Make an identity, and return its id and a token of it."""
        identity = str(uuid.uuid4())
        self.state.identities[identity] = {"id": identity, "name": name, "role": role, "authMethods": []}
        return identity, self._token(identity)

    @property
    def eternal_tokens(self) -> int:
        """How many tokens of the first identity still work."""
        first = {i for i, each in self.state.identities.items() if each["name"] == _FIRST}
        return sum(identity in first for identity in self.state.tokens.values())

    # --- the API ---------------------------------------------------------------------------------------------------

    def act(self, method: str, path: str, body: Body, token: str) -> Body:
        """Answer one request, as upstream's routes do."""
        for pattern, handler in self._routes():
            if found := re.fullmatch(pattern, f"{method} {path}"):
                return handler(body, token, *found.groups())
        raise Refusal(404, f"Route {method}:{path} not found")

    def _routes(self) -> list[tuple[str, Callable[..., Body]]]:
        auth, one = "/api/v1/auth", f"identities/({_ID})"
        return [
            (f"GET {ADMIN_CONFIG}", lambda _body, _token: self._config()),
            (f"PATCH {ADMIN_CONFIG}", self._configure),
            ("POST /api/v1/admin/bootstrap", lambda body, _token: self._bootstrap(body)),
            (f"DELETE /api/v1/admin/identity-management/{one}/super-admin-access", self._withdraw),
            ("POST /api/v3/auth/login", lambda body, _token: self._log_in(body)),
            ("POST /api/v3/auth/select-organization", lambda _body, token: {"token": token, "isMfaEnabled": False}),
            ("GET /api/v1/organization", self._organizations),
            (f"PATCH /api/v1/organization/({_ID})", self._change_organization),
            ("GET /api/v1/identities/details", self._details),
            ("GET /api/v1/identities", self._list),
            ("POST /api/v1/identities", self._create),
            (f"PATCH /api/v1/{one}", self._change),
            (f"(GET|POST|PATCH) {auth}/kubernetes-auth/{one}", self._kubernetes),
            (f"POST {auth}/kubernetes-auth/login", self._kubernetes_login),
            (f"(GET|POST|PATCH|DELETE) {auth}/universal-auth/{one}", self._universal),
            (f"(GET|POST) {auth}/universal-auth/{one}/client-secrets", self._client_secrets),
            (f"POST {auth}/universal-auth/{one}/client-secrets/({_ID})/revoke", self._revoke_client_secret),
            (f"POST {auth}/universal-auth/login", self._universal_login),
            (f"POST {auth}/token-auth/tokens/({_ID})/revoke", self._revoke),
            (f"DELETE {auth}/token-auth/{one}", self._detach),
        ]

    def _config(self) -> Body:
        is_open = self.state.allow_sign_up
        if not is_open and self.state.stale_reads:
            self.state.stale_reads -= 1
            is_open = True
        return {"config": {"initialized": self.state.initialized, "allowSignUp": is_open}}

    def _configure(self, body: Body, token: str) -> Body:
        actor = self._actor(token)
        if actor and (not self.state.config_by_identity or actor not in self.state.instance_admins):
            raise Refusal(403, "You are not allowed to access this")
        self.state.allow_sign_up = body["allowSignUp"]
        return self._config()

    def _bootstrap(self, body: Body) -> Body:
        if self.state.initialized:
            raise Refusal(400, "Instance has already been set up")
        if self.state.user and self.state.user["email"] == body["email"]:
            raise Refusal(400, "User already exists")
        self.state.user = {"email": body["email"], "password": body["password"]}
        if self.state.dies_half_way:
            raise Refusal(502, "Bad Gateway")
        self.state.organization = new_organization(body["organization"])
        identity, token = self.identity(_FIRST)
        self.state.identities[identity]["authMethods"] = ["token-auth"]
        self.state.instance_admins.add(identity)
        self.state.initialized = True
        made = {"id": identity, "credentials": {"token": token}}
        return {"organization": self.state.organization, "identity": made}

    def _token(self, identity: str) -> str:
        held = {"identityId": identity, "identityAccessTokenId": str(uuid.uuid4())}
        if not identity and self.state.organization:
            held["organizationId"] = self.state.organization["id"]
        payload = base64.urlsafe_b64encode(json.dumps(held).encode()).decode().rstrip("=")
        token = f"head.{payload}.{uuid.uuid4()}"
        self.state.tokens[token] = identity
        return token

    def _actor(self, token: str) -> str:
        if token not in self.state.tokens:
            raise Refusal(403, "invalid signature")
        actor = self.state.tokens[token]
        if actor and not self.state.takes_first_token and self.state.identities[actor]["name"] == _FIRST:
            raise Refusal(401, "Identity access token exceeded max age, please re-authenticate")
        return actor

    def _manager(self, token: str) -> None:
        actor = self._actor(token)
        if actor and self.state.identities[actor]["role"] != "admin":
            raise Refusal(403, "You are not allowed to read on identity")

    def _withdraw(self, _body: Body, token: str, identity: str) -> Body:
        actor = self._actor(token)
        if actor and actor not in self.state.instance_admins:
            raise Refusal(403, "You are not allowed to access this")
        self.state.instance_admins.discard(identity)
        return {}

    def _log_in(self, body: Body) -> Body:
        user = self.state.user
        if not user or user["email"] != body["email"]:
            raise Refusal(400, "User not found")
        if not self.state.keeps_password:
            raise Refusal(400, "Legacy encryption scheme not supported")
        if user["password"] != body["password"]:
            raise Refusal(400, "Invalid username or email")
        return {"accessToken": self._token("")}

    def _organizations(self, _body: Body, token: str) -> Body:
        if self._actor(token):
            raise Refusal(403, "You are not allowed to access this resource")
        return {"organizations": [self.state.organization]}

    def _change_organization(self, body: Body, token: str, organization: str) -> Body:
        assert self.state.organization
        assert self.state.organization["id"] == organization
        if self._actor(token) or not self.state.admin_is_admin:
            raise Refusal(403, "You are not allowed to edit on settings")
        if self.state.default_role_changes:
            self.state.organization["defaultMembershipRole"] = body["defaultMembershipRoleSlug"]
        return {"organization": self.state.organization}

    def _details(self, _body: Body, token: str) -> Body:
        if not self._actor(token):
            raise Refusal(403, "You are not allowed to access this resource")
        return {"identityDetails": {"organization": self.state.organization}}

    def _list(self, _body: Body, token: str) -> Body:
        self._manager(token)
        return {"identities": [{"role": each["role"], "identity": each} for each in self.state.identities.values()]}

    def _create(self, body: Body, token: str) -> Body:
        self._manager(token)
        identity, _ = self.identity(body["name"], body["role"])
        return {"identity": {"id": identity}}

    def _change(self, body: Body, token: str, identity: str) -> Body:
        self._manager(token)
        self.state.identities[identity] |= body
        return {}

    def _kubernetes(self, body: Body, token: str, method: str, identity: str) -> Body:
        return self._method(self.state.kubernetes, "Kubernetes Auth", body, token, method, identity)

    def _method(self, stored: dict[str, Body], title: str, body: Body, token: str, method: str, identity: str) -> Body:
        self._manager(token)
        if not self.state.allows_internal and title == "Kubernetes Auth" and method != "GET":
            raise Refusal(400, "Local IPs not allowed as URL")
        if method == "POST" and identity in stored:
            raise Refusal(400, f"Failed to add {title} to already configured identity")
        if method != "POST" and identity not in stored:
            raise Refusal(400, f"The identity does not have {title} attached")
        if method == "DELETE":
            return stored.pop(identity)
        if method != "GET":
            stored[identity] = stored.get(identity, {"clientId": str(uuid.uuid4()), "secrets": {}}) | body
        return {"identityUniversalAuth": {"clientId": stored[identity]["clientId"]}}

    def _kubernetes_login(self, body: Body, _token: str) -> Body:
        auth = self.state.kubernetes.get(body["identityId"])
        if not auth:
            raise Refusal(404, "Kubernetes auth method not found for identity, did you configure Kubernetes auth?")
        if not self.state.allows_internal:
            raise Refusal(400, "Local IPs not allowed as URL")
        return {"accessToken": self._token(body["identityId"])}

    def _universal(self, body: Body, token: str, method: str, identity: str) -> Body:
        return self._method(self.state.universal, "Universal Auth", body, token, method, identity)

    def _client_secrets(self, body: Body, token: str, method: str, identity: str) -> Body:
        self._manager(token)
        secrets = self.state.universal[identity]["secrets"]
        if method == "GET":
            return {"clientSecretData": [{k: v for k, v in each.items() if k != "value"} for each in secrets.values()]}
        made = {"id": str(uuid.uuid4()), "value": str(uuid.uuid4()), "description": body["description"]}
        secrets[made["id"]] = made | {"isClientSecretRevoked": False}
        return {"clientSecret": made["value"], "clientSecretData": {"id": made["id"]}}

    def _revoke_client_secret(self, _body: Body, token: str, identity: str, secret: str) -> Body:
        self._manager(token)
        self.state.universal[identity]["secrets"][secret]["isClientSecretRevoked"] = True
        return {}

    def _universal_login(self, body: Body, _token: str) -> Body:
        for identity, auth in self.state.universal.items():
            for each in auth["secrets"].values():
                usable = each["value"] == body["clientSecret"] and not each["isClientSecretRevoked"]
                if auth["clientId"] == body["clientId"] and usable:
                    return {"accessToken": self._token(identity)}
        raise Refusal(401, "Invalid credentials")

    def _revoke(self, _body: Body, token: str, token_id: str) -> Body:
        self._manager(token)
        for each in [t for t in self.state.tokens if token_id in _payload(t)]:
            del self.state.tokens[each]
        return {}

    def _detach(self, _body: Body, token: str, identity: str) -> Body:
        self._manager(token)
        if identity in self.state.instance_admins and self._actor(token):
            raise Refusal(403, "You are not allowed to edit-auth on identity")
        self.state.identities[identity]["authMethods"] = []
        for each in [t for t, holder in self.state.tokens.items() if holder == identity]:
            del self.state.tokens[each]
        return {}


def _payload(token: str) -> str:
    payload = token.split(".")[1]
    return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
