"""A generated value that is in use is overwritten by no new one: what it opens would be closed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from application_generated import Generated, Written
from application_owner import Owner
from application_plan import Found, Plan, Stored, decide
from application_secrets import Config, Provision, Undone
from application_wish import STACK, Application, Secret, application_of
from fake_config_map import ConfigMap
from infisical_api import ApiError, InfisicalApi
from job import Failed, Report

PLACE = ("prod", "/", "SESSION_KEY")
NAME = "shop-0123456789ab"
OLD, NEW = Stored("the former one", f"{STACK} - x"), "another new one"
GENERATED = Secret(PLACE, "stack", NEW, name=NAME, generated=True)
SHOP = Application("shop", "shop-app", {"prod": "P"}, secrets=(GENERATED,))
GIVEN = replace(SHOP, secrets=(replace(GENERATED, generated=False),))
OWNER = Owner("o", "stack-1", "state-2")
HINT = f"set the encrypted key generatedValues.{NAME} to it"
SAID = "has what was generated before, and the stack has generated another value for it since"


def found(stored: Stored) -> Found:
    return Found({"prod": ("e", "P")}, secrets={PLACE: stored})


def test_another_state_keeps_what_was_generated_and_says_how_to_go_on() -> None:
    plan = decide(SHOP, found(OLD))
    [conflict] = plan.conflicts
    assert conflict.startswith(f"prod:/SESSION_KEY {SAID}")
    assert HINT in conflict
    assert OLD.value not in conflict
    assert NEW not in conflict
    assert plan.writes == ()


def test_everything_else_is_put_back_by_whatever_state() -> None:
    assert decide(SHOP, found(OLD), Written(None)).put_back == 1, "by a release that wrote down the state alone"
    assert decide(GIVEN, found(OLD)).put_back == 1
    same = Stored(NEW, GENERATED.comment)
    assert decide(SHOP, found(same)).empty
    assert decide(SHOP, Found({"prod": ("e", "P")})).created == 1
    theirs = decide(SHOP, found(Stored("theirs")))
    assert "has a value that people wrote" in theirs.conflicts[0]


def test_the_wish_says_what_is_generated(tmp_path: Any) -> None:
    (tmp_path / "f").write_text("v")
    secret = {"place": [*PLACE], "owner": "stack", "file": "f"}
    wish = {"name": "shop", "slug": "shop", "environments": {}, "people": {}, "removed": [], "retired": False}
    both = [{**secret, "generated": True}, secret]
    read = application_of({**wish, "secrets": both, "licensed": {}}, str(tmp_path))
    assert [(each.name, each.generated) for each in read.secrets] == [("f", True), ("f", False)]


class Server:
    """One project that the stack made."""

    def __init__(self, stored: Stored | None) -> None:
        self.api, self.stored = InfisicalApi("http://unused", deadline_seconds=5), stored

    def projects(self) -> list[dict[str, Any]]:
        return [{"id": "p", "slug": "shop-app", "description": "infisical-platform stack-1 keeps this project"}]

    def found(self, project: dict[str, Any], environments: set[str]) -> Found:
        return found(self.stored) if self.stored else Found({"prod": ("e", "P")})

    def act(self, project: str, plan: Plan) -> list[str]:
        [(_, value, comment)] = plan.writes[0].secrets
        self.stored = Stored(value or "", comment)
        return []


def run(server: Any, kube: Any, application: Application = SHOP, data: str = "") -> None:
    config = Config(address="", namespace="n", drift="infisical-drift", auth="universal", deadline_seconds=5, data=data)
    Provision(config, server, kube, Report("test"), OWNER).all([application])


@pytest.mark.parametrize("states", [{}, {"shop-app": "state-1"}], ids=["a new cluster", "a lost state"])
def test_the_first_run_of_a_state_overwrites_nothing(states: dict[str, str]) -> None:
    server, kube = Server(OLD), ConfigMap(**states)
    with pytest.raises(Undone, match=SAID):
        run(server, kube)
    assert server.stored == OLD
    assert json.loads(kube.data.get("generatedBy", "{}")) == states


def test_once_its_values_are_there_it_puts_them_back() -> None:
    server, kube = Server(Stored(NEW, GENERATED.comment)), ConfigMap(blog="state-1")
    run(server, kube)
    assert json.loads(kube.data["generatedBy"]) == {"blog": "state-1", "shop-app": "state-2"}
    server.stored = Stored("edited", GENERATED.comment)
    run(server, kube)
    assert server.stored.value == NEW


def test_a_value_may_become_a_generated_one() -> None:
    """It is written down where a value is the stack's and was not generated. The value itself never is."""
    server, kube = Server(Stored("the text", GENERATED.comment)), ConfigMap()
    run(server, kube, with_value("the text", generated=False))
    assert json.loads(kube.data["generated"]) == {"shop-app": {NAME: [""]}}
    run(server, kube, SHOP)
    assert server.stored == Stored(NEW, GENERATED.comment)


def with_value(value: str, **changes: Any) -> Application:
    return replace(SHOP, secrets=(replace(GENERATED, value=value, **changes),))


