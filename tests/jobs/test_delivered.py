"""A delivery is believed by its bytes, and what holds it up is said: against the stand-in of the operator."""

from __future__ import annotations

import base64

import pytest
from delivery_bench import DEPLOYMENT, Shop
from delivery_wish import HAS_NO_VALUE, said_missing
from job_operator import HOME


def test_bytes_that_are_as_the_stack_says(shop: Shop) -> None:
    shop.deliver()
    assert shop.judged() == (0, "delivered: 1 of 1 Secrets with 1 keys are delivered")


def test_bytes_that_another_operator_has_left_prove_nothing(shop: Shop) -> None:
    shop.deliver()
    shop.world.arrives(shop.name, {"A": b"one"})
    shop.world.infisical.list_refusal = (404, {"message": "Folder with path '/' not found"})
    shop.world.fails(shop.name, "Folder with path")
    status, said = shop.judged(0)
    shop.world.infisical.list_refusal = None
    assert (status, "it was right before, and the operator says: " in said) == (1, True), said
    shop.world.cluster.call("DELETE", shop.static)
    assert "and its InfisicalStaticSecret is gone" in shop.judged(0)[1]


def test_other_bytes_are_named_and_not_shown(shop: Shop) -> None:
    shop.world.infisical.secrets = {"A": "hunter2"}
    shop.deliver()
    shop.world.arrives(shop.name, {"A": b"hunter2"})
    status, said = shop.judged(0)
    assert status == 1
    where = f"Secret {shop.world.namespace}/{shop.name} (application shop, prod, /)"
    assert said.endswith(f"{where}: A is not what the stack says")


def test_it_waits_until_a_changed_value_has_arrived(shop: Shop) -> None:
    shop.deliver()
    shop.world.arrives(shop.name, {"A": b"one"})
    (shop.values / "a").write_bytes(b"two")
    job = shop.gate()
    job.sees("A is not what the stack says")
    shop.world.infisical.secrets = {"A": "two"}
    shop.world.hurry(shop.name)
    assert job.outcome().status == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"A": b"<no value>"}, "A is the text <no value>"),
        ({"A": b""}, "A is empty"),
        ({}, "A missing"),
    ],
)
def test_what_the_operator_calls_delivered_and_is_not(shop: Shop, data: dict[str, bytes], said: str) -> None:
    shop.keys = [{"key": "A", "secret": "A", "owner": "people"}]
    shop.deliver(template={"engineVersion": "v1", "data": {"A": '{{ "x" }}'}})
    shop.world.arrives(shop.name, {"A": b"x"})
    path = f"/api/v1/namespaces/{shop.world.namespace}/secrets/{shop.name}"
    encoded = {"A": None, **{key: base64.b64encode(value).decode() for key, value in data.items()}}
    shop.world.cluster.call("PATCH", path, {"data": encoded})
    status, line = shop.judged(0)
    assert (status, said in line) == (1, True), line


def test_a_type_that_stayed_is_named(shop: Shop) -> None:
    shop.world.cluster.secret(shop.world.namespace, shop.name, {})
    shop.deliver()
    shop.world.arrives(shop.name, {"A": b"one"})
    shop.kind = "kubernetes.io/tls"
    assert "it is of type Opaque, not kubernetes.io/tls" in shop.judged(0)[1]


def test_what_only_people_can_write_holds_up_nobody(shop: Shop) -> None:
    """Otherwise one application whose people are late would stop every `up` of the platform."""
    shop.keys = [*shop.keys, {"key": "STRIPE", "secret": "STRIPE", "owner": "people"}]
    shop.deliver()
    status, said = shop.judged()
    waits = f"Secret {shop.world.namespace}/{shop.name} waits for people: STRIPE"
    assert (status, said) == (0, f"delivered: 0 of 1 Secrets with 2 keys are delivered; {waits}")
    shop.world.infisical.secrets["STRIPE"] = "written"
    shop.world.hurry(shop.name)
    shop.world.arrives(shop.name, {"A": b"one", "STRIPE": b"written"})
    assert shop.judged() == (0, "delivered: 1 of 1 Secrets with 2 keys are delivered")


