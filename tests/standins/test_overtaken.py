"""A Job and the drift's CronJob at work at once: each thing is made once, whoever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from application_wish import Application
from infisical_api import InfisicalApi

from tests.standins.test_application_secrets import SHOP, THERE, Site, site

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