def test_another_length_is_asked_for_on_purpose() -> None:
    server, kube = Server(None), ConfigMap()
    run(server, kube)
    run(server, kube, with_value(NEW + "longer"))
    assert server.stored == Stored(NEW + "longer", GENERATED.comment)


@pytest.mark.parametrize("edited", [False, True])
def test_a_value_that_was_generated_anew_by_accident_overwrites_none(edited: bool) -> None:
    """As with an older copy of the state, or where `generatedValues` was taken out of the stack file."""
    server, kube = Server(None), ConfigMap()
    run(server, kube)
    server.stored = there = Stored("edited" if edited else NEW, GENERATED.comment)
    with pytest.raises(Undone, match=SAID) as caught:
        run(server, kube, with_value("another and new"))
    assert server.stored == there
    assert HINT in str(caught.value)
    run(server, kube, with_value(there.value))


def test_a_key_that_was_away_overwrites_nothing() -> None:
    server, kube = Server(None), ConfigMap()
    run(server, kube)
    run(server, kube, replace(SHOP, secrets=()))
    assert json.loads(kube.data["generated"]) == {"shop-app": {}}
    with pytest.raises(Undone, match=SAID):
        run(server, kube, with_value("another and a longer one"))


def test_an_environment_whose_slug_was_changed_there_and_then_here_keeps_what_was_generated() -> None:
    """The stack generates by the slug in the stack file, so that another slug has another value."""
    server, kube = Server(OLD), ConfigMap()
    before = replace(GENERATED, place=("live", *PLACE[1:]), name="shop-ba9876543210")
    Generated(kube, "", OWNER.state).keep(replace(SHOP, secrets=(before,)), all_of_it=True)  # type: ignore[arg-type]
    with pytest.raises(Undone, match=SAID):
        run(server, kube)
    assert server.stored == OLD


def test_a_run_of_the_schedule_forgets_nothing() -> None:
    """It looks at no environment that is gone in Infisical, where somebody may bring it back."""
    kube = ConfigMap()
    generated = Generated(kube, "", OWNER.state)  # type: ignore[arg-type]
    generated.keep(SHOP, all_of_it=True)
    known = generated.written("shop-app")
    generated.keep(replace(SHOP, secrets=()), all_of_it=False)
    assert generated.written("shop-app") == known
    assert known.values
    assert NEW not in str(kube.data)
    assert Generated(kube, "", "state-3").written("shop-app").values == {}  # type: ignore[arg-type]


def test_a_project_of_a_lost_state_is_told_with_the_id_that_takes_it_over() -> None:
    project = {"slug": "shop-app", "description": "infisical-platform 11111111-aaaa keeps this project. The stack's …"}
    with pytest.raises(Failed, match=r"kept by a different stack\..* set cluster\.stackId to 11111111-aaaa \("):
        OWNER.require(project, "shop")
    OWNER.require(project | {"description": "infisical-platform stack-1 keeps this project"}, "shop")


@pytest.mark.parametrize("retired", [False, True])
def test_the_project_of_another_application_is_neither_filled_nor_deleted(retired: bool) -> None:
    """As where two applications swap their slugs, or a retired one could not be deleted: people's values are in it."""
    server = Server(OLD)
    said = "infisical-platform stack-1 keeps this project. The stack's `applications.blog` says what is in it"
    server.projects = lambda: [{"id": "p", "slug": "shop-app", "description": said}]  # type: ignore[method-assign]
    with pytest.raises(Undone, match="project shop-app was made for application blog, and what its people wrote"):
        run(server, ConfigMap(), replace(SHOP, retired=retired, secrets=() if retired else SHOP.secrets))
    assert server.stored == OLD
    with pytest.raises(Undone, match=SAID):
        run(server, ConfigMap(), replace(SHOP, name="blog"))


def test_a_value_that_comes_back_with_an_older_state_replaces_none() -> None:
    server, kube = Server(None), ConfigMap()
    run(server, kube)
    run(server, kube, with_value(NEW + "longer"))
    with pytest.raises(Undone, match=SAID):
        run(server, kube)
    assert server.stored == Stored(NEW + "longer", GENERATED.comment)


def test_what_a_failed_run_has_written_is_known() -> None:
    class Refusing(Server):
        def act(self, project: str, plan: Plan) -> list[str]:
            super().act(project, plan)
            raise ApiError(400, "no", "POST", "/api/v4/secrets/batch")

    failed, kube = Refusing(None), ConfigMap()
    with pytest.raises(Undone, match="no"):
        run(failed, kube)
    server = Server(Stored("edited", GENERATED.comment))
    run(server, kube)
    assert server.stored == Stored(NEW, GENERATED.comment)


def test_data_that_was_brought_in_is_of_another_state() -> None:
    """An `up` before the restore has generated a value, and what the backup has was in use."""
    server, kube = Server(None), ConfigMap()
    run(server, kube)
    server.stored = OLD
    with pytest.raises(Undone, match=SAID):
        run(server, kube, data="restored one")
    assert server.stored == OLD


def test_what_somebody_has_made_of_the_notes_is_named() -> None:
    kube = ConfigMap()
    kube.data["generated"] = ""
    with pytest.raises(Undone, match="ConfigMap infisical-drift has a key generated that is no JSON"):
        run(Server(None), kube)
