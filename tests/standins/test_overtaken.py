"""A Job and the drift's CronJob at work at once: each thing is made once, whoever comes first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import application_secrets
import pytest
from application_secrets import Config
from application_turn import Overtaken, Turn
from application_wish import STACK, Application
from infisical_api import InfisicalApi
from job import Report

from tests.standins.test_application_secrets import DRIFT, SHOP, THERE, Site, secret, site
from tests.thorough import thorough

__all__ = ["site"]  # a fixture that pytest finds here

CREATING = frozenset({"POST", "DELETE"})


@contextmanager
def overtaken(site: Site, application: Application, before: int) -> Iterator[list[str]]:
    """Have a second run do all of it just before the first run's request number `before`, and note that request."""
    send, seen, noted = InfisicalApi.send, [0], list[str]()

    def overtaking(self: InfisicalApi, method: str, path: str, *args: Any, **more: Any) -> Any:
        if method in CREATING and "login" not in path:
            seen[0] += 1
            if seen[0] == before:
                noted.append(f"{method} {path}")
                site.provision(application)
        return send(self, method, path, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InfisicalApi, "send", overtaking)
        yield noted


def test_two_runs_at_once_make_each_thing_once(site: Site) -> None:
    """At each request that makes something in turn: upstream refuses what is there, or makes a second one."""
    requests: list[str] = []
    while True:
        application = replace(SHOP, name=f"shop{len(requests)}", slug=f"webshop-{len(requests)}")
        with overtaken(site, application, len(requests) + 1) as noted:
            site.provision(application)
        assert site.secrets(application.slug) == THERE
        assert site.machines().count(f"{application.slug}-operator") == 1, noted
        assert site.viewers(application) == [site.kube.identity(application.name)["identityId"]], noted
        if not noted:
            break
        requests += noted
    assert len(requests) > 8, (
        "it makes at least a project, two environments, folders, secrets, a person and an identity"
    )


def test_two_runs_at_once_take_away_what_is_retired(site: Site) -> None:
    for before in (1, 2):
        site.provision(SHOP)
        retired = Application(name=SHOP.name, slug=SHOP.slug, retired=True)
        with overtaken(site, retired, before) as noted:
            site.provision(retired)
        assert noted
        assert "webshop-operator" not in site.machines()
        assert SHOP.slug not in [each["slug"] for each in site._server().projects()]


CHANGED = replace(SHOP, secrets=(secret("A", "new"), *SHOP.secrets[1:]))
RETIRED = Application(name=SHOP.name, slug=SHOP.slug, retired=True)


def test_a_run_of_the_schedule_puts_nothing_back_that_an_up_has_changed_since(site: Site) -> None:
    begin_with_something_to_put_back(site)
    with before(site, lambda method, _: method == "PATCH", CHANGED) as noted, pytest.raises(Overtaken):
        site.provision(SHOP, wish="old")
    assert noted
    assert site.secrets() == THERE | {"/A": ("new", STACK)}


@thorough
@pytest.mark.parametrize("newer", [CHANGED, RETIRED], ids=["changed", "retired"])
def test_it_undoes_nothing_whenever_the_up_comes(site: Site, newer: Application) -> None:
    requests: list[str] = []
    while True:
        begin_with_something_to_put_back(site)
        with before(site, partial(_later, len(requests)), newer) as noted, suppress(Overtaken):
            site.provision(SHOP, wish="old")
        if not noted:
            break
        requests += noted
        if newer.retired:
            assert SHOP.slug not in [each["slug"] for each in site._server().projects()], noted
            assert "webshop-operator" not in site.machines(), noted
        else:
            assert site.secrets() == THERE | {"/A": ("new", STACK)}, noted
    assert {each.partition(" ")[0] for each in requests} >= {"GET", "PATCH"}
    assert site.secrets() == THERE


def test_the_job_of_an_up_says_whose_wish_holds(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value alone makes it a different wish: the ConfigMap is the same, and the Secret with the values is not."""
    document = {"name": "shop", "slug": "webshop", "environments": {"prod": "P"}, "people": {}, "removed": []}
    document |= {"secrets": [{"place": ["prod", "/", "A"], "owner": "stack", "file": "a"}], "retired": False}
    site.kube.secrets["/api/v1/namespaces/infisical/configmaps/wish"] = {
        "shop.json": json.dumps(document | {"licensed": {}})
    }
    url = f"http://127.0.0.1:{site.instance.server.port}"
    monkeypatch.setattr(application_secrets, "PatientApi", lambda *_: site.kube)
    monkeypatch.setattr(application_secrets, "stack_login", lambda *_: InfisicalApi(url, token=site.instance.token))
    monkeypatch.setenv("WISH", "wish")
    monkeypatch.setenv("STACK_ID", "stack-1")
    monkeypatch.setenv("STATE_ID", "state-1")

    def run(run: Any, value: str) -> str:
        (tmp_path / "a").write_text(value)
        monkeypatch.setenv("VALUES", f"values-{value}")
        config = Config(
            address=url,
            namespace="infisical",
            drift="infisical-drift",
            auth="universal",
            deadline_seconds=30,
            run=run,
            values=str(tmp_path),
            bootstrap=str(tmp_path),
        )
        return application_secrets.main(config, Report("test"))

    assert "1 created" in run("up", "old")
    assert site.kube.secrets[DRIFT]["wish"] == "wish values-old"
    assert "1 put back" in run("up", "new")
    looked = site.kube.secrets[DRIFT].pop("checked")
    assert looked
    assert run("schedule", "old") == "`pulumi up` has begun with a different wish, which this run leaves alone"
    assert "checked" not in site.kube.secrets[DRIFT], "it has looked at nothing"
    assert "1 secrets as the stack says (1 projects), 0 to look at" in run("schedule", "new")
    assert "checked" in site.kube.secrets[DRIFT]
    assert site.secrets()["/A"] == ("new", STACK)


def _later(than: int, _method: str, number: int) -> bool:
    return number > than


def begin_with_something_to_put_back(site: Site) -> None:
    Turn(site.kube, DRIFT, "old").begin()
    site.provision(SHOP)
    site.write("LINES", "by hand")


@contextmanager
def before(site: Site, wanted: Callable[[str, int], bool], application: Application) -> Iterator[list[str]]:
    """Have an `up` with the wish `new` do all of it just before the first request that is `wanted`, by its number."""
    send, seen, noted = InfisicalApi.send, [0], list[str]()

    def overtaking(self: InfisicalApi, method: str, path: str, *args: Any, **more: Any) -> Any:
        seen[0] += 1
        if not noted and wanted(method, seen[0]):
            noted.append(f"{method} {path}")
            Turn(site.kube, DRIFT, "new").begin()
            site.provision(application)
        return send(self, method, path, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InfisicalApi, "send", overtaking)
        yield noted
