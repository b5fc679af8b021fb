"""A chart from its Helm repository: what is fetched, and what is refused."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations import chart_archive, chart_repository
from operations.errors import OperationError
from settings.infisical import ChartSettings
from settings.machinery.charts import local_copy
from tests.tools.charts.known import CHART, COPY, NAME, OTHER_DIGEST, PROD, VERSION, Run, digest, files
from tests.tools.charts.sites import Site, broken_off, dripping, entry, redirection, silent


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("url", ["{name}", "/helm/{name}", "{host}/helm/{name}", "sub/../{name}"])
def test_a_repositorys_chart_is_stored_and_pinned(
    site: Site, root: Path, run: Run, capsys: pytest.CaptureFixture[str], url: str, slash: str
) -> None:
    site.offer(entry(version="1.9.0"), entry(url.format(name="c.tgz", host=site.host)))
    site.pages["/helm/c.tgz"] = CHART

    stack = run(repository=f"{site.host}/helm{slash}")

    assert files(root) == {COPY: CHART}
    assert stack.was_set == {"infisical.chart.digest": digest(CHART)}
    assert capsys.readouterr().out.splitlines() == [
        f"chart {NAME} {VERSION} ({digest(CHART)}): from {site.host}, now in {COPY}",
        f"pinned as infisical.chart.digest of stack prod, trusting {site.host}: no other archive will do",
    ]


def test_a_pinned_chart_is_stored_and_the_pin_left_alone(site: Site, root: Path, run: Run) -> None:
    site.offer(entry())
    site.pages[f"/helm/{NAME}-{VERSION}.tgz"] = CHART

    assert not run(repository=f"{site.host}/helm", digest=digest(CHART)).was_set
    assert local_copy(ChartSettings(digest=digest(CHART)).wanted, PROD, root).location == COPY


def test_another_archive_than_the_pinned_one_is_refused(site: Site, root: Path, run: Run) -> None:
    site.offer(entry())
    site.pages[f"/helm/{NAME}-{VERSION}.tgz"] = CHART

    with pytest.raises(OperationError) as raised:
        run(repository=f"{site.host}/helm", digest=OTHER_DIGEST)

    assert str(raised.value) == (
        f"{site.host} is {digest(CHART)}, but infisical.chart.digest is {OTHER_DIGEST}; if it is the one you mean, "
        "unpin first: pulumi config rm --stack prod --path 'infisical-platform:infisical.chart.digest'"
    )
    assert not files(root)


def test_a_damaged_copy_is_replaced(site: Site, root: Path, run: Run) -> None:
    site.offer(entry())
    site.pages[f"/helm/{NAME}-{VERSION}.tgz"] = CHART
    (root / "charts").mkdir()
    (root / COPY).write_bytes(CHART[:-1])

    run(repository=f"{site.host}/helm", digest=digest(CHART))

    assert files(root) == {COPY: CHART}


def test_a_redirection_to_another_address_is_followed(site: Site, root: Path, run: Run) -> None:
    site.offer(entry())
    site.pages[f"/helm/{NAME}-{VERSION}.tgz"] = redirection(f"{site.host}/store/x?signature=1")
    site.pages["/store/x?signature=1"] = CHART

    run(repository=f"{site.host}/helm")

    assert files(root) == {COPY: CHART}


def test_nothing_is_fetched_without_tls(site: Site, plain_site: Site, run: Run) -> None:
    plain = f"http://127.0.0.1:{plain_site.server_port}/x"
    site.offer(entry())
    site.pages[f"/helm/{NAME}-{VERSION}.tgz"] = redirection(plain)
    with pytest.raises(OperationError, match="it redirects to an address without https"):
        run(repository=f"{site.host}/helm")
    for address in (plain, "file:///etc/passwd", "ftp://127.0.0.1/x"):
        site.offer(entry(address))
        with pytest.raises(OperationError, match="has an address without https"):
            run(repository=f"{site.host}/helm")

    assert not plain_site.asked


def test_a_certificate_of_nobody_is_refused(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(OperationError, match="CERTIFICATE_VERIFY_FAILED"):
        run(repository=f"{site.host}/helm")


WRONG_REPOSITORIES: list[tuple[list[dict[str, Any]] | bytes | None, Any, str]] = [
    (None, None, r"index\.yaml of HOST can't be had: HTTP status 404"),
    (b"<html>", None, r"index\.yaml of HOST is not the index of a Helm repository"),
    (b"entries: [", None, r"index\.yaml of HOST is not YAML"),
    (b"\xff\xfe\x00", None, r"index\.yaml of HOST is not YAML"),
    (b"[" * 100_000, None, r"index\.yaml of HOST is nested more than 50 times"),
    (b"entries: []", None, r"index\.yaml of HOST is not the index of a Helm repository"),
    (b"entries: {}", None, f"HOST has no chart {NAME}; it has none at all"),
    (b"entries: {infisical: [], gateway: []}", None, f"HOST has no chart {NAME}; it has gateway, infisical"),
    (b"entries: {infisical-standalone: nonsense}", None, f"HOST has no chart {NAME}; it has {NAME}"),
    (
        [
            {"version": v}
            for v in ("1.9.0", "1.2.0", "1.1.0", "1.11.0", "2.0.0", "1.10.1", "v1.10.0", "1.10.0-a", None, 1)
        ],
        None,
        f"HOST has no {NAME} {VERSION}; nearest: 1.2.0, 1.9.0, 1.10.1, 1.11.0",
    ),
    ([{"version": "latest"}], None, f"HOST has no {NAME} {VERSION}; nearest: no release at all"),
    ([{"version": VERSION}], None, f"HOST has {NAME} {VERSION} without an address in its index"),
    ([entry("https://[")], None, f"chart {NAME} {VERSION} of HOST can't be had: its address is not a URL"),
    ([entry("a b")], None, f"chart {NAME} {VERSION} of HOST can't be had: its address is not a URL"),
    ([entry("x")], None, f"chart {NAME} {VERSION} of HOST can't be had: HTTP status 404"),
    ([entry("x", digest="1" * 64)], CHART, f"HOST sent {digest(CHART)}, but its index says sha256:{'1' * 64}"),
    ([entry("x")], bytes(1 << 20) + b"1", rf"chart {NAME} {VERSION} of HOST has more than 1 MiB"),
    ([entry("x")], broken_off, f"chart {NAME} {VERSION} of HOST can't be had: the connection broke off"),
    ([entry("x")], dripping, f"chart {NAME} {VERSION} of HOST can't be had: .*timed out"),
    ([entry("x")], silent, f"chart {NAME} {VERSION} of HOST can't be had: .*timed out"),
    ([entry("x")], redirection("x"), f"chart {NAME} {VERSION} of HOST can't be had: HTTP status 302"),
]


@pytest.mark.parametrize(("index", "page", "message"), WRONG_REPOSITORIES, ids=range(len(WRONG_REPOSITORIES)))
def test_what_is_wrong_with_a_repository_is_one_sentence(
    site: Site, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, index: Any, page: Any, message: str
) -> None:
    monkeypatch.setattr(chart_archive, "ARCHIVE_LIMIT", 1 << 20)
    if page in (dripping, silent):
        monkeypatch.setattr(chart_repository, "TIMEOUT", 1.0)
    if isinstance(index, list):
        site.offer(*index)
    elif index:
        site.pages["/helm/index.yaml"] = index
    if page:
        site.pages["/helm/x"] = page

    remedy = "; with a copy of yours: `make charts STACK=prod CHART=path`"
    with pytest.raises(OperationError, match=f"^{message.replace('HOST', site.host)}{remedy}$"):
        run(repository=f"{site.host}/helm")

    assert not files(root)


def test_an_index_may_leave_digests_out(site: Site, root: Path, run: Run) -> None:
    site.offer({"version": VERSION, "urls": ["x"]})
    site.pages["/helm/x"] = CHART

    run(repository=f"{site.host}/helm")

    assert files(root) == {COPY: CHART}


def test_no_repository_at_all_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as nobody:  # bound, but it does not listen
        nobody.bind(("127.0.0.1", 0))
        host = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(OperationError) as raised:
            run(repository=host)

    assert re.fullmatch(
        rf"index\.yaml of {host} can't be had: \[Errno \d+\] Connection refused; "
        "with a copy of yours: `make charts STACK=prod CHART=path`",
        str(raised.value),
    )


@pytest.mark.parametrize("repository", ["https://[", "https://?x", "https:////", "https://" + "a" * 70])
def test_what_is_no_address_is_one_sentence(run: Run, repository: str) -> None:
    with pytest.raises(OperationError, match=r"(is not a URL|give a host, .*); with a copy of yours:"):
        run(repository=repository)


def test_no_password_of_a_repository_is_shown(site: Site, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    for scheme in ("https", "oci"):
        with pytest.raises(
            OperationError, match=r"^infisical\.chart\.repository: give a host, and before it no user"
        ) as raised:
            run(repository=f"{scheme}://me:pa55word@127.0.0.1:1/helm")
        told.append(str(raised.value))
    with pytest.raises(OperationError) as raised:
        run(repository=f"{site.host}/pa55word/helm?token=pa55word")
    told.append(str(raised.value))
    site.pages["/pa55word/helm/index.yaml?token=pa55word"] = yaml.safe_dump({"entries": {NAME: [entry("x")]}}).encode()
    site.pages["/pa55word/helm/x"] = CHART
    run(repository=f"{site.host}/pa55word/helm?token=pa55word")

    assert "pa55word" not in "".join([*told, *capsys.readouterr()])