def test_what_the_stack_should_have_written_does(shop: Shop) -> None:
    shop.world.infisical.secrets = {}
    shop.deliver()
    shop.world.fails(shop.name, "A has no value in Infisical")
    status, said = shop.judged(0)
    assert status == 1
    assert "it doesn't exist, and the operator says: " in said
    assert "A has no value in Infisical" in said


@pytest.mark.parametrize("theirs", ["TOKEN", "KEY", "API.KEY", "API_TOKEN.KEY"])
def test_a_secret_of_the_stacks_is_not_one_that_people_have_yet_to_write(theirs: str) -> None:
    """Of which the name ends like one of theirs."""
    ours = f"my-API_{theirs}"
    said = f'executing "A" at <fail "{ours} {HAS_NO_VALUE}">: error calling fail: {{}} {HAS_NO_VALUE}'
    assert not said_missing(theirs, said.format(ours))
    assert said_missing(theirs, said.format(theirs))
    assert said_missing(ours, said.format(ours))
    assert said_missing(theirs, f"{theirs} {HAS_NO_VALUE}")


def test_what_came_by_another_log_in_proves_nothing(shop: Shop) -> None:
    shop.deliver()
    shop.world.arrives(shop.name, {"A": b"one"})
    shop.method = "universal"
    status, said = shop.judged(0)
    why = "it was right before, and the operator has not logged in by universal for it yet"
    assert (status, said.endswith(why)) == (1, True), said


def test_what_another_log_in_has_not_found_may_be_there(shop: Shop) -> None:
    shop.keys = [*shop.keys, {"key": "STRIPE", "secret": "STRIPE", "owner": "people"}]
    shop.deliver()
    shop.world.fails(shop.name, "STRIPE has no value in Infisical")
    shop.method = "universal"
    assert shop.judged(0)[0] == 1


def test_an_operator_that_is_away_is_said(shop: Shop) -> None:
    shop.world.infisical.secrets = {"A": "other"}
    shop.deliver()  # by the test's own operator; the Deployment of that name has no pod
    shop.world.arrives(shop.name, {"A": b"other"})
    assert f"the operator doesn't run: deployment {HOME}/{DEPLOYMENT} has no ready pod" in shop.judged(0)[1]


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (
            "Route GET:/api/v4/secrets?projectId=p1 not found",
            "this Infisical has no /api/v4/secrets: use a newer image",
        ),
        (
            "Project with p1 not found",
            "that project is gone, and the operator keeps a slug's project ",
        ),
        ("Project with ID 'p1' not found", f"`kubectl rollout restart deployment/{DEPLOYMENT} -n {HOME}`"),
        ("Folder with path '/x' in environment with slug 'prod' not found", ""),
    ],
)
def test_what_is_not_found_is_said_with_what_it_means(shop: Shop, message: str, meaning: str) -> None:
    shop.world.infisical.list_refusal = (404, {"message": message})
    shop.deliver()
    shop.world.fails(shop.name, message)
    said = shop.judged(0)[1]
    shop.world.infisical.list_refusal = None
    assert message in said
    assert meaning in said
    assert meaning or "newer image" not in said


def test_a_server_without_slugs_is_said(shop: Shop) -> None:
    shop.deliver(project="another")
    shop.world.fails(shop.name, 'project with slug "another" not found')
    assert "this Infisical has no /api/v1/projects/slug: use a newer image" in shop.judged(0)[1]


def test_a_log_in_that_fails_is_said_with_what_it_means(shop: Shop) -> None:
    auth = f"/apis/secrets.infisical.com/v1beta1/namespaces/{HOME}/infisicalauths/infisical-shop"
    shop.world.infisical.refusal = (400, "Local IPs not allowed as URL")
    shop.world.cluster.call("PATCH", auth, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": ["x"]}}})
    shop.deliver()
    shop.world.fails(shop.name, "InfisicalAuth is not ready")
    status, said = shop.judged(0)
    shop.world.infisical.refusal = None
    shop.world.cluster.call("PATCH", auth, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": None}}})
    assert status == 1
    assert "application shop: infisicalAuth is not ready to be used" in said
    assert "(set infisical.allowInternalIpConnections to true, or organization.machineAuth to universal)" in said
    shop.world.arrives(shop.name, {"A": b"one"})
