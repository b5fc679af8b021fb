"""Machine identities of the stand-in and how they authenticate, with upstream's refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.standins.authority import Authority
from tests.standins.conftest import Start
from tests.standins.engines import Postgres
from tests.standins.infisical import Environment
from tests.standins.instance import Instance, bootstrap, claims
from tests.standins.kubernetes_api import KubernetesApi, kubernetes_api

INTERNAL = {"ALLOW_INTERNAL_IP_CONNECTIONS": "true"}
LOGIN = "/api/v1/auth/kubernetes-auth/login"


def auth(kind: str, identity: str) -> str:
    return f"/api/v1/auth/{kind}-auth/identities/{identity}"


@pytest.fixture
def cluster(tmp_path: Path, authority: Authority) -> Iterator[KubernetesApi]:
    with kubernetes_api(tmp_path, authority) as api:
        yield api


def wish(cluster: KubernetesApi, authority: Authority, **changes: Any) -> dict[str, Any]:
    pinned = {"allowedNamespaces": "operators", "allowedNames": "infisical-shop", "allowedAudience": ""}
    return {
        "kubernetesHost": cluster.url,
        "caCert": authority.pem.decode(),
        **pinned,
        "accessTokenTTL": 3600,
        **changes,
    }


def test_names_are_not_unique_and_roles_decide(start: Start, environment: Environment) -> None:
    instance = bootstrap(start(environment))
    twins = {instance.identity("shop"), instance.identity("shop")}
    listed = instance.call("GET", f"/api/v1/identities?orgId={instance.organization}")["identities"]
    assert {each["identity"]["id"] for each in listed if each["identity"]["name"] == "shop"} == twins
    wanted = {"name": "x", "organizationId": instance.organization}
    _, nobody = instance.machine("nobody")
    assert instance.refusal("POST", "/api/v1/identities", wanted, token=nobody)[0] == 403
    _, member = instance.machine("member", "member")
    instance.call("POST", "/api/v1/identities", wanted, token=member)
    assert instance.refusal("POST", auth("universal", min(twins)), {}, token=member)[0] == 403
    assert "plan RBAC restriction" in instance.refusal("POST", "/api/v1/identities", wanted | {"role": "ops"})[1]
    instance.call("PATCH", f"/api/v1/identities/{min(twins)}", {"role": "member"})
    assert instance.call("GET", f"/api/v1/identities/{min(twins)}")["identity"]["role"] == "member"
    instance.call("DELETE", f"/api/v1/identities/{min(twins)}")
    assert instance.refusal("GET", f"/api/v1/identities/{min(twins)}")[0] == 404


def test_universal_auth(start: Start, environment: Environment) -> None:
    instance = bootstrap(start(environment))
    identity = instance.identity("shop")
    path = auth("universal", identity)
    client = instance.call("POST", path, {"accessTokenTTL": 60})["identityUniversalAuth"]["clientId"]
    assert instance.refusal("POST", path, {}) == (
        400,
        "Failed to add Universal Auth to already configured identity",
    )
    made = instance.call("POST", f"{path}/client-secrets", {"numUsesLimit": 1})
    credentials = {"clientId": client, "clientSecret": made["clientSecret"]}
    session = instance.call("POST", "/api/v1/auth/universal-auth/login", credentials)
    assert session["expiresIn"] == 60
    assert claims(session["accessToken"])["identityId"] == identity
    assert instance.refusal("POST", "/api/v1/auth/universal-auth/login", credentials)[0] == 401
    secret = instance.call("POST", f"{path}/client-secrets", {})
    instance.call("POST", f"{path}/client-secrets/{secret['clientSecretData']['id']}/revoke")
    revoked = {"clientId": client, "clientSecret": secret["clientSecret"]}
    assert instance.refusal("POST", "/api/v1/auth/universal-auth/login", revoked) == (401, "Invalid credentials")
    instance.call("DELETE", path)
    assert instance.refusal("GET", "/api/v1/identities/details", token=session["accessToken"])[0] == 401
    trusted = {"accessTokenTrustedIps": [{"ipAddress": "10.0.0.0/8"}]}
    assert "plan restriction" in instance.refusal("POST", path, trusted)[1]


def attached(instance: Instance, cluster: KubernetesApi, authority: Authority, **changes: Any) -> str:
    identity = instance.identity("shop-operator")
    instance.call("POST", auth("kubernetes", identity), wish(cluster, authority, **changes))
    return identity


def test_kubernetes_auth_reviews_the_clients_token_with_itself(
    start: Start,
    environment: Environment,
    cluster: KubernetesApi,
    authority: Authority,
    postgres: Postgres,
    database: str,
) -> None:
    instance = bootstrap(start(environment | INTERNAL))
    identity = attached(instance, cluster, authority)
    again = instance.refusal("POST", auth("kubernetes", identity), wish(cluster, authority))
    assert again == (400, "Failed to add Kubernetes Auth to already configured identity")
    cluster.tokens = {"operator": "operators:infisical-shop", "other": "shop:default", "twin": "operators:default"}
    assert instance.refusal("POST", LOGIN, {"identityId": identity, "jwt": "operator"})[0] == 401
    cluster.reviewers = {"operator", "other", "twin"}
    session = instance.call("POST", LOGIN, {"identityId": identity, "jwt": "operator"})
    assert session["expiresIn"] == 3600
    details = instance.call("GET", "/api/v1/identities/details", token=session["accessToken"])
    assert details["identityDetails"]["organization"]["id"] == instance.organization
    elsewhere = instance.refusal("POST", LOGIN, {"identityId": identity, "jwt": "other"})
    assert elsewhere == (401, "Access denied: K8s namespace not allowed.")
    named = instance.refusal("POST", LOGIN, {"identityId": identity, "jwt": "twin"})
    assert named == (401, "Access denied: K8s name not allowed.")
    instance.call("PATCH", auth("kubernetes", identity), {"allowedNamespaces": "operators, shop", "allowedNames": ""})
    instance.call("POST", LOGIN, {"identityId": identity, "jwt": "other"})
    shown = instance.call("GET", auth("kubernetes", identity))["identityKubernetesAuth"]
    assert shown["caCert"] == authority.pem.decode().strip()
    assert "BEGIN" not in postgres.sql(
        "select encode(\"encryptedCaCert\", 'escape') from identity_kubernetes_auths", database
    )


def test_internal_addresses_are_refused_when_attached_and_later_at_login(
    start: Start, environment: Environment, cluster: KubernetesApi, authority: Authority
) -> None:
    open_server = bootstrap(start(environment | INTERNAL))
    identity = attached(open_server, cluster, authority)
    cluster.tokens, cluster.reviewers = {"operator": "operators:infisical-shop"}, {"operator"}
    credentials = {"identityId": identity, "jwt": "operator"}

    def instance(released: str) -> Instance:
        server = start(environment | {"STAND_IN_RELEASED": released})
        server.detail()
        return Instance(server=server, organization=open_server.organization, token=open_server.token)

    refused = (400, "Local IPs not allowed as URL")
    newest = instance("2026-09-15")
    assert newest.refusal("POST", LOGIN, credentials) == refused
    path = auth("kubernetes", newest.identity("other"))
    assert newest.refusal("POST", path, wish(cluster, authority)) == refused
    middle = instance("2026-01-15")
    assert middle.refusal("POST", path, wish(cluster, authority)) == refused
    assert middle.call("POST", LOGIN, credentials)["tokenType"] == "Bearer"
    oldest = instance("2024-10-01")
    assert oldest.refusal("POST", path, wish(cluster, authority))[0] == 422
    oldest.call("POST", path, wish(cluster, authority, tokenReviewerJwt="operator"))


def test_a_reviewer_without_the_right_is_told_when_auth_is_attached(
    start: Start, environment: Environment, cluster: KubernetesApi, authority: Authority
) -> None:
    instance = bootstrap(start(environment | INTERNAL))
    cluster.tokens = {"reviewer": "operators:reviewer"}
    path = auth("kubernetes", instance.identity("shop"))
    refused = instance.refusal("POST", path, wish(cluster, authority, tokenReviewerJwt="reviewer"))
    assert "system:auth-delegator" in refused[1]
    wrong = instance.refusal("POST", path, wish(cluster, authority, caCert=Authority("other").pem.decode()))
    assert wrong[1].startswith(f"Failed to connect to Kubernetes host at {cluster.url}")


def test_limits_a_minute_say_how_long_to_wait(start: Start, environment: Environment) -> None:
    server = start(environment | {"STAND_IN_RATE_LIMITS": "read=2"})
    server.detail()
    answers = [server.request("GET", "/api/v1/admin/config") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
