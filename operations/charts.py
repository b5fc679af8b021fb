"""Puts a stack's chart below charts/, once, and pins it: from then on neither preview nor up needs its repository."""

from __future__ import annotations

import argparse
import gzip
import http.client
import io
import os
import re
import shutil
import stat
import struct
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from bisect import bisect
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import yaml

from operations.errors import OperationError
from operations.pulumi import PROJECT, ROOT, Stack
from settings.infisical import ChartSettings
from settings.machinery.charts import digest_of

ARCHIVE_LIMIT = 20 << 20  # bytes of an archive, of a folder and of an index
UNPACKED_LIMIT = 100 << 20  # bytes; Helm loads no larger one
MEMBER_LIMIT = 10_000
CHART_YAML_LIMIT = 1 << 20
DEPTH_LIMIT = 50  # of YAML: the C loader recurses until it crashes
TIMEOUT = 30.0  # seconds, for a whole download


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Gets, checks, stores and pins the chart; `arguments.chart` is a folder or archive of the user's. Returns 0.

    Raises OperationError.
    """
    given: Path | None = arguments.chart
    chart = stack.settings().infisical.chart
    if chart.path:
        raise OperationError(
            f"infisical.chart.path: stack {stack.name} takes its chart from {chart.path}, not from charts/; to change "
            f"that: pulumi config rm --stack {stack.name} --path '{PROJECT}:infisical.chart.path'"
        )
    copy = ROOT / chart.copy_location
    present = _read(copy) if copy.is_file() else None
    if given:
        archive, source = _given(chart, given), str(given)
    elif present and chart.digest in (None, digest_of(present)):
        archive, source = present, chart.copy_location
    else:
        try:
            if not re.match(r"[a-z]+://[^/?@]+([/?]|$)", chart.repository):
                raise OperationError(
                    "infisical.chart.repository: give a host, and before it no user, whom logs would show"
                )
            archive, source = _pulled(chart) if chart.repository.startswith("oci:") else _downloaded(chart)
        except OperationError as error:
            raise OperationError(
                f"{error}; with a copy of yours: `make charts STACK={stack.name} CHART=path`"
            ) from None
    name, version = identity(archive, source)
    if (name, version) != (chart.flavour, chart.version):
        raise OperationError(
            f"{source} is chart {name} {version}, but the stack's infisical.chart is {chart.flavour} {chart.version}"
        )
    digest = digest_of(archive)
    if chart.digest not in (None, digest):
        raise OperationError(
            f"{source} is {digest}, but infisical.chart.digest is {chart.digest}; if it is the one you mean, unpin "
            f"first: pulumi config rm --stack {stack.name} --path '{PROJECT}:infisical.chart.digest'"
        )
    if archive == present:
        print(f"chart {name} {version} ({digest}): already there, {chart.copy_location}")
    else:
        _write(copy, archive)
        print(f"chart {name} {version} ({digest}): from {source}, now in {chart.copy_location}")
    if not chart.digest:
        stack.set("infisical.chart.digest", digest, secret=False)
        print(f"pinned as infisical.chart.digest of stack {stack.name}, trusting {source}: no other archive will do")
    return 0


def _downloaded(chart: ChartSettings) -> tuple[bytes, str]:
    """The chart's archive from its Helm repository, and the repository's host."""
    # Some repositories have their password in path or query, so messages show no more than the host.
    address = index_address(chart.repository)
    host = address[: address.index("/", address.index("//") + 2)]
    opener = urllib.request.build_opener(_NoDowngrade)

    index = _get(opener, address, address, f"index.yaml of {host}")
    entry = _entry(chart, index, host)
    match entry:
        case {"urls": [str(url), *_]}:
            archive = _get(opener, address, url, f"chart {chart.flavour} {chart.version} of {host}")
        case _:
            raise OperationError(f"{host} has {chart.flavour} {chart.version} without an address in its index")
    promised = str(entry.get("digest") or "").removeprefix("sha256:")
    if promised and f"sha256:{promised}" != digest_of(archive):
        raise OperationError(f"{host} sent {digest_of(archive)}, but its index says sha256:{promised}")
    return archive, host


def index_address(repository: str) -> str:
    """Where a Helm repository has its index; what follows a ? in the setting follows one there."""
    base, _, query = repository.partition("?")
    return f"{base.rstrip('/')}/index.yaml?{query}".rstrip("?")


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but not away from https."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("it redirects to an address without https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _get(opener: urllib.request.OpenerDirector, base: str, url: str, what: str) -> bytes:
    deadline = time.monotonic() + TIMEOUT
    content = bytearray()
    try:
        address = urljoin(base, url)
        if urlsplit(address).scheme != "https":
            raise OperationError(f"{what} has an address without https")
        with opener.open(address, timeout=TIMEOUT) as response:
            while chunk := response.read1(1 << 16):
                content += chunk
                if len(content) > ARCHIVE_LIMIT:
                    raise OperationError(f"{what} has more than {ARCHIVE_LIMIT >> 20} MiB")
                if time.monotonic() > deadline:
                    raise TimeoutError("timed out")
            if response.length:
                raise http.client.IncompleteRead(bytes(content), response.length)
    except urllib.error.HTTPError as error:
        raise OperationError(f"{what} can't be had: HTTP status {error.code}") from None
    except urllib.error.URLError as error:
        raise OperationError(f"{what} can't be had: {error.reason}") from None
    except http.client.IncompleteRead:
        raise OperationError(f"{what} can't be had: the connection broke off") from None
    except (http.client.InvalidURL, ValueError):
        raise OperationError(f"{what} can't be had: its address is not a URL") from None
    except (OSError, http.client.HTTPException) as error:
        raise OperationError(f"{what} can't be had: {error or type(error).__name__}") from None
    return bytes(content)


def _entry(chart: ChartSettings, index: bytes, host: str) -> dict[str, Any]:
    """The index's entry of the chart."""
    match _yaml(index, f"index.yaml of {host}"):
        case {"entries": dict(charts)}:
            pass
        case _:
            raise OperationError(f"index.yaml of {host} is not the index of a Helm repository")
    entries = [entry for entry in charts.get(chart.flavour) or [] if isinstance(entry, dict)]
    if not entries:
        names = ", ".join(sorted(map(str, charts))[:10]) or "none at all"
        raise OperationError(f"{host} has no chart {chart.flavour}; it has {names}")
    for entry in entries:
        if entry.get("version") == chart.version:
            return entry
    released = sorted({tuple(map(int, v.split("."))) for entry in entries
                       if re.fullmatch(r"\d+\.\d+\.\d+", v := str(entry.get("version")), re.ASCII)})  # fmt: skip
    place = bisect(released, tuple(map(int, chart.version.split("."))))
    nearest = ", ".join(".".join(map(str, version)) for version in released[max(place - 2, 0) : place + 2])
    raise OperationError(f"{host} has no {chart.flavour} {chart.version}; nearest: {nearest or 'no release at all'}")


