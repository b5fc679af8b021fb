"""A value that goes from the stack to people keeps its encoding, or pods would get it in base64, or not decoded."""

from __future__ import annotations

import pytest
from application_plan import Found, Stored, decide
from application_wish import STACK, Application, Secret

PLACE = ("prod", "/", "DB_PASSWORD")
STORED = {True: Stored("cGEke3Nz", f"{STACK} base64 - x"), False: Stored("plain", f"{STACK} - x")}
WAYS = {True: "is in base64: write {owner: people, encoding: base64}", False: "is not in base64: write {owner: people}"}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_what_people_get_is_delivered_as_before(before: bool, after: bool) -> None:
    wish = Application("shop", "shop-app", {"prod": "P"}, secrets=(Secret(PLACE, "people", encoded=after),))
    plan = decide(wish, Found({"prod": ("e", "P")}, secrets={PLACE: STORED[before]}))
    if before == after:
        [(_, value, comment)] = plan.writes[0].secrets
        assert value == STORED[before].value
        assert comment.startswith("infisical-platform:people")
        assert not plan.conflicts
    else:
        [conflict] = plan.conflicts
        assert conflict.startswith("prod:/DB_PASSWORD is handed over as Infisical has it, which ")
        assert WAYS[before] in conflict
        assert not plan.writes
