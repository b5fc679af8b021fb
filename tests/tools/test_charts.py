"""The chart of a stack: where `make charts` gets it, what it refuses, and what the program takes for granted."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import re
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from embedded import pki
from operations import charts
from operations.errors import OperationError
from operations.pulumi import ROOT, Stack
from settings import Commands, Settings
from settings.infisical import ChartSettings
from settings.machinery.charts import ChartError, local_copy

NAME, VERSION = "infisical-standalone", "1.10.0"
PROD = Commands("infisical-platform", "prod")
COPY = f"charts/{NAME}-{VERSION}.tgz"
FOLDER = ROOT / "embedded" / "charts" / NAME
CHART = charts.packed(FOLDER, NAME)
OTHER_DIGEST = f"sha256:{'0' * 64}"


def digest(archive: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


def archive(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member in members:
            info, content = (
                (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
            )
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def chart_yaml(name: str = NAME, version: str = VERSION) -> tuple[str, bytes]:
    return f"{name}/Chart.yaml", f"name: {name}\nversion: {version}\n".encode()


@dataclasses.dataclass(frozen=True)
class KnownStack(Stack):
    """A stack whose chart is known; what is set is only noted."""

    chart: dict[str, str] = dataclasses.field(default_factory=dict)
    was_set: dict[str, str] = dataclasses.field(default_factory=dict)

    def settings(self) -> Settings:
        infisical = {"siteUrl": "https://secrets.example.org", "chart": self.chart}
        return Settings.model_validate(
            {"infisical": infisical, "ingress": {"issuer": {"kind": "existing", "name": "ca"}}}
        )

    def set(self, key: str, value: str, *, secret: bool, text: bool = False) -> None:
        assert not secret
        self.was_set[key] = value


Run = Callable[..., KnownStack]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    monkeypatch.setattr(charts, "ROOT", tmp_path / "project")
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def run(root: Path) -> Run:
    def run(chart: Path | None = None, **settings: str) -> KnownStack:
        stack = KnownStack("prod", chart=settings)
        assert charts.run(stack, Namespace(chart=chart)) == 0
        return stack

    return run


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class Site(ThreadingHTTPServer):
    """A web server with TLS: path and query to what is answered there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []

    @property
    def host(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def offer(self, *entries: dict[str, Any], chart: str = NAME) -> None:
        """An index below /helm with these versions of the chart."""
        self.pages["/helm/index.yaml"] = yaml.safe_dump({"apiVersion": "v1", "entries": {chart: entries}}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        if callable(page):
            page(self)
            return
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    pki.create(folder, "127.0.0.1", "node")
    return folder / "pki"


def serving(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()


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


def entry(url: str = f"{NAME}-{VERSION}.tgz", version: str = VERSION, **more: str) -> dict[str, Any]:
    return {"version": version, "urls": [url], "digest": digest(CHART).removeprefix("sha256:")} | more


def redirection(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


# From a Helm repository.


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
    assert local_copy(ChartSettings(digest=digest(CHART)), PROD, root) == COPY


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


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CHART)))
    handler.end_headers()
    handler.wfile.write(CHART[:-1])
    handler.close_connection = True


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    never = threading.Event()
    for _ in range(600):
        handler.wfile.write(b"x")
        never.wait(0.05)


def silent(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # until the client gives up


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
    monkeypatch.setattr(charts, "ARCHIVE_LIMIT", 1 << 20)
    if page in (dripping, silent):
        monkeypatch.setattr(charts, "TIMEOUT", 1.0)
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


# From an OCI registry.


def helm(folder: Path, script: str) -> Path:
    path = folder / "bin" / "helm"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path.parent


def test_helm_pulls_from_a_registry(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.tgz").write_bytes(CHART)
    script = f'echo "$1 $2 $3 $4 $5" > {tmp_path}/asked; cp {tmp_path}/c.tgz "$6/{NAME}-{VERSION}.tgz"'
    monkeypatch.setenv("PATH", f"{helm(tmp_path, script)}:/usr/bin:/bin")

    run(repository="oci://registry.example.org/charts/")

    address = f"oci://registry.example.org/charts/{NAME}"
    assert files(root) == {COPY: CHART}
    assert (tmp_path / "asked").read_text() == f"pull {address} --version {VERSION} --destination\n"
    assert f"from {address}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo WARNING: old >&2; echo Error: denied >&2; exit 1", "`helm pull ADDRESS` failed: Error: denied;"),
        ("exit 3", "`helm pull ADDRESS` failed: exit status 3;"),
        ("exec /bin/sleep 60", "`helm pull ADDRESS` took more than 1 s;"),
        ("exit 0", "`helm pull ADDRESS` has left no archive;"),
        (None, "ADDRESS can only be pulled by `helm`, which is not on PATH;"),
    ],
)
def test_what_is_wrong_with_a_registry_is_one_sentence(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, script: str | None, message: str
) -> None:
    monkeypatch.setattr(charts, "TIMEOUT", 0.25)
    monkeypatch.setenv("PATH", str(helm(tmp_path, script) if script else tmp_path))

    with pytest.raises(OperationError) as raised:
        run(repository="oci://127.0.0.1/charts")

    expected = message.replace("ADDRESS", f"oci://127.0.0.1/charts/{NAME}")
    assert str(raised.value) == f"{expected} with a copy of yours: `make charts STACK=prod CHART=path`"
    assert not files(root)


