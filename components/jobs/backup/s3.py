"""Talk to an S3-compatible bucket with the standard library alone: Signature Version 4, verified TLS, no redirects."""

import base64
import calendar
import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

from job import ConfigError, Failed, Pending
from tls import trusting, trusting_public

TIMEOUT_SECONDS = 60
CHUNK = 1 << 20
LARGEST = 5 << 30  # of an object that is written in one piece
EMPTY = hashlib.sha256(b"").hexdigest()
# What the code of a refusal asks of the one who reads the last line.
_ADVICE = {
    "SignatureDoesNotMatch": "backupSecretKey is not the secret of backupAccessKey",
    "InvalidAccessKeyId": "there is no such backupAccessKey",
    "AccessDenied": "the credentials may not do this",
    "NoSuchBucket": "there is no such bucket: see backup.target.name",
    "AuthorizationHeaderMalformed": "see backup.target.region",
    "PermanentRedirect": "the bucket is of a different region: see backup.target.region and endpoint",
    "QuotaExceeded": "the bucket is full",
    "XMinioStorageFull": "the bucket is full",
    "InsufficientStorage": "the bucket is full",
}

# 307: of a bucket that was just made, until its name leads to its region. 409: the same object is being written, which
# a repeated request of ours may be.
_PASSING = (307, 409, 429)
_PASSING_CODES = ("RequestTimeout",)  # 400: the body came too slowly, as over a connection that stood still


