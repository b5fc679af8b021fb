"""What somebody has changed of an application's machine identity is put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import OLDER, SHOP, Site


@pytest.mark.parametrize(
    "change",
    [{"accessTokenMaxTTL": 86400}, {"accessTokenMaxTTL": 86400, "accessTokenTTL": 86400}, {"allowedNames": "other"}],
    ids=["longest", "both", "name"],
)
def test_how_it_logs_in_is_put_back(
    start: Start, environment: Environment, tmp_path: Path, change: dict[str, object]
) -> None:
    site = Site(bootstrap(start(environment | OLDER)), tmp_path, "kubernetes")
    site.provision(SHOP)
    path = f"/api/v1/auth/kubernetes-auth/identities/{site.kube.identity('shop')['identityId']}"
    before = site.instance.call("GET", path)["identityKubernetesAuth"]
    site.instance.call("PATCH", path, change)
    site.provision(SHOP)
    after = site.instance.call("GET", path)["identityKubernetesAuth"]
    assert {key: after[key] for key in change} == {key: before[key] for key in change}


def test_a_client_secret_that_somebody_has_revoked_is_replaced(
    start: Start, environment: Environment, tmp_path: Path
) -> None:
    site = Site(bootstrap(start(environment)), tmp_path)
    site.provision(SHOP)
    before = site.kube.identity("shop")
    path = f"/api/v1/auth/universal-auth/identities/{before['identityId']}/client-secrets"
    [made] = site.instance.call("GET", path)["clientSecretData"]
    assert not site.provision(SHOP).counts["identities changed"]
    site.instance.call("POST", f"{path}/{made['id']}/revoke", {})
    assert site.provision(SHOP).counts["identities changed"] == 1
    after = site.kube.identity("shop")
    assert after["clientId"] == before["clientId"]
    credentials = {"clientId": after["clientId"], "clientSecret": after["clientSecret"]}
    site.instance.call("POST", "/api/v1/auth/universal-auth/login", credentials)