# From the user.


def test_a_folder_is_packed_as_helm_loads_it(root: Path, run: Run) -> None:
    run(FOLDER)

    with tarfile.open(root / COPY) as tar:
        members = tar.getmembers()
        content = {member.name: file.read() for member in members if (file := tar.extractfile(member))}
    assert content == {f"{NAME}/{name}": data for name, data in files(FOLDER).items()}
    assert [member.name for member in members] == sorted(content, key=lambda name: name.split("/"))
    assert {(m.mode, m.uid, m.gid, m.uname, m.mtime, m.type) for m in members} == {
        (0o644, 0, 0, "", 0, tarfile.REGTYPE)
    }


def folder(path: Path, more: Mapping[str, str] | None = None) -> Path:
    """The smallest chart, and `more` files."""
    smallest = {"Chart.yaml": f"name: {NAME}\nversion: {VERSION}\n", "templates/a.yaml": "a: 1\n", "values.yaml": ""}
    for name, text in (smallest | dict(more or {})).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_the_same_files_are_the_same_archive_on_every_machine(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "one"), folder(tmp_path / "two" / "deeper")
    for path in two.rglob("*"):
        path.chmod(0o700)
    (two / "empty").mkdir()

    assert charts.packed(one, NAME) == charts.packed(two, NAME)
    assert digest(charts.packed(one, NAME)) == "sha256:c7b90d43bbb32441bb2bc0abd045b414e0a3ec5c3ba3e49386af339e2509453a"


@pytest.mark.parametrize("size", [0, 1, 65_534, 65_535, 65_536, 200_000])
def test_an_archive_of_any_size_unpacks_again(tmp_path: Path, size: int) -> None:
    chart = folder(tmp_path, {"values.yaml": "v" * size})

    with tarfile.open(fileobj=io.BytesIO(charts.packed(chart, NAME))) as tar:
        values = tar.extractfile(f"{NAME}/values.yaml")
        assert values is not None
        assert values.read() == b"v" * size
    assert charts.identity(charts.packed(chart, NAME), "it") == (NAME, VERSION)


def test_what_helmignore_excludes_is_not_packed(tmp_path: Path) -> None:
    rules = "# a comment\n\n  *.bak\n.git/\n/top.txt\ntemplates/old-?.yaml\nci/\nREADME\n*~\n"
    kept = ["a.txt", "templates/new-1.yaml", "templates/deep/old-1.yaml", "sub/top.txt", "sub/ci", ".helmignore"]
    gone = ["a.bak", "sub/b.bak", ".git/config", "sub/.git/config", "top.txt", "templates/old-1.yaml", "ci/x/y",
            "README", "sub/README/z", "templates/.hidden", "b~"]  # fmt: skip
    chart = folder(tmp_path, dict.fromkeys(kept + gone, "") | {".helmignore": rules})

    with tarfile.open(fileobj=io.BytesIO(charts.packed(chart, NAME))) as tar:
        names = {name.removeprefix(f"{NAME}/") for name in tar.getnames()}

    assert names == {*kept, "Chart.yaml", "values.yaml", "templates/a.yaml"}


