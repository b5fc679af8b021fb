"""An empty project, and web servers to take a chart from."""

from __future__ import annotations

import ssl
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import pki
from operations import charts
from tests.tools.charts.known import KnownStack, Run
from tests.tools.charts.sites import Site, serving


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    monkeypatch.setattr(charts, "ROOT", tmp_path / "project")
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def run(root: Path) -> Run:
    def run(
        chart: Path | None = None, operator: dict[str, str] | None = None, deployed: str = "", **settings: str
    ) -> KnownStack:
        stack = KnownStack("prod", chart=settings, operator=operator, deployed=deployed)
        assert charts.run(stack, Namespace(chart=chart)) == 0
        return stack

    return run


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    pki.create(folder, "10.96.0.1", {"node": "127.0.0.1"})
    return folder / "pki"


@pytest.fixture
def site(authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.crt"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "apiserver.crt", authority / "apiserver.key")
    site.socket = context.wrap_socket(site.socket, server_side=True)
    yield from serving(site)


@pytest.fixture
def plain_site() -> Iterator[Site]:
    yield from serving(Site())
