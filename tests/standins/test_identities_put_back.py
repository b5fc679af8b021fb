"""An identity of an application: what somebody has changed of it is put back, and nobody gets theirs taken for it."""

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


def test_an_identity_that_somebody_has_prepared_does_not_become_the_operators(
    start: Start, environment: Environment, tmp_path: Path
) -> None:
    """Whoever may edit identities gives one any name and metadata, and keeps its credentials."""
    site = Site(bootstrap(start(environment)), tmp_path)
    theirs, token = site.instance.machine("webshop-operator")
    marker = [{"key": "infisical-platform", "value": "infisical-platform stack-1"}]
    site.instance.call("PATCH", f"/api/v1/identities/{theirs}", {"metadata": marker})
    site.provision(SHOP)
    assert site.viewers(SHOP) == [site.kube.identity("shop")["identityId"]] != [theirs]
    place = f"projectId={site.project}&environment=prod"
    assert site.instance.refusal("GET", f"/api/v4/secrets?{place}", token=token)[0] == 403


def test_an_identity_is_found_again_when_the_clusters_secret_is_lost(
    start: Start, environment: Environment, tmp_path: Path
) -> None:
    site = Site(bootstrap(start(environment)), tmp_path)
    site.provision(SHOP)
    before = site.kube.identity("shop")["identityId"]
    site.kube.secrets.clear()
    site.provision(SHOP)
    assert site.kube.identity("shop")["identityId"] == before
    assert site.machines().count("webshop-operator") == 1
