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
