"""The site is asked through its ingress controller, and the last line names what stands in between."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from job_cluster import Cluster
from job_engines import free_port
from job_pki import DAY, Pair, self_signed

HOST = "secrets.example.org"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"
OK = (200, '{"message": "Ok"}')


class Controller:
    """An ingress controller on 127.0.0.1: one certificate, and an answer for each host."""

    def __init__(self, folder: Path, pair: Pair, *, proxied: bool = False) -> None:
        self.answers: dict[str, tuple[int, str]] = {HOST: OK}
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.headers["Host"], self.path))
                status, body = outer.answers.get(self.headers["Host"], (404, "404 page not found"))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        (folder / "chain.pem").write_text(pair.pem + pair.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "chain.pem")
        self.names: list[str | None] = []
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if proxied:
            self.server.get_request = partial(_proxied, self.server.socket, context)  # type: ignore[method-assign]
        else:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def _proxied(listening: socket.socket, context: ssl.SSLContext) -> tuple[socket.socket, Any]:
    """Accept a connection that begins with the PROXY protocol, and drop every other, as ingress-nginx does."""
    connection, where = listening.accept()
    if connection.recv(6, socket.MSG_PEEK) != b"PROXY ":
        connection.close()
        raise ConnectionResetError("no PROXY header")
    while connection.recv(1) != b"\n":
        pass
    return context.wrap_socket(connection, server_side=True), where


class Site:
    """The Secret with the site's certificate as it is mounted, a controller, and an Ingress."""

    def __init__(self, cluster: Cluster, folder: Path, start: Callable[..., Any]) -> None:
        self.cluster, self.folder, self._start = cluster, folder, start
        self.namespace = cluster.namespace("way-in")
        self.controllers: list[Controller] = []

    def issued(self, pair: Pair, authority: Pair | None = None) -> None:
        (self.folder / "tls.crt").write_text(pair.pem)
        if authority:
            (self.folder / "ca.crt").write_text(authority.pem)

    def controller(self, pair: Pair, *, proxied: bool = False) -> Controller:
        self.controllers.append(Controller(self.folder, pair, proxied=proxied))
        return self.controllers[-1]

    def ingress(self, *points: dict[str, str]) -> None:
        self.cluster.grant(self.namespace, [("networking.k8s.io", "ingresses", ["get"], ["infisical"])])
        spec = {"rules": [{"host": HOST}]}
        path = INGRESSES.format(self.namespace)
        self.cluster.create(path, {"metadata": {"name": "infisical"}, "spec": spec})
        status = {"loadBalancer": {"ingress": list(points)}}
        self.cluster.call("PATCH", f"{path}/infisical/status", {"status": status})

    def ask(self, hosts: dict[str, list[str]] | None = None, **changed: Any) -> Any:
        config = {
            "site": HOST,
            "service": "infisical",
            "namespace": self.namespace,
            "ingress": "infisical",
            "trusted": str(self.folder),
            "deadline_seconds": 1.2,
            "address_seconds": 0.5,
            "reach_seconds": 0.5,
        }
        return self._start("way_in.py", config | changed, hosts, **self.cluster.environment)


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path, start_job: Callable[..., Any]) -> Iterator[Site]:
    site = Site(cluster, tmp_path, start_job)
    yield site
    for controller in site.controllers:
        controller.server.shutdown()
        controller.server.server_close()


def explicit(controller: Controller) -> dict[str, Any]:
    return {"controller": f"ingress.svc:{controller.port}", "hosts": {"ingress.svc": ["127.0.0.1"]}}


def test_the_site_answers_through_the_controller_that_a_stack_names(site: Site, ca: Pair) -> None:
    """No API server is asked for it, and the controller hears the site's own name twice: in TLS and in HTTP."""
    pair = ca.issue(HOST)
    site.issued(pair, ca)
    controller = site.controller(pair)
    outcome = site.ask(**explicit(controller)).outcome()
    assert outcome.status == 0
    where = f"ingress.svc:{controller.port}"
    said = f"ingress-gate: ready: https://{HOST}/api/status answers through {where}, with CN={HOST}"
    assert outcome.last_line.startswith(said)
    assert (controller.names, controller.asked) == ([HOST], [(HOST, "/api/status")])


@pytest.mark.parametrize("point", [{"ip": "127.0.0.1"}, {"hostname": "balancer.example.net"}])
def test_the_address_is_what_the_controller_publishes(site: Site, ca: Pair, point: dict[str, str]) -> None:
    site.issued(ca.issue(HOST), ca)
    controller = site.controller(ca.issue(HOST))  # an earlier leaf of the same authority
    controller.answers = {f"{HOST}:{controller.port}": OK}
    site.ingress(point)
    outcome = site.ask({"balancer.example.net": ["127.0.0.1"]}, site=f"{HOST}:{controller.port}").outcome()
    assert outcome.status == 0
    assert "answers through" in outcome.last_line


def test_the_address_of_the_other_family_is_asked_as_well(site: Site, ca: Pair) -> None:
    """A balancer of two families publishes both, and pods may have one of them alone. An entry may be empty, too."""
    site.issued(ca.issue(HOST), ca)
    controller = site.controller(ca.issue(HOST))
    controller.answers = {f"{HOST}:{controller.port}": OK}
    site.ingress({}, {"ip": "100::1"}, {"ip": "127.0.0.1"})  # the first address is one that leads nowhere (RFC 6666)
    outcome = site.ask(site=f"{HOST}:{controller.port}", deadline_seconds=60, reach_seconds=30).outcome()
    assert outcome.status == 0
    assert "answers through 127.0.0.1" in outcome.last_line


