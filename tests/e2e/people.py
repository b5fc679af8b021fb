"""What people do in the web UI of Infisical, by the requests that it makes."""

from __future__ import annotations

import base64
from typing import Any

from views import Kubectl, Site


def write(site: Site, kubectl: Kubectl, project: str, key: str, value: str, path: str = "/") -> None:
    """Write a value of environment `prod` as the admin, the first one or a different one."""
    admin = kubectl.secret("infisical", "infisical-admin")
    email, password = (base64.b64decode(admin[each]).decode() for each in ("email", "password"))
    token = _ask(site, "POST", "/api/v3/auth/login", {"email": email, "password": password})["accessToken"]
    kept = kubectl.secret("infisical", "infisical-bootstrap")
    chosen = {"organizationId": base64.b64decode(kept["organizationId"]).decode()}
    token = _ask(site, "POST", "/api/v3/auth/select-organization", chosen, token)["token"]
    found = _ask(site, "GET", "/api/v1/projects", token=token)["projects"]
    place = {"projectId": next(each["id"] for each in found if each["slug"] == project), "environment": "prod"}
    body = {**place, "secretPath": path, "secretValue": value}
    status, _ = site.request("PATCH", f"/api/v4/secrets/{key}", body, token)
    assert status in (200, 404)
    if status == 404:
        _ask(site, "POST", f"/api/v4/secrets/{key}", body, token)


def _ask(site: Site, method: str, path: str, body: object = None, token: str = "") -> Any:
    status, answer = site.request(method, path, body, token)
    assert status == 200, answer
    return answer
