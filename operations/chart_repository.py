"""Fetch a chart's archive from its Helm repository, or from its OCI registry."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from bisect import bisect
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from operations import chart_archive
from operations.errors import OperationError
from settings.machinery.charts import Chart, digest_of

TIMEOUT = 30.0  # seconds, for a whole download


def fetch(chart: Chart) -> tuple[bytes, str]:
    """Return the archive, and its source as messages may show it. Raises OperationError."""
    if not re.match(r"[a-z]+://[^/?@]+([/?]|$)", chart.repository):
        raise OperationError(f"{chart.key}.repository: give a host, and before it no user, whom logs would show")
    return _pulled(chart) if chart.repository.startswith("oci:") else _downloaded(chart)


def _downloaded(chart: Chart) -> tuple[bytes, str]:
    """Return the chart's archive from its Helm repository, and the repository's host."""
    # Some repositories have a password in path or query, so messages show only the host.
    address = index_address(chart.repository)
    host = address[: address.index("/", address.index("//") + 2)]
    opener = urllib.request.build_opener(_NoDowngrade)

    index = _get(opener, address, address, f"index.yaml of {host}")
    entry = _entry(chart, index, host)
    match entry:
        case {"urls": [str(url), *_]}:
            archive = _get(opener, address, url, f"{chart} of {host}")
        case _:
            raise OperationError(f"{host} has {chart.name} {chart.version} without an address in its index")
    promised = str(entry.get("digest") or "").removeprefix("sha256:")
    if promised and f"sha256:{promised}" != digest_of(archive):
        raise OperationError(f"{host} sent {digest_of(archive)}, but its index says sha256:{promised}")
    return archive, host


def index_address(repository: str) -> str:
    """Return where a Helm repository has its index. A query in the setting stays the query of the address."""
    base, _, query = repository.partition("?")
    return f"{base.rstrip('/')}/index.yaml?{query}".rstrip("?")


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follow redirections, but not away from https."""

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
                if len(content) > chart_archive.ARCHIVE_LIMIT:
                    raise OperationError(f"{what} has more than {chart_archive.ARCHIVE_LIMIT >> 20} MiB")
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


def _entry(chart: Chart, index: bytes, host: str) -> dict[str, Any]:
    """Return the index's entry of the chart."""
    match chart_archive.parsed_yaml(index, f"index.yaml of {host}"):
        case {"entries": dict(charts)}:
            pass
        case _:
            raise OperationError(f"index.yaml of {host} is not the index of a Helm repository")
    entries = [entry for entry in charts.get(chart.name) or [] if isinstance(entry, dict)]
    if not entries:
        names = ", ".join(sorted(map(str, charts))[:10]) or "none at all"
        raise OperationError(f"{host} has no chart {chart.name}; it has {names}")
    for entry in entries:
        if entry.get("version") == chart.version:
            return entry
    v = "v" if chart.version.startswith("v") else ""  # how this chart writes its versions
    found = [str(entry.get("version")) for entry in entries]
    released = sorted({_numbers(each) for each in found if re.fullmatch(rf"{v}\d+\.\d+\.\d+", each, re.ASCII)})
    place = bisect(released, _numbers(chart.version))
    nearest = ", ".join(v + ".".join(map(str, version)) for version in released[max(place - 2, 0) : place + 2])
    raise OperationError(f"{host} has no {chart.name} {chart.version}; nearest: {nearest or 'no release at all'}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.removeprefix("v").split(".")))


def _pulled(chart: Chart) -> tuple[bytes, str]:
    """Return the chart's archive from its OCI registry, and its address there."""
    address = f"{chart.repository.rstrip('/')}/{chart.name}"
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
                return chart_archive.read(archive), address
            case _:
                raise OperationError(f"`helm pull {address}` has left no archive")
