"""The Kubernetes API as a pod sees it: the service account's token and CA, JSON in and out."""

import http.client
import json
import os
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from job import ConfigError, Failed, Pending
from tls import trusting

Object = dict[str, Any]

REQUEST_TIMEOUT_SECONDS = 10
# A RoleBinding made just before the Job reaches the authorizer's cache a moment later.
RIGHTS_GRACE_SECONDS = 15


class NotFound(Failed):
    """404: the object does not exist."""


class Conflict(Pending):
    """409: the object has changed since it was read."""


class Api:
    """Raises Pending where a retry can help (no connection, 409, 429, 5xx), and Failed otherwise."""

    def __init__(self) -> None:
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
        host = f"[{host}]" if ":" in host else host
        self._url = urlsplit(os.environ.get("KUBE_API_URL") or f"https://{host}:{port}")
        credentials = os.environ.get("KUBE_CREDENTIALS", "/var/run/secrets/kubernetes.io/serviceaccount")
        self._token = Path(credentials, "token")
        self._started = time.monotonic()
        if not self._url.hostname or not self._token.is_file():
            raise ConfigError(f"no service account at {credentials}, or no API server in KUBERNETES_SERVICE_HOST")
        self._tls = trusting(cafile=str(Path(credentials, "ca.crt")))
        self._tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as kubectl: the file may hold an intermediate alone

    def get(self, path: str) -> Object:
        """Return an object. Raises NotFound."""
        return json.loads(self._request("GET", path))

    def find(self, path: str) -> Object | None:
        """Return an object, or None where there is no such one."""
        try:
            return self.get(path)
        except NotFound:
            return None

    def items(self, path: str, **selectors: str) -> list[Object]:
        """Return the items of a list. Selectors are labelSelector and fieldSelector."""
        return json.loads(self._request("GET", f"{path}?{urlencode(selectors)}"))["items"]

    def merge_patch(self, path: str, change: Object, *, field_manager: str) -> Object:
        """Change an object and return it as it then is."""
        query = urlencode({"fieldManager": field_manager})
        return json.loads(self._request("PATCH", f"{path}?{query}", json.dumps(change)))

    def admit(self, collection: str, manifest: Object) -> None:
        """Have an object judged as if it were created, which it is not. Raises what a refused request does."""
        self._request("POST", f"{collection}?dryRun=All", json.dumps(manifest), "application/json")

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int = 60) -> str:
        """The end of a container's log, empty when none can be had: it only explains a failure known already."""
        query = urlencode({"container": container, "previous": str(previous).lower(), "tailLines": lines})
        try:
            return self._request("GET", f"{path('pods', namespace, pod)}/log?{query}").decode(errors="replace")
        except (Pending, Failed):
            return ""

    def _request(
        self, method: str, target: str, body: str | None = None, content_type: str = "application/merge-patch+json"
    ) -> bytes:
        headers = {
            # Read each time: the kubelet renews the token.
            "Authorization": f"Bearer {self._token.read_text().strip()}",
            "Accept": "application/json",
            "Content-Type": content_type,
        }
        connection = http.client.HTTPSConnection(
            self._url.hostname or "", self._url.port, timeout=REQUEST_TIMEOUT_SECONDS, context=self._tls
        )
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"API server {self._url.netloc}: certificate refused: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Pending(f"API server {self._url.netloc}: {error}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise self._refusal(f"{method} {target.partition('?')[0]}", response.status, answer)
        return answer

    def _refusal(self, request: str, status: int, answer: bytes) -> Exception:
        try:
            reason = json.loads(answer)["message"]
        except (ValueError, KeyError, TypeError):
            reason = answer.decode(errors="replace")[:300]
        message = f"API server answers {status} to {request}: {reason}"
        if status == 404:
            return NotFound(message)
        if status == 409:
            return Conflict(message)
        rights_may_come = status == 403 and time.monotonic() - self._started < RIGHTS_GRACE_SECONDS
        return Pending(message) if status == 429 or status >= 500 or rights_may_come else Failed(message)


def path(resource: str, namespace: str, name: str = "") -> str:
    """The URL path of a namespaced resource of the groups used here."""
    prefix = {
        "pods": "/api/v1",
        "secrets": "/api/v1",
        "events": "/api/v1",
        "endpoints": "/api/v1",
        "persistentvolumeclaims": "/api/v1",
        "deployments": "/apis/apps/v1",
        "replicasets": "/apis/apps/v1",
        "statefulsets": "/apis/apps/v1",
        "postgresqls": "/apis/acid.zalan.do/v1",
    }[resource]
    return f"{prefix}/namespaces/{namespace}/{resource}{'/' + name if name else ''}"
