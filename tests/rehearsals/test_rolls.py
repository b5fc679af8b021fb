"""A roll of Infisical fails no request: one is made after the other, under clients that keep their connections."""

from __future__ import annotations

import contextlib
import http.client
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.e2e.steps import SECRET_PATH, login
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import ROLLOUT, kubectl_timeout
from tests.rehearsals.clients import at_work
from tests.rehearsals.platforms import RELEASE, Platform

ROLLS = int(os.environ.get("ROLLS") or 20)
CLIENTS, PAUSE_SECONDS = 6, 0.045  # about 100 requests a second


@dataclass
class Clients:
    """Clients that each read a secret again and again over one connection, as Infisical's own clients do."""

    site: Site
    token: str
    answered: int = 0
    longest: float = 0.0  # seconds that a request took
    errors: list[str] = field(default_factory=list[str])
    _done: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Read for as long as the block takes."""
        with at_work([self._read] * CLIENTS, self._done):
            yield

    def _read(self) -> None:
        connection = self.site.connect()
        while not self._done.wait(PAUSE_SECONDS):
            begun = time.monotonic()
            if connection.sock is None:  # the proxy said that it would close, which is no failure
                connection = self.site.connect()
            try:
                connection.request("GET", f"{SECRET_PATH}-rolls", headers={"Authorization": f"Bearer {self.token}"})
                response = connection.getresponse()
                response.read()
                error = "" if response.status == 200 else f"{response.status}"
            except (OSError, http.client.HTTPException) as caught:
                error = type(caught).__name__
                connection = self.site.connect()
            self.longest = max(self.longest, time.monotonic() - begun)
            self.answered += not error
            self.errors += [error] if error else []


def _roll(kubectl: Kubectl) -> None:
    deployment = ("deployment/infisical", "-n", RELEASE)
    kubectl("rollout", "restart", *deployment)
    kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))


def test_no_roll_fails_a_request(platform: Platform, site: Site) -> None:
    token = login(platform.kubectl)
    assert site.request("PUT", f"{SECRET_PATH}-rolls", {"value": "kept"}, token)[0] == 200
    began = time.monotonic()
    clients = Clients(site, token)
    with clients.at_work():
        for _ in range(ROLLS):
            _roll(platform.kubectl)
    rate = clients.answered / (time.monotonic() - began)
    print(f"\n{ROLLS} rolls, {clients.answered} requests, {rate:.0f} a second, longest {clients.longest:.2f} s")
    assert clients.errors == []