@dataclass(frozen=True)
class Credentials:
    """An access key."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Place:
    """A bucket: where it is, and how its name stands in an address."""

    endpoint: str
    bucket: str
    region: str
    style: str  # path, or virtual: the bucket's name as the first label of the host


class Exists(Failed):
    """An object of that name is there already."""


class Missing(Failed):
    """There is no such object."""


class Denied(Failed):
    """The credentials may not do this."""


class Unconditional(Failed):
    """The server knows no condition on a write."""


class S3:
    """A bucket. Raises Pending where a retry can help, and Failed otherwise, both with the cause in one line."""

    def __init__(self, place: Place, credentials: Credentials, authority: Path | None) -> None:
        url = urlsplit(place.endpoint)
        if url.scheme != "https" or not url.hostname:
            raise ConfigError(f"the endpoint {place.endpoint} is no https address")
        self._place, self._credentials = place, credentials
        self._host = url.hostname if place.style == "path" else f"{place.bucket}.{url.hostname}"
        self._port = url.port or 443
        self._root = f"/{place.bucket}" if place.style == "path" else ""
        self._tls = trusting(cafile=str(authority)) if authority else trusting_public()
        self._condition = {"if-none-match": "*"}

    def put(self, name: str, file: Path, headers: Mapping[str, str] | None = None) -> None:
        """Write a file as a new object. Raises Exists where there is one of that name."""
        size = file.stat().st_size
        if size > LARGEST:
            raise Failed(f"{name} has {size} bytes, and a bucket takes {LARGEST} in one piece")
        digest, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with file.open("rb") as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
                md5.update(chunk)
        if name in self.names(name):  # not by HEAD, whose refusal has no words
            raise Exists(f"{name} is there already")
        # AWS takes no object under a lock without a checksum, and the bucket itself may lock whatever it gets.
        wanted = {
            "content-length": str(size),
            "content-md5": base64.b64encode(md5.digest()).decode(),
            **(headers or {}),
        }
        try:
            self._write(name, file, {**self._condition, **wanted}, digest.hexdigest())
        except Unconditional:
            self._condition = {}  # the list has shown that the name is free, and nobody else makes the same one
            self._write(name, file, wanted, digest.hexdigest())

    def _write(self, name: str, file: Path, headers: Mapping[str, str], digest: str) -> None:
        with file.open("rb") as content, self._ask("PUT", name, headers=headers, body=content, digest=digest):
            pass

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the object piece by piece. Raises Missing."""
        with self._ask("GET", name) as answer:
            while chunk := answer.read(CHUNK):
                yield chunk

    def delete(self, name: str) -> None:
        """Delete an object. Raises Denied where the credentials may not."""
        with self._ask("DELETE", name):
            pass

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with `prefix`, in order."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            with self._ask("GET", "", query=query) as answer:
                page = _page(answer.read(), self._host)
            # In any namespace: Google's differs from Amazon's.
            yield from (entry.findtext("{*}Key") or "" for entry in page.iterfind("{*}Contents"))
            following = page.findtext("{*}NextContinuationToken")
            if not following:
                if page.findtext("{*}IsTruncated") == "true":
                    raise Failed(f"GET the list at {self._host}: it goes on, and the server does not say where")
                return
            query = {**query, "continuation-token": following}

    def _ask(
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: IO[bytes] | None = None,
        digest: str = EMPTY,
    ) -> "_Answer":
        path = self._root + ("/" + quote(name, safe="/-_.~") if name else "/" if not self._root else "")
        pairs = ((quote(key, safe="-_.~"), quote(value, safe="-_.~")) for key, value in sorted((query or {}).items()))
        encoded = "&".join(f"{key}={value}" for key, value in pairs)
        what = f"{method} {name or 'the list'} at {self._host}"
        signed = self._signed(method, path, encoded, headers or {}, digest)
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._tls)
        try:
            connection.connect()
            # A server that refuses may close before it has read the body. Why it does can be read all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.request(method, path + (f"?{encoded}" if encoded else ""), body=body, headers=signed)
            response = connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Failed(f"{what}: certificate refused: {error.verify_message}; see backup.target.authority") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            cause = "no such host" if isinstance(error, socket.gaierror) else error
            raise Pending(f"{what}: {cause}") from error
        if response.status >= 300:
            refusal = _refusal(what, response)
            connection.close()
            raise refusal
        return _Answer(connection, response, what)

    def _signed(self, method: str, path: str, query: str, headers: Mapping[str, str], digest: str) -> dict[str, str]:
        """Return the headers with the one that signs them: AWS Signature Version 4."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        host = self._host if self._port == 443 else f"{self._host}:{self._port}"
        every = {**headers, "host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        names = ";".join(sorted(every))
        lines = [f"{header}:{every[header]}" for header in sorted(every)]
        canonical = "\n".join([method, path, query, *lines, "", names, digest])
        scope = f"{stamp[:8]}/{self._place.region}/s3/aws4_request"
        key = f"AWS4{self._credentials.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        credential = f"Credential={self._credentials.access_key}/{scope}"
        every["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
        return every


class _Answer:
    """An answer whose body is still to be read. A connection that breaks meanwhile raises Pending."""

    def __init__(self, connection: http.client.HTTPSConnection, response: http.client.HTTPResponse, what: str) -> None:
        self._connection, self._response, self._what = connection, response, what

    def __enter__(self) -> "_Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, size: int = -1) -> bytes:
        try:
            content = self._response.read() if size < 0 else self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise Pending(f"{self._what}: {type(error).__name__}: {error}") from error
        if not content and self._response.length:  # a read of a part takes an early end for the end
            raise Pending(f"{self._what}: the connection ended {self._response.length} bytes early")
        return content


def _page(content: bytes, host: str) -> ET.Element:
    """Return a page of the list. Raises Failed for anything else, which would pass for an empty one."""
    try:
        page = ET.fromstring(content)  # noqa: S314 the bucket is the stack's own, and entities are bounded
    except ET.ParseError:
        page = None
    if page is None or page.tag.rpartition("}")[2] != "ListBucketResult":
        found = "no XML" if page is None else page.tag
        raise Failed(
            f"GET the list at {host}: the answer is {found} and not ListBucketResult; see backup.target.endpoint"
        )
    return page


def _refusal(what: str, response: http.client.HTTPResponse) -> Exception:
    """Return what a refused request raises: its status, the server's own code, and what to do about it."""
    code, words = _said(response)
    if response.status == 404 and code in ("", "NoSuchKey"):
        return Missing(f"{what}: there is no such object")
    if response.status == 412:
        return Exists(f"{what}: it is there already")
    if code == "RequestTimeTooSkewed":
        return Failed(
            f"{what}: refused, because this node's clock is {_skew(response)} from the bucket's; set the clock"
        )
    if code == "NotImplemented":
        return Unconditional(f"{what}: {response.status} {code}")
    advice = _ADVICE.get(code) or ("the bucket is full" if response.status == 507 else "")
    message = ": ".join(filter(None, (what, f"{response.status} {code}".strip(), advice or words)))
    if response.status == 403:
        return Denied(message)
    failing = response.status >= 500 and response.status != 507 and not advice
    return Pending(message) if failing or response.status in _PASSING or code in _PASSING_CODES else Failed(message)


def _said(response: http.client.HTTPResponse) -> tuple[str, str]:
    """Return the server's code of a refusal and its words, empty where it has none."""
    try:
        error = ET.fromstring(response.read(65536))  # noqa: S314 65 kB of the stack's own bucket
    except (ET.ParseError, OSError, http.client.HTTPException):
        return "", ""
    return error.findtext("{*}Code") or "", " ".join((error.findtext("{*}Message") or "").split())[:200]


def _skew(response: http.client.HTTPResponse) -> str:
    try:
        theirs = calendar.timegm(time.strptime(response.headers.get("Date", ""), "%a, %d %b %Y %H:%M:%S GMT"))
    except ValueError:
        return "too far"
    return f"{abs(time.time() - theirs):.0f} s"
