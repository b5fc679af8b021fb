"""Just enough of a Redis client for the scripts here: the image has Python and nothing else."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 2
# Refusals of AUTH which no waiting mends.
REFUSED = ("WRONGPASS", "NOAUTH", "NOPERM")
NOT_PROTECTED = "without any password configured"


class ReplyError(Exception):
    """An error reply of the server."""

    @property
    def code(self) -> str:
        """Its first word."""
        return str(self).partition(" ")[0]


class Connection:
    """Just enough of RESP2 for commands whose replies are strings, numbers and arrays of those."""

    def __init__(self, host: str, port: int, password: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection((host, port), TIMEOUT_SECONDS)
        try:
            self._socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        except BaseException:
            plain.close()
            raise
        self._replies = self._socket.makefile("rb")
        self.asks_password = False
        try:
            if password:
                self._authenticate(password)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._replies.close()
        self._socket.close()

    def call(self, *words: str) -> Any:
        """Return the reply. Raises ReplyError for an error reply, OSError when the connection breaks."""
        encoded = [word.encode() for word in words]
        self._socket.sendall(
            b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        )
        return self._reply()

    def _authenticate(self, password: str) -> None:
        try:
            self.call("AUTH", password)
        except ReplyError as error:
            if NOT_PROTECTED not in str(error):
                raise
        else:
            self.asks_password = True

    def _reply(self) -> Any:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("connection closed in the middle of a reply")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        match kind:
            case b"+":
                return rest
            case b"-":
                raise ReplyError(rest)
            case b":":
                return int(rest)
            case b"$":
                return None if rest == "-1" else self._replies.read(int(rest) + 2)[:-2].decode(errors="replace")
            case b"*":
                return None if rest == "-1" else [self._reply() for _ in range(int(rest))]
            case _:
                raise ConnectionError(f"not a Redis reply: {line[:20]!r}")


@dataclass(frozen=True)
class Address:
    """Where a Redis or a Sentinel listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """A flat reply k1 v1 k2 v2 as a dict."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def refused(error: ReplyError) -> bool:
    """Whether the password is the cause."""
    return error.code in REFUSED