@pytest.mark.parametrize("rule", ["!keep", "a/**", "[ab]", "a\\b"])
def test_a_rule_of_helmignore_that_is_not_understood_is_refused(tmp_path: Path, rule: str) -> None:
    chart = folder(tmp_path, {".helmignore": f"*.bak\n{rule}\n"})

    with pytest.raises(OperationError, match=r"/\.helmignore: `.*` isn't understood; give what `helm package` makes$"):
        charts.packed(chart, NAME)


def test_a_folder_gives_away_nothing_that_lies_outside(tmp_path: Path) -> None:
    chart = folder(tmp_path)
    (chart / "templates" / "link").symlink_to("/etc/passwd")

    with pytest.raises(OperationError, match="link is a link or a device: a chart's archive holds files only"):
        charts.packed(chart, NAME)


def test_an_archive_of_the_users_is_taken_as_it_is(tmp_path: Path, root: Path, run: Run) -> None:
    own = archive(chart_yaml(), (f"{NAME}/values.yaml", b""))
    (tmp_path / "own.tgz").write_bytes(own)

    stack = run(tmp_path / "own.tgz")

    assert files(root) == {COPY: own}
    assert stack.was_set == {"infisical.chart.digest": digest(own)}


def test_the_chart_given_must_be_the_pinned_one(root: Path, run: Run) -> None:
    with pytest.raises(OperationError, match=f"is {digest(CHART)}, but infisical.chart.digest is {OTHER_DIGEST};"):
        run(FOLDER, digest=OTHER_DIGEST)
    assert not files(root)

    run(FOLDER, digest=digest(CHART))
    assert files(root) == {COPY: CHART}


def sized(size: int) -> bytes:
    """An archive whose second file claims to have this size."""
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(tarfile.TarInfo("first").tobuf() + bytes(header) + bytes(1024))


def nested(depth: int) -> bytes:
    """An archive of nothing but extended headers, each of which describes the next one."""
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x"}
    return gzip.compress(info.tobuf(tarfile.PAX_FORMAT)[:1024] * depth + bytes(1024))


NO_CHART = "is not an archive of a chart as `helm package` makes it, or is damaged$"
WRONG_ARCHIVES = [
    (b"", NO_CHART),
    (b"PK\x03\x04", NO_CHART),
    (CHART[:-1], NO_CHART),
    (CHART[:-8] + bytes(8), NO_CHART),
    (CHART[:10] + b"\x07" + CHART[11:], NO_CHART),  # no type of block
    (gzip.compress(b""), NO_CHART),
    (gzip.compress(b"no tar" * 200), NO_CHART),
    (gzip.compress(bytes((1 << 20) + 1)), "unpacks to more than 1 MiB$"),
    (archive((f"{NAME}/values.yaml", b"")), "has no Chart.yaml in a folder$"),
    (archive(("Chart.yaml", b"")), "has no Chart.yaml in a folder$"),
    (archive((f"{NAME}/charts/redis/Chart.yaml", b"")), "has no Chart.yaml in a folder$"),
    (archive(*[("x", b"")] * 12, chart_yaml()), "has more than 10 files$"),
    (sized(-512), "has more than 10 files$"),  # without end: tarfile goes back by as much
    (sized(-(1 << 60)), NO_CHART),
    (sized(1 << 80), NO_CHART),
    (nested(900), NO_CHART),
    (archive((f"{NAME}/Chart.yaml", b"#" * 200_000)), NO_CHART),
    (archive((f"{NAME}/Chart.yaml", b"name: [")), "^Chart.yaml of .* is not YAML$"),
    (archive((f"{NAME}/Chart.yaml", b"name: x")), "^Chart.yaml of .* has no name and version$"),
    (archive((f"{NAME}/Chart.yaml", b"name: x\nversion: 1.1")), "^Chart.yaml of .* has no name and version$"),
    (archive(chart_yaml("redis")), f"is chart redis {VERSION}, but the stack's infisical.chart is {NAME} {VERSION}$"),
    (archive(chart_yaml(version="1.9.0")), f"is chart {NAME} 1.9.0, but the stack's .* is {NAME} {VERSION}$"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), WRONG_ARCHIVES, ids=range(len(WRONG_ARCHIVES)))
