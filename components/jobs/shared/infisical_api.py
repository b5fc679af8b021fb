"""Speak to Infisical's API: JSON in and out, retries where a retry can do no harm, and errors without values."""

import http.client
import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from job import Failed

Object = dict[str, Any]

PROVISIONERS = "infisical-provisioner-"  # how the names of all stacks' own identities begin
REQUEST_TIMEOUT_SECONDS = 20
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 15.0


class ApiError(Failed):
    """Infisical refuses a request: its status and words, never what was sent. Status 0: no answer came."""

    def __init__(self, status: int, message: str, method: str, path: str) -> None:
        self.status, self.message, self.method, self.path = status, message, method, path
        what = f"answers {status} to {method} {path}: {message}" if status else f"{method} {path}: {message}"
        super().__init__(f"Infisical {what}")

    @property
    def has_no_route(self) -> bool:
        """Return whether the server has no such route, in distinction to no such object."""
        return self.status == 404 and self.message.startswith("Route ")


class InfisicalApi:
    """Send requests until `deadline_seconds` after its making.

    A GET, PUT or DELETE is sent again after a lost connection, 429 and 5xx. So is any other request that is called
    `idempotent`. The rest is sent again only where the server surely has not acted: no connection was made, or it
    answers 429.
    """

    def __init__(self, url: str, *, token: str = "", deadline_seconds: float = 120) -> None:
        self._url = urlsplit(url)
        self._end: float = time.monotonic() + deadline_seconds
        self.token = token
        self.requests = 0  # how many were sent
        self.hide: Callable[[str], str] = lambda text: text  # applied to upstream's words, which may echo a value

    def with_token(self, token: str) -> "InfisicalApi":
        """Return a client of the same server and deadline that sends this token."""
        other = InfisicalApi(self._url.geturl(), token=token, deadline_seconds=self.seconds_left)
        other.hide = self.hide
        return other

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the deadline."""
        return max(0.0, self._end - time.monotonic())

    @contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """Have the deadline be so soon, and not later than it is, until the block's end."""
        end = self._end
        self._end = min(end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._end = end

    def get(self, path: str, **query: str) -> Object:
        """Return what a GET answers."""
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Object | None = None, *, idempotent: bool = False) -> Object:
        """Return what a POST answers."""
        return self.send("POST", path, body or {}, idempotent=idempotent)

    def patch(self, path: str, body: Object, *, idempotent: bool = True) -> Object:
        """Return what a PATCH answers. A PATCH that sets values does no harm twice."""
        return self.send("PATCH", path, body, idempotent=idempotent)

    def delete(self, path: str, body: Object | None = None) -> Object:
        """Return what a DELETE answers."""
        return self.send("DELETE", path, body)

    def send(self, method: str, path: str, body: Object | None = None, *, idempotent: bool = False) -> Object:
        """Return what a request answers. Raises ApiError."""
        again = idempotent or method in _IDEMPOTENT
        pause = _FIRST_PAUSE_SECONDS
        while True:
            attempt = self._once(method, path, body)
            if 200 <= attempt.status < 300 and attempt.content is not None:
                return attempt.content
            harmless = attempt.unsent or attempt.status == 429
            retryable = harmless or (again and (attempt.status == 0 or attempt.status >= 500))
            wait = max(pause, attempt.retry_after)
            if not retryable or wait >= self.seconds_left:
                self._refuse(attempt, method, path)
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _once(self, method: str, path: str, body: Object | None) -> "_Attempt":
        scheme = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        timeout = max(1.0, min(REQUEST_TIMEOUT_SECONDS, self.seconds_left))
        connection = scheme(self._url.hostname or "", self._url.port, timeout=timeout)
        headers = {"Accept": "application/json", "User-Agent": "infisical-platform"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.requests += 1
        try:
            try:
                connection.connect()
            except OSError as error:
                return _Attempt(unsent=True, message=str(error))
            connection.request(method, path, json.dumps(body).encode() if body is not None else None, headers)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            return _Attempt(message=f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        return _answer(response.status, raw, response.getheader("Retry-After", ""))

    def _refuse(self, attempt: "_Attempt", method: str, path: str) -> NoReturn:
        raise ApiError(attempt.status, self.hide(attempt.message), method, path.partition("?")[0])


@dataclass(frozen=True)
class _Attempt:
    content: Object | None = None
    status: int = 0  # 0: no answer
    message: str = ""
    retry_after: float = 0
    unsent: bool = False  # no connection was made, so the server has not acted


def _answer(status: int, raw: bytes, retry_after: str) -> _Attempt:
    seconds = float(retry_after) if retry_after.isdecimal() else 0.0  # its other form, a date, is not used upstream
    try:
        content = json.loads(raw or b"{}")
    except ValueError:
        text = " ".join(raw.decode(errors="replace").split())[:200]
        return _Attempt(status=status, message=f"not JSON but {text!r}", retry_after=seconds)
    message = content.get("message", "") if isinstance(content, dict) else ""  # pyright: ignore
    # Validation answers a list of issues, whose `received` may be what was sent: their messages alone are shown.
    if isinstance(message, list):
        message = "; ".join(str(issue.get("message", "")) for issue in message if isinstance(issue, dict))  # pyright: ignore
    return _Attempt(content=content, status=status, message=str(message) or "no reason given", retry_after=seconds)  # pyright: ignore


def kubernetes_login(api: InfisicalApi, identity: str) -> InfisicalApi:
    """Return a client that is logged in by kubernetes auth, with the token of the pod's ServiceAccount."""
    jwt = Path(os.environ.get("KUBE_CREDENTIALS", _ACCOUNT), "token").read_text().strip()
    return _login(api, "kubernetes-auth", {"identityId": identity, "jwt": jwt})


def universal_login(api: InfisicalApi, client_id: str, client_secret: str) -> InfisicalApi:
    """Return a client that is logged in by universal auth."""
    return _login(api, "universal-auth", {"clientId": client_id, "clientSecret": client_secret})


def provisioner(stack: str) -> str:
    """Return the name of the own identity of the stack with this id. Names of identities are not unique."""
    return f"{PROVISIONERS}{stack[:8]}"


def machine_login(api: InfisicalApi, bootstrap: dict[str, str]) -> InfisicalApi:
    """Return a client that is logged in as the provisioner, by what its Secret `infisical-bootstrap` holds."""
    if bootstrap.get("clientId") and bootstrap.get("clientSecret"):
        return universal_login(api, bootstrap["clientId"], bootstrap["clientSecret"])
    if not bootstrap.get("identityId"):
        raise Failed("the Secret has neither identityId nor clientId: the Bootstrap has not ended yet")
    return kubernetes_login(api, bootstrap["identityId"])


def stack_login(api: InfisicalApi, bootstrap: dict[str, str], namespace: str = "infisical") -> InfisicalApi:
    """Return a client that is logged in as the provisioner. Raises Failed where the bootstrap has to mend it."""
    try:
        return machine_login(api, bootstrap)
    except ApiError as error:
        if error.status not in (400, 401, 403, 404):
            raise
        raise Failed(
            f"the stack's own identity can't log in: {error.message}. Have it made anew: `kubectl delete job bootstrap "
            f"-n {namespace}`, `make refresh STACK=NAME`, `pulumi up --stack NAME` "
            "(docs/runbooks/bootstrap.md#the-stack-can-not-log-in)"
        ) from error


def _login(api: InfisicalApi, method: str, credentials: Object) -> InfisicalApi:
    # Twice does no harm: a second token is made, and the first one expires.
    answer = api.post(f"/api/v1/auth/{method}/login", credentials, idempotent=True)
    return api.with_token(str(answer["accessToken"]))
