"""Reach a Redis that somebody else runs, as Infisical will: its user, its TLS, its Sentinels."""

import os
import ssl
from dataclasses import dataclass

from job import Failed, Pending
from redis_connection import NOT_PROTECTED, Address, Connection, ReplyError, refused
from tls import trusting, trusting_public

PUBLIC = "public"


@dataclass(frozen=True)
class ExternalRedis:
    """Where it is: a host, or Sentinels (host:port) that know its master.

    trust: file with the authority that signed its certificate, or `public` for the image's own. None: without TLS.
    """

    port: int
    host: str | None = None
    username: str | None = None
    sentinels: tuple[str, ...] | None = None
    master_name: str | None = None
    trust: str | None = None


class LoggedIn(Connection):
    """A connection of a user of an access list, encrypted or not."""

    def __init__(self, where: Address, username: str | None, password: str | None, tls: ssl.SSLContext | None) -> None:
        self._username = username
        super().__init__(where.host, where.port, password, tls)

    def _authenticate(self, password: str) -> None:
        self.call("AUTH", *([self._username] if self._username else []), password)


def connected(config: ExternalRedis) -> tuple[Address, Connection]:
    """Return the server that takes writes, and a connection to it. Raises Pending, and Failed for a refused login."""
    where = _master(config) if config.sentinels else Address(config.host or "", config.port)
    password = os.environ.get("REDIS_PASSWORD")
    try:
        return where, LoggedIn(where, config.username, password, _context(config.trust))
    except ReplyError as error:
        raise _refusal(f"redis {where}", error, "redisPassword") from error
    except ssl.SSLError as error:
        raise Pending(f"redis {where}: {_words(error)}") from error
    except OSError as error:
        silent = bool(config.trust) and "handshake" in str(error)
        why = "no TLS: it does not answer the handshake, as a port without TLS" if silent else error
        raise Pending(f"redis {where}: {why}") from error


def _master(config: ExternalRedis) -> Address:
    """Ask every Sentinel, because Infisical takes the first that answers: all must name the same master."""
    assert config.sentinels
    found: dict[str, Address] = {}
    for sentinel in config.sentinels:
        host, _, port = sentinel.rpartition(":")
        try:
            with LoggedIn(Address(host, int(port)), None, os.environ.get("SENTINEL_PASSWORD"), None) as connection:
                master = connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", config.master_name or "")
        except ReplyError as error:
            raise _refusal(f"sentinel {sentinel}", error, "redisSentinelPassword") from error
        except OSError as error:
            raise Pending(f"sentinel {sentinel}: {error}") from error
        if master is None:
            raise Failed(f"sentinel {sentinel}: knows no master named {config.master_name}; see redis.masterName")
        found[sentinel] = Address(str(master[0]), int(master[1]))
    masters = set(found.values())
    if len(masters) != 1:
        told = ", ".join(f"{sentinel} says {master}" for sentinel, master in found.items())
        raise Pending(f"Sentinels disagree on the master: {told}")
    master = masters.pop()
    if master.port != config.port:
        raise Failed(
            f"the Sentinels name {master} as master: set redis.port to {master.port}, which policies then open"
        )
    return master


def _context(trust: str | None) -> ssl.SSLContext | None:
    if trust == PUBLIC:
        return trusting_public()
    return trusting(cafile=trust) if trust else None


def _refusal(server: str, error: ReplyError, key: str) -> Exception:
    """Return Failed when the login is the cause, named and never shown, otherwise Pending."""
    if not refused(error) and NOT_PROTECTED not in str(error):
        return Pending(f"{server}: {error.code}")
    return Failed(f"{server}: {error.code}: it refuses the login: see {key}, and redis.username")


def _words(error: ssl.SSLError) -> str:
    """Return why a certificate or a handshake fails, without the source line of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    return f"no TLS: {error.reason or error}"
