"""A bucket for the tests: it checks every signature by itself, over TLS, and can be told to misbehave."""

import base64
import calendar
import hashlib
import hmac
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from job_pki import Pair

ACCESS_KEY, SECRET_KEY, REGION, BUCKET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-test-1", "dumps"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request, "
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class Bucket:
    """What the bucket holds, and what it does wrong."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.refuse: dict[str, tuple[int, str]] = {}  # method to status and code
        self.fail_once: set[str] = set()  # methods that are answered `stumble` the next time
        self.stumble: tuple[int, str] = (503, "SlowDown")
        self.damage = False  # what is read differs from what was written
        self.cut = set[str]()  # names whose body ends early the next time
        self.locks = False  # whatever it gets, by a rule of its own
        self.conditions = True  # on a write
        self.closes = False  # the connection, before it has read what it refuses
        self.page = 1000
        self.listing = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{}</ListBucketResult>'
        self.silent = False  # about where the list goes on
        self.requests: list[str] = []
        self.url = ""


@contextmanager
def serving(bucket: Bucket, pair: Pair, folder: Path, address: str = "127.0.0.1") -> Iterator[Bucket]:
    certificate = folder / "bucket.pem"
    certificate.write_text(pair.pem + pair.key_pem)
    server = ThreadingHTTPServer((address, 0), type("Handler", (_Handler,), {"bucket": bucket}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bucket.url = f"https://{address}:{server.server_address[1]}"
    yield bucket
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _handle(self) -> None:
        if self.bucket.closes and self.command in self.bucket.refuse:
            self.close_connection = True
            self._answer(*self.bucket.refuse[self.command])
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        bucket, name = re.fullmatch(r"/([^/]*)/?(.*)", unquote(url.path)).groups()  # type: ignore[union-attr]
        self.bucket.requests.append(f"{self.command} {name}")
        if problem := self._unsigned(body, url.path, url.query):
            self._answer(403, problem)
        elif self.command in self.bucket.fail_once:
            self.bucket.fail_once.discard(self.command)
            self._answer(*self.bucket.stumble)
        elif refusal := self.bucket.refuse.get(self.command):
            self._answer(*refusal)
        elif bucket != BUCKET:
            self._answer(404, "NoSuchBucket")
        else:
            getattr(self, f"_{self.command.lower()}")(name, dict(parse_qsl(url.query, keep_blank_values=True)), body)

    do_GET = do_PUT = do_DELETE = _handle  # noqa: N815 http.server's names

    def _put(self, name: str, _query: dict[str, str], body: bytes) -> None:
        locked = self.bucket.locks or "x-amz-object-lock-mode" in self.headers
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        if locked and self.headers.get("Content-MD5") != checksum:
            self._answer(400, "InvalidRequest")  # as AWS: a checksum is required with parameters of object lock
        elif not self.bucket.conditions and "If-None-Match" in self.headers:
            self._answer(501, "NotImplemented")
        elif self.headers.get("If-None-Match") == "*" and name in self.bucket.objects:
            self._answer(412, "PreconditionFailed")
        else:
            self.bucket.objects[name] = body
            self.bucket.headers[name] = {key.lower(): value for key, value in self.headers.items()}
            self._answer(200)

    def _delete(self, name: str, _query: dict[str, str], _body: bytes) -> None:
        self.bucket.objects.pop(name, None)
        self._answer(204)

    def _get(self, name: str, query: dict[str, str], _body: bytes) -> None:
        if name:
            content = self.bucket.objects.get(name)
            if content is None:
                self._answer(404, "NoSuchKey")
                return
            if name in self.bucket.cut:
                self.bucket.cut.discard(name)
                self.close_connection = True
                self._answer(200, body=content, sent=len(content) // 2)
                return
            damaged = self.bucket.damage and name.endswith(".gpg")
            self._answer(200, body=content[:-1] + bytes([content[-1] ^ 1]) if damaged else content)
            return
        names = sorted(each for each in self.bucket.objects if each.startswith(query["prefix"]))
        start = int(query.get("continuation-token", "0"))
        page, rest = names[start : start + self.bucket.page], names[start + self.bucket.page :]
        following = f"<NextContinuationToken>{start + len(page)}</NextContinuationToken>" if rest else ""
        contents = "".join(f"<Contents><Key>{each}</Key></Contents>" for each in page)
        if self.bucket.silent:
            following = ""
        inner = f"{contents}<IsTruncated>{'true' if rest else 'false'}</IsTruncated>{following}"
        self._answer(200, body=self.bucket.listing.format(inner).encode())

    def _answer(self, status: int, code: str = "", body: bytes = b"", sent: int | None = None) -> None:
        error = f"<Error><Code>{code}</Code><Message>what {code}\nmeans</Message></Error>"
        content = error.encode() if code else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])

    def _unsigned(self, body: bytes, path: str, query: str) -> str:
        """Return the code of what is wrong with the signature, as the specification has it checked."""
        found = _AUTHORIZATION.fullmatch(self.headers.get("Authorization", ""))
        stamp = self.headers.get("x-amz-date", "")
        if not found or found["key"] != ACCESS_KEY:
            return "InvalidAccessKeyId"
        if found["region"] != REGION:
            return "AuthorizationHeaderMalformed"
        if abs(time.time() - calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))) > 900:
            return "RequestTimeTooSkewed"
        digest = hashlib.sha256(body).hexdigest()
        if self.headers.get("x-amz-content-sha256") != digest:
            return "XAmzContentSHA256Mismatch"
        names = found["headers"].split(";")
        sent = {name.lower() for name in self.headers if name.lower().startswith("x-amz-")}
        if not {"host", *sent} <= set(names):
            return "AccessDenied"
        lines = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in names)
        canonical = f"{self.command}\n{path}\n{query}\n{lines}\n{found['headers']}\n{digest}".encode()
        scope = f"{found['day']}/{REGION}/s3/aws4_request"
        signed = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}".encode()
        key = b"AWS4" + SECRET_KEY.encode()
        for part in (found["day"], REGION, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return "" if hmac.digest(key, signed, "sha256").hex() == found["signature"] else "SignatureDoesNotMatch"