def _pulled(chart: ChartSettings) -> tuple[bytes, str]:
    """The chart's archive from its OCI registry, and its address there."""
    address = f"{chart.repository.rstrip('/')}/{chart.flavour}"
    if not shutil.which("helm"):
        raise OperationError(f"{address} can only be pulled by `helm`, which is not on PATH")
    with tempfile.TemporaryDirectory() as folder:
        command = ["helm", "pull", address, "--version", chart.version, "--destination", folder]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=4 * TIMEOUT)
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().rpartition("\n")[2] or f"exit status {error.returncode}"
            raise OperationError(f"`helm pull {address}` failed: {reason}") from None
        except subprocess.TimeoutExpired:
            raise OperationError(f"`helm pull {address}` took more than {4 * TIMEOUT:.0f} s") from None
        match list(Path(folder).glob("*.tgz")):
            case [archive]:
                return _read(archive), address
            case _:
                raise OperationError(f"`helm pull {address}` has left no archive")


def _given(chart: ChartSettings, path: Path) -> bytes:
    if path.is_dir():
        return packed(path, chart.flavour)
    if not path.is_file():
        raise OperationError(f"CHART={path} is neither a chart's folder nor an archive of one")
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(ARCHIVE_LIMIT + 1)
    except OSError as error:
        raise OperationError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > ARCHIVE_LIMIT:
        raise OperationError(f"{path} has more than {ARCHIVE_LIMIT >> 20} MiB")
    return content


