"""Secrets for which an application has no folder yet: those of a second namespace, and those that were made later."""

from __future__ import annotations

from typing import Any

import pytest

from operations.errors import OperationError
from operations.moving import stack_file
from operations.moving.plan import Found, Plan
from tests.tools.moving.namespace import Shop
from tests.tools.moving.objects import line
from tests.tools.moving.test_deliveries import deliver

PEOPLE = {"owner": "people"}


def refused(shop: Shop, *options: str, leave: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(OperationError) as said:
        shop.run("plan", *options, leave=leave)
    return str(said.value).replace(str(shop.file), "FILE").splitlines()


@pytest.mark.parametrize("options", [(), ("--yes",), ("--all", "--yes")])
def test_a_secret_that_was_made_later_ends_the_move_until_it_has_a_folder(shop: Shop, options: tuple[str, ...]) -> None:
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    shop.cluster.said["inventory"].append(line("queue"))
    before = shop.file.read_text()
    make = "make migrate-secrets STACK=prod NAMESPACE=shop OPTIONS='--step plan"
    assert refused(shop, *options) == [
        "FILE has application shop already, and in prod no folder for Secret queue of namespace shop",
        "write into the stack file as well",
        "    shop:",
        "      secrets:",
        "        prod:",
        "          /queue:",
        "            KEY: {owner: people}",
        f"or leave them where they are: {make} --leave queue'",
    ]
    assert shop.file.read_text() == before
    shop.run("plan", leave=["queue"])


def test_it_is_delivered_beside_the_others_once_it_has_a_folder(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    first = shop.application()["deliver"]
    shop.cluster.said["inventory"].append(line("queue"))
    before = shop.application()
    after = {**before, "secrets": {"prod": {**before["secrets"]["prod"], "/queue": {"KEY": PEOPLE}}}}
    stack_file.put(shop.file, "shop", after, before)
    for _ in range(2):
        shop.run("plan", "--yes")
        shop.run("deliver", "--yes")
    own = {"environment": "prod", "path": "/queue", "namespace": "shop", "secret": "queue-infisical"}
    assert shop.application()["deliver"] == [*first, own]


def test_a_second_namespace_may_have_another_application(shop: Shop) -> None:
    shop.run("plan", "--yes")
    shop.cluster.said["inventory"] = [line("queue")]
    assert refused(shop)[-2].endswith("--step plan --yes --application OTHER'")


def test_a_second_environment_is_said_with_its_name(shop: Shop) -> None:
    shop.run("plan", "--yes")
    before = shop.application()
    stack_file.put(shop.file, "shop", {"environments": {"dev": "Dev"}}, before)
    assert refused(shop)[2:5] == ["    shop:", "      environments: {prod: Production}", "      secrets:"]


def test_a_folder_of_another_namespace_is_not_taken_for_its_own(shop: Shop) -> None:
    """`copy` would have said that one of the two values is wrong, and to delete it."""
    of_others = {"environment": "prod", "path": "/env", "namespace": "workers", "secret": "env-infisical"}
    shop.run("plan", "--yes")
    deliver(shop, of_others)
    said = refused(shop)
    assert said[0].endswith("no folder for Secret env of namespace shop")
    assert said[1] == "/env is of another namespace, which it is delivered to"
    assert said[2].endswith("plan --yes --leave dotted.name --leave tls --application OTHER'")
    assert "--leave env'" in said[3]
    shop.run("deliver", "--yes")
    assert [each["path"] for each in shop.application()["deliver"]] == ["/env", "/dotted_name", "/tls"]


@pytest.mark.parametrize(
    ("delivery", "own"),
    [
        ({"namespace": "workers", "secret": "db-infisical"}, False),
        ({"namespace": "workers", "secret": "db"}, True),
        ({"namespace": "workers", "secret": "db-infisical", "environment": "staging"}, True),
        ({"namespace": "shop", "secret": "db-infisical"}, True),
    ],
)
def test_deliveries_tell_whose_a_folder_is(delivery: dict[str, Any], own: bool) -> None:
    plan = Plan(namespace="shop", application="shop", environment="prod", found=[Found(**line("db"))], consumers={})
    delivered = {"environment": "prod", "path": "/db", **delivery}
    stated = {"secrets": {"prod": {"/db": {"KEY": PEOPLE}}}, "deliver": [delivered]}
    assert [secret.name for secret in plan.items(stated)] == ["db"] * own
    shared = {**stated, "deliver": [delivered, {**delivered, "namespace": "shop"}]}
    assert [secret.name for secret in plan.items(shared)] == ["db"]
