"""What an application's end, and the end of a way to log in, leave behind: nothing that opens anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from application_secrets import Provision
from application_server import Server
from application_wish import Application
from infisical_api import ApiError
from job import Failed

from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import bootstrap
from tests.standins.test_application_secrets import OLDER, SHOP, Site

RETIRED = Application(name="shop", slug="webshop", retired=True)


@pytest.fixture
def site(start: Start, environment: Environment, tmp_path: Path) -> Site:
    return Site(bootstrap(start(environment)), tmp_path)


def change_identity(site: Site, **change: Any) -> None:
    path = f"/api/v1/identities/{site.kube.identity('shop')['identityId']}"
    site.instance.call("PATCH", path, change)


def test_the_operators_identity_ends_whatever_it_is_called(site: Site) -> None:
    site.provision(replace(SHOP, name="blog", slug="weblog"), SHOP)
    change_identity(site, name="shop operator (do not delete)")
    site.provision(RETIRED)
    assert [each for each in site.machines() if "operator" in each] == ["weblog-operator"]


def test_an_identity_of_before_is_marked_and_found(site: Site) -> None:
    site.provision(SHOP)
    change_identity(site, metadata=[{"key": "infisical-platform", "value": "infisical-platform stack-1"}])
    assert site.provision(SHOP).counts["identities changed"] == 1
    assert not site.provision(SHOP).counts["identities changed"]
    change_identity(site, name="other")
    site.provision(RETIRED)
    assert not [each for each in site.machines() if each in ("other", "webshop-operator")]


def test_a_project_with_another_slug_is_not_left_behind_unsaid(site: Site) -> None:
    site.provision(SHOP)
    site.instance.call("PATCH", f"/api/v1/projects/{site.project}", {"slug": "renamed"})
    with pytest.raises(Failed, match="set `project` of the application to renamed"):
        site.provision(RETIRED)
    assert "webshop-operator" not in site.machines()


def test_a_project_that_the_stacks_account_is_not_in_is_named(site: Site) -> None:
    site.provision(SHOP)
    _, token = site.instance.machine("anew", "admin")
    run = Site(replace(site.instance, token=token), site.folder).provision(RETIRED)
    [line] = run.drift
    assert line.startswith(
        "shop: project webshop is the stack's, and is still there: the stack's identity is not in it"
    )
    assert not run.counts["projects removed"]
    assert site.provision(RETIRED).counts["projects removed"] == 1
    assert site.provision(RETIRED).drift == []


@pytest.mark.parametrize("refusal", [(403, "Project delete protection is enabled"), (404, "Route DELETE:/x not found")])
def test_a_project_that_infisical_keeps_is_named_and_stops_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch, refusal: tuple[int, str]
) -> None:
    site.provision(SHOP)
    delete = site._server().api.__class__.delete

    def refused(self: Any, path: str, body: Any = None) -> Any:
        if path.startswith("/api/v1/projects/"):
            raise ApiError(*refusal, "DELETE", path)
        return delete(self, path, body)

    monkeypatch.setattr(f"{Server.__module__}.InfisicalApi.delete", refused)
    run = site.provision(RETIRED)
    assert run.drift == [f"shop: Infisical does not delete project webshop ({refusal[1]}). Delete it in the web UI"]
    assert run.server.api.requests < 40


PROOF = Application(name="operator-canary", slug="operator-canary", environments={"canary": "Canary"})


def about_the_proof(run: Provision) -> list[str]:
    return [each for each in run.drift if "operator-canary" in each]


def slugs(site: Site) -> list[str]:
    return sorted(each["slug"] for each in site._server().projects())


def test_the_operators_proof_ends_with_the_operator_and_is_no_drift(site: Site) -> None:
    site.provision(PROOF, SHOP)
    assert not about_the_proof(site.provision(PROOF, SHOP))
    assert "operator-canary" in slugs(site)
    assert not about_the_proof(site.provision(SHOP))
    assert slugs(site) == ["webshop"]
    assert [each for each in site.machines() if "operator" in each] == ["webshop-operator"]


def test_the_operators_proof_is_completed_by_the_next_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed has ended what opens the project, and not the project."""
    site.provision(PROOF, SHOP)
    refused = ApiError(403, "Project delete protection is enabled", "DELETE", "/")
    with monkeypatch.context() as killed:
        killed.setattr(Server, "delete", lambda self, project: (_ for _ in ()).throw(refused))
        with pytest.raises(Failed, match="application operator-canary: "):
            site.provision(SHOP)
    assert "operator-canary-operator" not in site.machines()
    site.provision(SHOP)
    assert slugs(site) == ["webshop"]


def test_a_proof_that_infisical_keeps_is_named_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.provision(PROOF, SHOP)
    monkeypatch.setattr(Server, "delete", lambda self, project: "Infisical does not delete it")
    assert about_the_proof(site.provision(SHOP)) == ["operator-canary: Infisical does not delete it"]


def test_a_project_of_that_name_that_is_not_the_stacks_stays(site: Site) -> None:
    site._server().create("operator-canary", "operator-canary", "infisical-platform stack-2 keeps this project")
    assert not about_the_proof(site.provision(SHOP))
    assert slugs(site) == ["operator-canary", "webshop"]


def test_a_log_in_without_end_goes_with_its_use(start: Start, environment: Environment, tmp_path: Path) -> None:
    site = Site(bootstrap(start(environment | OLDER)), tmp_path)
    site.provision(SHOP)
    known = site.kube.identity("shop")
    site.auth = "kubernetes"
    site.provision(SHOP)
    assert site.kube.identity("shop") == {"identityId": known["identityId"]}
    path = f"/api/v1/auth/universal-auth/identities/{known['identityId']}"
    assert site.instance.refusal("GET", path)[0] in (400, 404)
    assert not site.provision(SHOP).counts["identities changed"]


def test_a_client_secret_that_nobody_keeps_is_revoked(site: Site) -> None:
    site.provision(SHOP)
    known = site.kube.identity("shop")
    site.kube.secrets.clear()
    site.provision(SHOP)
    credentials = {"clientId": known["clientId"], "clientSecret": known["clientSecret"]}
    assert site.instance.refusal("POST", "/api/v1/auth/universal-auth/login", credentials)[0] == 401
    path = f"/api/v1/auth/universal-auth/identities/{known['identityId']}/client-secrets"
    listed = site.instance.call("GET", path)["clientSecretData"]
    assert len([each for each in listed if not each["isClientSecretRevoked"]]) == 1