def test_what_is_wrong_with_an_archive_is_one_sentence(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(charts, "UNPACKED_LIMIT", 1 << 20)
    monkeypatch.setattr(charts, "MEMBER_LIMIT", 10)
    monkeypatch.setattr(charts, "CHART_YAML_LIMIT", 1 << 17)
    (tmp_path / "own.tgz").write_bytes(content)

    with pytest.raises(OperationError, match=message):
        run(tmp_path / "own.tgz")

    assert not files(root)


def test_a_path_without_a_chart_is_one_sentence(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    for name, message in (("empty", "it has no Chart.yaml$"), ("none", "is neither a chart's folder nor an archive")):
        with pytest.raises(OperationError, match=f"^CHART={tmp_path / name} .*{message}"):
            run(tmp_path / name)

    monkeypatch.setattr(charts, "ARCHIVE_LIMIT", 1 << 20)
    (tmp_path / "large.tgz").write_bytes(bytes((1 << 20) + 1))
    for path in (tmp_path / "large.tgz", folder(tmp_path / "large", dict.fromkeys("ab", "x" * (1 << 19)))):
        with pytest.raises(OperationError, match=r"has more than 1 MiB$"):
            run(path)


def test_no_archive_is_ever_unpacked(tmp_path: Path, root: Path, run: Run) -> None:
    link = tarfile.TarInfo(f"{NAME}/templates")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    own = archive(
        ("../../evil", b"x"), (f"{tmp_path}/evil", b"x"), link, (f"{NAME}/templates/evil", b"x"), chart_yaml()
    )
    (tmp_path / "own.tgz").write_bytes(own)

    run(tmp_path / "own.tgz")

    assert files(tmp_path) == {"own.tgz": own, f"project/{COPY}": own}


def test_a_chart_yaml_that_is_a_link_is_not_read(tmp_path: Path, run: Run) -> None:
    link = tarfile.TarInfo(f"{NAME}/Chart.yaml")
    link.type, link.linkname = tarfile.SYMTYPE, f"{NAME}/other"
    (tmp_path / "own.tgz").write_bytes(archive((f"{NAME}/other", chart_yaml()[1]), link))

    with pytest.raises(OperationError, match=r"has no Chart\.yaml in a folder"):
        run(tmp_path / "own.tgz")


TAR = gzip.decompress(archive(tarfile.TarInfo(f"{NAME}/{'long' * 30}"), chart_yaml(), ("a/b", b"c")))


@given(st.lists(st.tuples(st.integers(0, len(TAR) - 1), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_a_hostile_archive_gets_a_sentence_and_no_traceback(changes: list[tuple[int, bytes]]) -> None:
    hostile = bytearray(TAR)
    for position, content in changes:
        hostile[position : position + len(content)] = content

    try:
        charts.identity(gzip.compress(bytes(hostile)), "it")
    except OperationError as error:
        assert "\n" not in str(error)  # noqa: PT017


# What is there already.


def test_a_right_copy_is_left_alone(root: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(FOLDER)
    before = (root / COPY).stat()
    capsys.readouterr()

    for chart in (None, FOLDER):
        assert not run(chart, digest=digest(CHART)).was_set
        assert capsys.readouterr().out == f"chart {NAME} {VERSION} ({digest(CHART)}): already there, {COPY}\n"

    assert (root / COPY).stat() == before


def test_a_copy_from_the_checkout_is_pinned_without_network(
    root: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(FOLDER)
    capsys.readouterr()

    assert run(repository="https://127.0.0.1:1").was_set == {"infisical.chart.digest": digest(CHART)}
    assert f"trusting {COPY}" in capsys.readouterr().out


def test_a_copy_is_readable_for_everyone_and_replaced_at_once(
    root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(FOLDER)
    assert (root / COPY).stat().st_mode & 0o777 == 0o644

    (root / COPY).write_bytes(b"other")
    monkeypatch.setattr(charts.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OperationError, match=f"{COPY} can't be written: No space left on device"):
        run(FOLDER)
    assert files(root) == {COPY: b"other"}


def test_a_stack_with_a_path_of_its_own_is_told_so(root: Path, run: Run) -> None:
    with pytest.raises(OperationError, match=r"^infisical\.chart\.path: stack prod takes its chart from my/chart,"):
        run(FOLDER, path="my/chart")
    assert not files(root)


# What the program does with it.


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stored")
    (root / "charts").mkdir()
    (root / COPY).write_bytes(CHART)
    return root


def test_the_program_takes_the_copy_by_a_path_that_is_the_same_everywhere(stored: Path) -> None:
    assert local_copy(ChartSettings(digest=digest(CHART)), PROD, stored) == COPY


@given(position=st.integers(0, len(CHART) - 1), change=st.integers(1, 255))
def test_any_changed_byte_of_the_copy_is_refused(position: int, change: int) -> None:
    changed = bytearray(CHART)
    changed[position] ^= change
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: bytes(changed))
        with pytest.raises(ChartError) as raised:
            local_copy(ChartSettings(digest=digest(CHART)), PROD)

    assert str(raised.value) == (
        f"{COPY} is {digest(changed)}, but infisical.chart.digest is {digest(CHART)}: "
        "delete it and run `make charts STACK=prod`"
    )


def test_a_missing_copy_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(ChartError) as raised:
        local_copy(ChartSettings(digest=digest(CHART)), PROD, tmp_path)

    assert str(raised.value) == (
        f"chart {NAME} {VERSION} is not in charts/: run `make charts STACK=prod`, "
        "or with a copy of yours `make charts STACK=prod CHART=path`"
    )


def test_a_copy_without_a_digest_is_not_trusted(stored: Path) -> None:
    with pytest.raises(ChartError) as raised:
        local_copy(ChartSettings(), PROD, stored)

    assert str(raised.value) == (
        f"infisical.chart.digest: chart {NAME} {VERSION} is not pinned: run `make charts STACK=prod`"
    )


def test_a_copy_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "charts").write_text("")

    with pytest.raises(ChartError, match=f"^{COPY} can't be read: Not a directory$"):
        local_copy(ChartSettings(digest=digest(CHART)), PROD, tmp_path)


def test_a_path_of_the_users_is_taken(tmp_path: Path) -> None:
    folder(tmp_path / "mine")
    (tmp_path / "mine.tgz").write_bytes(CHART)

    assert local_copy(ChartSettings(path="mine"), PROD, tmp_path) == "mine"
    assert local_copy(ChartSettings(path="mine.tgz"), PROD, tmp_path) == "mine.tgz"
    assert local_copy(ChartSettings(path="mine.tgz", digest=digest(CHART)), PROD, tmp_path) == "mine.tgz"
    absolute = str(tmp_path / "mine")
    assert local_copy(ChartSettings(path=absolute), PROD, tmp_path) == absolute


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "none"}, r"infisical\.chart\.path: none is not there"),
        ({"path": "none", "digest": OTHER_DIGEST}, r"infisical\.chart\.path: none is not there"),
        ({"path": ".", "digest": OTHER_DIGEST}, r"infisical\.chart\.digest: \. is a folder, which has no digest: .*"),
        (
            {"path": COPY, "digest": OTHER_DIGEST},
            f"{COPY} is {digest(CHART)}, but infisical.chart.digest is {OTHER_DIGEST}: put the right one there",
        ),
    ],
)
def test_a_path_of_the_users_that_is_not_what_it_should_be_is_refused(
    stored: Path, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ChartError, match=f"^{message}$"):
        local_copy(ChartSettings.model_validate(settings), PROD, stored)


def test_the_program_needs_nothing_of_the_command() -> None:
    unwanted = ("operations", "pulumi", "yaml")
    command = f"import sys, settings.machinery.charts; print(*sorted(set(sys.modules) & set({unwanted})))"

    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "\n"


def test_the_check_is_quick(stored: Path) -> None:
    chart = ChartSettings(digest=digest(CHART))

    def seconds() -> float:
        start = time.perf_counter()
        local_copy(chart, PROD, stored)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(20)) < 0.005
