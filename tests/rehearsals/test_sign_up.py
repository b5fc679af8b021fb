"""Nobody gets in before the stack's own admin: strangers try from before the site answers until `up` has ended."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from embedded.cluster import Cluster
from embedded.stack import Stack
from tests.e2e.views import Site
from tests.rehearsals.clients import at_work

STRANGER = {"email": "stranger@example.org", "password": "a-Strangers-1-password", "firstName": "S", "lastName": "T"}
WAYS_IN = ("/api/v1/admin/signup", "/api/v1/admin/bootstrap")
PAUSE_SECONDS = 0.02


@dataclass
class Strangers:
    """Clients that sign up through the ingress, again and again."""

    site: Site
    answers: Counter[str] = field(default_factory=Counter[str])
    _done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def trying(self) -> Iterator[None]:
        with at_work([partial(self._try, path) for path in WAYS_IN], self._done):
            yield

    def _try(self, path: str) -> None:
        while not self._done.wait(PAUSE_SECONDS):
            try:
                status, _ = self.site.request("POST", path, STRANGER | {"organization": "strangers"})
                self.answers[f"{status}"] += 1
            except (ssl.SSLError, OSError, http.client.HTTPException) as nobody:
                self.answers[type(nobody).__name__] += 1


def test_no_stranger_is_first(cluster: Cluster, stack: Stack, site: Site) -> None:
    assert cluster
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    stack.init({"organization": {"name": "dev", "admin": "admin@example.org"}})
    strangers = Strangers(site)
    with strangers.trying():
        stack.run("up", "--yes", "--skip-preview", quiet=True)
    print(f"\n{dict(strangers.answers)}")
    assert strangers.answers["200"] == 0
    assert strangers.answers["400"] + strangers.answers["403"] > 0, "the site was asked while it answered"