def packed(folder: Path, name: str) -> bytes:
    """The folder as `helm package` packs it, below a folder `name`; the same files are the same bytes everywhere.

    Raises OperationError.
    """
    if not (folder / "Chart.yaml").is_file():
        raise OperationError(f"CHART={folder} is not a chart's folder: it has no Chart.yaml")
    stream, size = io.BytesIO(), 0
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).parts):
            content = _read(path)
            size += len(content)
            if size > ARCHIVE_LIMIT:
                raise OperationError(f"CHART={folder} has more than {ARCHIVE_LIMIT >> 20} MiB")
            member = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")  # mode 644, owner 0, time 0
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return _stored(stream.getvalue())


def _files(folder: Path) -> Iterator[Path]:
    """The files that Helm loads from the folder."""
    ignored = _ignored(folder)

    def walk(parent: Path) -> Iterator[Path]:
        for path in parent.iterdir():
            mode = path.lstat().st_mode
            if ignored.fullmatch(path.relative_to(folder).as_posix() + "/" * stat.S_ISDIR(mode)):
                continue
            if stat.S_ISDIR(mode):
                yield from walk(path)
            elif stat.S_ISREG(mode):
                yield path
            else:
                raise OperationError(f"{path} is a link or a device: a chart's archive holds files only")

    try:
        yield from walk(folder)
    except OSError as error:
        raise OperationError(f"{error.filename} can't be read: {error.strerror}") from None


def _ignored(folder: Path) -> re.Pattern[str]:
    """What .helmignore excludes: paths below the folder, those of folders with a slash behind."""
    lines = ["templates/.?*"]  # Helm's own
    if (folder / ".helmignore").is_file():
        lines += _read(folder / ".helmignore").decode(errors="replace").splitlines()
    rules: list[str] = []
    for line in map(str.strip, lines):
        if not line or line.startswith("#"):
            continue
        if line.startswith("!") or "**" in line or set(line) & set("[\\"):
            raise OperationError(f"{folder}/.helmignore: `{line}` isn't understood; give what `helm package` makes")
        depth = "" if "/" in line.rstrip("/") else "(.*/)?"
        rule = re.escape(line.strip("/")).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        rules.append(depth + rule + ("/" if line.endswith("/") else "/?"))
    return re.compile("|".join(rules), re.DOTALL)


def _stored(content: bytes) -> bytes:
    """`content` as gzip without compression: compressed, each release of zlib would make other bytes of it."""
    size = 0xFFFF  # of a block of RFC 1951
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    stream = bytearray(b"\x1f\x8b\x08" + bytes(6) + b"\xff")  # RFC 1952: no name, no time, no system
    for block in blocks:
        stream += struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block
    return bytes(stream) + struct.pack("<II", zlib.crc32(content), len(content))


def identity(archive: bytes, source: str) -> tuple[str, str]:
    """Name and version from the archive's Chart.yaml. The archive is read to its end and within bounds, in memory.

    Raises OperationError.
    """
    damaged = OperationError(f"{source} is not an archive of a chart as `helm package` makes it, or is damaged")
    try:
        with gzip.open(io.BytesIO(archive)) as stream:
            content = stream.read(UNPACKED_LIMIT + 1)
        if len(content) > UNPACKED_LIMIT:
            raise OperationError(f"{source} unpacks to more than {UNPACKED_LIMIT >> 20} MiB")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count == MEMBER_LIMIT:
                    raise OperationError(f"{source} has more than {MEMBER_LIMIT} files")
                if re.fullmatch(r"[^/]+/Chart\.yaml", member.name) and member.isreg():
                    break
            else:
                raise OperationError(f"{source} is not an archive of a chart: it has no Chart.yaml in a folder")
            if member.size > CHART_YAML_LIMIT or not (file := tar.extractfile(member)):
                raise damaged
            metadata = _yaml(file.read(), f"Chart.yaml of {source}")
    except (EOFError, OSError, ValueError, OverflowError, RecursionError, zlib.error, tarfile.TarError):
        raise damaged from None
    match metadata:
        case {"name": str(name), "version": str(version)}:
            return name, version
        case _:
            raise OperationError(f"Chart.yaml of {source} has no name and version")


def _yaml(content: bytes, what: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # large indexes take the other one minutes
    depth = 0
    try:
        for event in yaml.parse(content, loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_LIMIT:
                raise OperationError(f"{what} is nested more than {DEPTH_LIMIT} times")
        return yaml.load(content, loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise OperationError(f"{what} is not YAML") from None


def _write(path: Path, content: bytes) -> None:
    """At once or not at all."""
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            os.chmod(name, 0o644)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OperationError(f"{path} can't be written: {error.strerror}") from None
