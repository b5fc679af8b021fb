"""Asks the site through its ingress controller, as a browser would, and names what stands in between."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from job import ConfigError, Pending, Report, run, wait
from kube import Api, Object
from tls import trusting_public
from x509 import certificate

STATUS = "/api/status"
TIMEOUT_SECONDS = 10
FOR_NOBODY = b"PROXY UNKNOWN\r\n"  # haproxy.org, proxy-protocol.txt, 2.1
TRIED = 4  # addresses: one of each family, or one of each node
UNREACHED = "no pod of Service {} is reached: see networkPolicies.ingressController, and its pods"
MORE_WANTED = frozenset({301, 302, 303, 307, 308, 401, 403})


@dataclass(frozen=True)
class Config:
    """controller: host:port that the stack names; without it, what the Ingress's status says.

    trusted: where the Secret with the site's certificate is mounted.
    address_seconds: how long an address may take to be published; reach_seconds: and then to be reached.
    """

    site: str
    service: str
    namespace: str
    ingress: str
    trusted: str
    deadline_seconds: float
    controller: str | None = None
    address_seconds: float = 180
    reach_seconds: float = 60


class Inconclusive(Pending):
    """Nothing that can be seen from inside of the cluster says whether users reach the site."""


class WayIn:
    """Looks for the controller and asks it. Only what a controller itself has answered counts against it."""

    def __init__(self, config: Config, report: Report) -> None:
        self.config, self.report = config, report
        self.host, port = address_of(config.site)
        self.port = port or 443
        self.api = None if config.controller else Api()
        self.known_since: float | None = None  # seconds since the start

    def check(self) -> str:
        """Return what was seen. Raise Pending while the site does not answer as it should."""
        if self.config.controller:
            return self._ask(*address_of(self.config.controller))
        addresses = self._published()
        if not addresses:
            seen = f"the controller has published no address in Ingress {self.config.ingress}"
            return self._unknown(seen, self.report.elapsed < self.config.address_seconds)
        if self.known_since is None:
            self.known_since = self.report.elapsed
        silent: list[str] = []
        for address in addresses[:TRIED]:
            try:
                return self._ask(address, self.port)
            except Inconclusive as inconclusive:
                silent.append(str(inconclusive))
        return self._unknown("; ".join(silent), self.report.elapsed - self.known_since < self.config.reach_seconds)

    def _unknown(self, seen: str, may_change: bool) -> str:
        """Raise Pending at first, and say then that nobody has asked: an unknown way in is no fault of the site."""
        if may_change:
            raise Pending(seen)
        return f"nobody has asked the site from the outside: {seen}. Set ingress.route.controller to have it asked"

    def _published(self) -> list[str]:
        """Return the addresses and names in the status of the Ingress."""
        assert self.api
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.config.namespace}/ingresses/{self.config.ingress}"
        status: Object = self.api.get(path).get("status", {})
        points: list[Object] = status.get("loadBalancer", {}).get("ingress") or []
        return [address for point in points if (address := point.get("ip") or point.get("hostname"))]

    def _ask(self, address: str, port: int) -> str:
        where = f"{address}:{port}"
        tls = self._connect(address, port, trusting_the_site(Path(self.config.trusted)))
        if isinstance(tls, ssl.SSLCertVerificationError):
            shown = self._connect(address, port, believing_anything())
            presented = "" if isinstance(shown, ssl.SSLError) else f"; it presents {leaf_of(shown)}"
            raise Pending(f"{where} has not the certificate of {self.host}: {tls.verify_message}{presented}")
        with tls:
            leaf = leaf_of(tls)
            connection = http.client.HTTPConnection(self.host)
            connection.sock = tls
            try:
                connection.request("GET", STATUS, headers={"Host": self.config.site})
                response = connection.getresponse()
                status, body = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                raise Inconclusive(f"{where} does not answer: {error or type(error).__name__}") from error
            self._judge(where, status, body)
            return f"ready: https://{self.config.site}{STATUS} answers through {where}, with {leaf}"

    def _connect(
        self, address: str, port: int, context: ssl.SSLContext
    ) -> ssl.SSLSocket | ssl.SSLCertVerificationError:
        """Return the connection, or why its certificate is refused. Raise Inconclusive when there is none at all.

        A controller behind a balancer may want to hear first whom it is for (the PROXY protocol), and drops the rest.
        """
        seen: list[OSError] = []
        for header in (b"", FOR_NOBODY):
            try:
                return self._encrypted(address, port, context, header)
            except ssl.SSLCertVerificationError as error:
                return error
            except OSError as error:
                seen.append(error)
        raise Inconclusive(f"no TLS with {address}:{port}: {seen[0]}") from seen[0]

    def _encrypted(self, address: str, port: int, context: ssl.SSLContext, header: bytes) -> ssl.SSLSocket:
        try:
            plain = socket.create_connection((address, port), timeout=TIMEOUT_SECONDS)
        except OSError as error:
            raise Inconclusive(f"no connection to {address}:{port}: {error}") from error
        try:
            plain.sendall(header)
            return context.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise

    def _judge(self, where: str, status: int, body: bytes) -> None:
        seen = f"{where} answers {status} to https://{self.config.site}{STATUS}"
        if status in MORE_WANTED:
            raise Inconclusive(f"{seen}: it wants more than a browser without a session has")
        if status == 404:
            raise Pending(f"{seen}: the controller does not know the host, or another of its routes has it")
        if status in (502, 503, 504):
            raise Pending(f"{seen}: {UNREACHED.format(self.config.service)}")
        if status != 200 or not of_infisical(body):
            raise Pending(f"{seen}, and that is not Infisical's answer: something else has the host")


def address_of(text: str) -> tuple[str, int]:
    """Return the host and the port of host:port; 0 for a host alone."""
    host, _, port = text.rpartition(":") if text.rpartition(":")[2].isdigit() else (text, "", "0")
    if not host:
        raise ConfigError(f"{text} is no host:port")
    return host, int(port)


def of_infisical(body: bytes) -> bool:
    """Return whether this is what Infisical says of itself."""
    try:
        return "message" in json.loads(body)
    except (ValueError, TypeError):
        return False


def trusting_the_site(folder: Path) -> ssl.SSLContext:
    """Return a context that trusts public authorities, the issuer's, and the very certificate that was issued.

    The last one, because an issuer that is not public need not tell its authority (Let's Encrypt's staging, Vault).
    Name and time are verified for all of them.
    """
    context = trusting_public()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    pem = "\n".join(path.read_text() for key in ("tls.crt", "ca.crt") if (path := folder / key).is_file())
    if pem:
        context.load_verify_locations(cadata=pem)
    return context


def believing_anything() -> ssl.SSLContext:
    """Return a context to look at a certificate that was refused. Nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def leaf_of(tls: ssl.SSLSocket) -> str:
    """Return the name and the issuer of the certificate that was presented."""
    return str(certificate(tls.getpeercert(binary_form=True) or b""))


def main(config: Config, report: Report) -> str:
    """Wait for the site."""
    return wait(WayIn(config, report).check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("ingress-gate", Config, main)
