"""The first admin of the stand-in: once, not atomic, and as upstream's releases differ."""

from __future__ import annotations

import pytest

from tests.standins.conftest import Start
from tests.standins.engines import Postgres, Redis
from tests.standins.infisical import Environment
from tests.standins.instance import ADMIN, bootstrap, claims

BOOTSTRAP, CONFIG = "/api/v1/admin/bootstrap", "/api/v1/admin/config"


def test_the_first_admin_logs_in_and_sign_up_is_closed(start: Start, environment: Environment) -> None:
    server = start(environment)
    server.detail()
    assert server.request("GET", CONFIG).body["config"]["allowSignUp"] is True
    assert server.request("POST", "/api/v1/signup/email/signup", {"email": "a@b.example"}).status == 200
    instance = bootstrap(server)
    assert instance.call("GET", CONFIG)["config"]["allowSignUp"] is False
    refused = instance.refusal("POST", "/api/v1/signup/email/signup", {"email": "a@b.example"})
    assert refused == (403, "Signup's are disabled")
    person = instance.log_in()
    organizations = instance.call("GET", "/api/v1/organization", token=person)["organizations"]
    assert [each["id"] for each in organizations] == [instance.organization]
    wrong = {"email": ADMIN["email"], "password": "wrong"}
    assert instance.refusal("POST", "/api/v3/auth/login", wrong) == (400, "Invalid username or email")
    signup = ADMIN | {"firstName": "A"}
    assert instance.refusal("POST", "/api/v1/admin/signup", signup) == (400, "Admin account has already been set up")


def test_whoever_signs_up_first_owns_the_instance(start: Start, environment: Environment) -> None:
    server = start(environment)
    server.detail()
    stranger = {"email": "stranger@example.org", "password": "x", "firstName": "S"}
    assert server.request("POST", "/api/v1/admin/signup", stranger).status == 200
    answer = server.request("POST", BOOTSTRAP, ADMIN)
    assert (answer.status, answer.body["message"]) == (400, "Instance has already been set up")


@pytest.mark.parametrize("step", ["user", "organization", "identity"])
def test_a_crash_leaves_half_a_bootstrap(
    start: Start, postgres: Postgres, environment: Environment, database: str, step: str
) -> None:
    dying = start(environment | {"STAND_IN_DIES_AFTER": step})
    dying.detail()
    with pytest.raises(OSError, match=r"."):
        dying.request("POST", BOOTSTRAP, ADMIN)
    assert dying.exit_code() == 1
    server = start(environment)
    server.detail()
    assert server.request("GET", CONFIG).body["config"]["initialized"] is False
    again = server.request("POST", BOOTSTRAP, ADMIN)
    assert (again.status, again.body["message"]) == (400, "User already exists")
    assert postgres.sql("select count(*) from users", database) == "1"
    assert server.request("POST", BOOTSTRAP, ADMIN | {"email": "other@example.org"}).status == 200


def test_the_token_of_the_first_identity_has_no_end_until_it_is_revoked(start: Start, environment: Environment) -> None:
    instance = bootstrap(start(environment))
    held = claims(instance.token)
    assert "exp" not in held
    assert instance.call("PATCH", CONFIG, {"allowSignUp": True})["config"]["allowSignUp"] is True
    revoke = f"/api/v1/auth/token-auth/tokens/{held['identityAccessTokenId']}/revoke"
    instance.call("POST", revoke)
    assert instance.refusal("GET", "/api/v1/identities/details")[0] == 401


def test_a_changed_auth_secret_ends_every_token(start: Start, environment: Environment) -> None:
    instance = bootstrap(start(environment))
    other = start(environment | {"AUTH_SECRET": "another"})
    other.detail()
    answer = other.request("GET", "/api/v1/identities/details", token=instance.token)
    assert (answer.status, answer.body["error"], answer.body["message"]) == (403, "TokenError", "invalid signature")
    assert other.request("GET", "/api/v1/identities/details", token="no-jwt").body["message"].startswith("The provided")
    assert other.request("GET", "/api/v1/identities/details").body["message"] == "Token missing"


def test_configuration_is_as_old_as_its_cache(start: Start, redis: Redis, environment: Environment) -> None:
    first, second = start(environment), start(environment)
    for server in (first, second):
        server.detail()
        assert server.request("GET", CONFIG).body["config"]["initialized"] is False
    stale = redis.cli("get", "infisical-admin-cfg")
    instance = bootstrap(first)
    redis.cli("set", "infisical-admin-cfg", stale)
    assert second.request("GET", CONFIG).body["config"]["initialized"] is False
    assert second.request("POST", BOOTSTRAP, ADMIN).body["message"] == "Instance has already been set up"
    instance.call("PATCH", CONFIG, {"allowSignUp": False})
    assert 0 < int(redis.cli("ttl", "infisical-admin-cfg")) <= 60
    assert second.request("GET", CONFIG).body["config"]["initialized"] is True


def test_login_methods_changed_by_an_identity_are_an_error_of_the_server(
    start: Start, environment: Environment
) -> None:
    instance = bootstrap(start(environment))
    body = {"enabledLoginMethods": ["email"]}
    assert instance.refusal("PATCH", CONFIG, body) == (500, "Something went wrong")
    assert instance.call("PATCH", CONFIG, body, token=instance.log_in())["config"]["enabledLoginMethods"] == ["email"]


def test_what_a_body_lacks_is_a_list(start: Start, environment: Environment) -> None:
    server = start(environment)
    server.detail()
    answer = server.request("POST", BOOTSTRAP, {"email": "nobody", "password": ""})
    assert answer.status == 422
    assert answer.body["error"] == "ValidationFailure"
    assert [issue["path"] for issue in answer.body["message"]] == [["email"], ["password"], ["organization"]]


def test_older_releases(start: Start, environment: Environment) -> None:
    oldest = start(environment | {"STAND_IN_RELEASED": "2024-10-01"})
    oldest.detail()
    assert oldest.request("POST", BOOTSTRAP, ADMIN).status == 404
    middle = bootstrap(start(environment | {"STAND_IN_RELEASED": "2025-06-01"}))
    assert middle.call("GET", CONFIG)["config"]["allowSignUp"] is True
    login = {"email": ADMIN["email"], "password": ADMIN["password"]}
    assert middle.refusal("POST", "/api/v3/auth/login", login) == (400, "Legacy encryption scheme not supported")
    answer = oldest.request("PATCH", CONFIG, {"allowSignUp": False}, middle.token)
    assert answer.status == 403