def test_an_issuer_that_tells_no_authority_is_known_by_its_certificate(site: Site, ca: Pair) -> None:
    """As of Let's Encrypt's staging environment."""
    pair = ca.issue(HOST)
    site.issued(pair)
    assert site.ask(**explicit(site.controller(pair))).outcome().status == 0


@pytest.mark.parametrize(
    ("issue", "reason"),
    [
        (lambda _: self_signed("TRAEFIK DEFAULT CERT"), "; it presents CN=TRAEFIK DEFAULT CERT (issuer CN=TRAEFIK"),
        (lambda ca: ca.issue("other.example.org"), "Hostname mismatch"),
        (lambda ca: ca.issue(HOST, lasts=-DAY), "certificate has expired"),
    ],
)
def test_another_certificate_is_named(site: Site, ca: Pair, issue: Callable[[Pair], Pair], reason: str) -> None:
    site.issued(ca.issue(HOST), ca)
    outcome = site.ask(**explicit(site.controller(issue(ca)))).outcome()
    assert outcome.status == 1
    assert f"has not the certificate of {HOST}: " in outcome.last_line
    assert reason in outcome.last_line


def test_the_issued_certificate_is_no_excuse_for_its_name_or_its_time(site: Site, ca: Pair) -> None:
    """It is trusted by itself, and it still has to fit."""
    for pair, reason in ((ca.issue("other.example.org"), "mismatch"), (ca.issue(HOST, lasts=-DAY), "has expired")):
        site.issued(pair)
        outcome = site.ask(**explicit(site.controller(pair))).outcome()
        assert outcome.status == 1
        assert reason in outcome.last_line


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, "default backend - 404"), "the controller does not know the host, or another of its routes has it"),
        ((503, ""), "no pod of Service infisical is reached: see networkPolicies.ingressController, and its pods"),
        ((200, "<html>"), "that is not Infisical's answer: something else has the host"),
        ((500, '{"message": "x"}'), "that is not Infisical's answer: something else has the host"),
    ],
)
def test_a_wrong_answer_is_named(site: Site, ca: Pair, answer: tuple[int, str], reason: str) -> None:
    pair = ca.issue(HOST)
    site.issued(pair, ca)
    controller = site.controller(pair)
    controller.answers[HOST] = answer
    outcome = site.ask(**explicit(controller)).outcome()
    assert outcome.status == 1
    assert f"answers {answer[0]} to https://{HOST}/api/status" in outcome.last_line
    assert reason in outcome.last_line


def test_a_controller_that_follows_later_is_waited_for(site: Site, ca: Pair) -> None:
    pair = ca.issue(HOST)
    site.issued(pair, ca)
    controller = site.controller(pair)
    controller.answers = {}
    job = site.ask(**explicit(controller), deadline_seconds=60)
    job.sees("the controller does not know the host")
    controller.answers = {HOST: OK}
    assert job.outcome().status == 0


def test_without_an_address_nobody_has_asked_and_nothing_fails(site: Site, ca: Pair) -> None:
    site.issued(ca.issue(HOST), ca)
    site.ingress()
    outcome = site.ask().outcome()
    assert outcome.status == 0
    assert outcome.last_line.startswith("ingress-gate: nobody has asked the site from the outside: the controller has")
    assert outcome.last_line.endswith("Set ingress.route.controller to have it asked")


def test_an_address_that_is_not_reached_from_inside_is_no_proof(site: Site, ca: Pair) -> None:
    """Balancers that lead back into the cluster often refuse its own pods."""
    site.issued(ca.issue(HOST), ca)
    site.ingress({"ip": "127.0.0.1"})
    outcome = site.ask(site=f"{HOST}:{free_port()}").outcome()
    assert outcome.status == 0
    assert "nobody has asked the site from the outside: no connection to 127.0.0.1" in outcome.last_line


def test_a_controller_that_a_stack_names_has_to_answer(site: Site, ca: Pair) -> None:
    site.issued(ca.issue(HOST), ca)
    outcome = site.ask(controller=f"127.0.0.1:{free_port()}").outcome()
    assert outcome.status == 1
    assert "no connection to 127.0.0.1" in outcome.last_line


def test_a_controller_that_wants_the_proxy_protocol_is_asked_in_it(site: Site, ca: Pair) -> None:
    """Behind a network balancer of a cloud it drops everybody who does not say whom a connection is for."""
    pair = ca.issue(HOST)
    site.issued(pair, ca)
    controller = site.controller(pair, proxied=True)
    assert site.ask(**explicit(controller)).outcome().status == 0
    assert controller.asked == [(HOST, "/api/status")]
    site.issued(ca.issue(HOST), self_signed("other"))
    outcome = site.ask(**explicit(site.controller(self_signed(HOST), proxied=True))).outcome()
    assert "has not the certificate of" in outcome.last_line


def test_a_log_in_that_stands_in_front_is_no_fault_of_an_address(site: Site, ca: Pair) -> None:
    pair = ca.issue(HOST)
    site.issued(pair, ca)
    controller = site.controller(pair)
    controller.answers[f"{HOST}:{controller.port}"] = (302, "")
    site.ingress({"ip": "127.0.0.1"})
    outcome = site.ask(site=f"{HOST}:{controller.port}").outcome()
    assert outcome.status == 0
    assert "answers 302" in outcome.last_line


def test_an_address_that_answers_for_somebody_else_fails(site: Site, ca: Pair) -> None:
    pair = ca.issue(HOST)
    site.issued(pair, ca)
    controller = site.controller(pair)
    site.ingress({"ip": "127.0.0.1"})
    outcome = site.ask(site=f"{HOST}:{controller.port}").outcome()
    assert outcome.status == 1
    assert "answers 404" in outcome.last_line
