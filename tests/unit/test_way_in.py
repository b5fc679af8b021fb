"""The way in is never plain HTTP, and an ingress controller gets what it needs."""

from __future__ import annotations

from typing import Any

import pytest
from declared import Resource as Declared
from declared import Stack as DeclaredStack
from rules import RULES

from safeguards import Refusal
from safeguards.challenge import refuse_unanswered_challenge
from safeguards.cluster import LiveCluster
from safeguards.plain_http import refuse_plain_http
from settings.cluster import ClusterSettings
from tests.unit.configurations import complaint, with_
from tests.unit.harness import COMMANDS, platform, settings_of

GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"}
BOTH = [{"name": "web", "protocol": "HTTP"}, {"name": "https", "protocol": "HTTPS"}]
NGINX = "nginx.ingress.kubernetes.io"


def annotated(**route: Any) -> dict[str, str]:
    return platform(ingress={"route": {"kind": "ingress"} | route})["ingress-route"]["metadata", "annotations"]


# --- an Ingress ------------------------------------------------------------------------------------------------------


def test_imports_of_secrets_are_let_through() -> None:
    assert annotated()[f"{NGINX}/proxy-body-size"] == "32m"
    assert annotated(maxBodyMib=64)[f"{NGINX}/proxy-body-size"] == "64m"


def test_annotations_of_a_stack_win_over_the_programs_own() -> None:
    given = {f"{NGINX}/proxy-connect-timeout": "5", "haproxy.org/timeout-server": "5m"}
    assert annotated(annotations=given).items() >= given.items()


def test_an_address_that_never_comes_fails_nothing() -> None:
    """Pulumi would wait for one. The gate asks the site, and waits for an address no longer than it makes sense."""
    assert annotated()["pulumi.com/skipAwait"] == "true"
    assert "Job/ingress-gate" in {str(r) for r in platform()}
    without = platform(ingress={"route": {"kind": "ingress", "awaitAddress": False}})
    assert not [str(r) for r in without if "ingress-gate" in str(r)]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("pulumi.com/skipAwait", "true", "in place of waiting for an address"),
        ("cert-manager.io/cluster-issuer", "ca", "a second certificate"),
        ("kubernetes.io/tls-acme", "true", "a second certificate"),
        ("kubernetes.io/ingress.class", "nginx", "className says it"),
        (f"{NGINX}/ssl-redirect", "false", "served without TLS"),
        (f"{NGINX}/force-ssl-redirect", "false", "served without TLS"),
        (f"{NGINX}/ssl-redirect", "False", "served without TLS"),
        (f"{NGINX}/ssl-redirect", "0", "served without TLS"),
        ("haproxy.org/ssl-redirect", "OFF", "served without TLS"),
        ("ingress.cilium.io/force-https", "disabled", "served without TLS"),
        ("traefik.ingress.kubernetes.io/router.tls", "false", "served without TLS"),
    ],
)
def test_annotations_that_the_program_owns_are_refused(name: str, value: str, reason: str) -> None:
    config = with_(("ingress.route", {"kind": "ingress", "annotations": {name: value}}))
    assert reason in complaint(config)
    assert f"remove {name}, because" in complaint(config)


def test_a_switch_may_be_written_as_one() -> None:
    """`pulumi config set --path` makes a switch of the word, and Kubernetes takes nothing but text."""
    assert annotated(annotations={f"{NGINX}/force-ssl-redirect": True})[f"{NGINX}/force-ssl-redirect"] == "true"
    config = with_(("ingress.route", {"kind": "ingress", "annotations": {f"{NGINX}/ssl-redirect": False}}))
    assert "served without TLS" in complaint(config)


@pytest.mark.parametrize("controller", ["alb", "gce", "gce-internal"])
def test_a_challenge_is_not_asked_for_where_nobody_would_find_the_answer(controller: str) -> None:
    route = ("ingress.route", {"kind": "ingress", "className": controller})
    lets_encrypt = ("ingress.issuer", {"kind": "letsEncrypt", "email": "ops@example.org"})
    public = ("infisical.siteUrl", "https://secrets.example.org")
    said = complaint(with_(route, lets_encrypt, public))
    assert f"class {controller} gives each Ingress a balancer of its own" in said
    assert complaint(with_(route, public)) == ""


def test_cilium_answers_a_challenge_from_its_shared_balancer_alone() -> None:
    lets_encrypt = ("ingress.issuer", {"kind": "letsEncrypt", "email": "ops@example.org"})
    public = ("infisical.siteUrl", "https://secrets.example.org")
    mode = "ingress.cilium.io/loadbalancer-mode"
    for told in ({}, {mode: "dedicated"}):
        route = ("ingress.route", {"kind": "ingress", "className": "cilium", "annotations": told})
        said = complaint(with_(route, lets_encrypt, public))
        assert "class cilium gives each Ingress a balancer of its own" in said
        assert f"or set the annotation {mode} to shared" in said
        assert complaint(with_(route, public)) == ""
    shared = ("ingress.route", {"kind": "ingress", "className": "cilium", "annotations": {mode: "shared"}})
    assert complaint(with_(shared, lets_encrypt, public)) == ""


def test_f5s_controller_would_never_let_lets_encrypts_certificate_be_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives a host to the oldest Ingress alone: to the challenge's at first, and to the site's ever after."""
    lets_encrypt = {"issuer": {"kind": "letsEncrypt", "email": "ops@example.org"}}
    route = {"route": {"kind": "ingress", "className": "nginx"}}

    def up(controller: str, **ingress: Any) -> None:
        found = [{"spec": {"controller": controller}}] if controller else []
        monkeypatch.setattr(LiveCluster, "_get", lambda *_: found)
        stack = settings_of(ingress=ingress, infisical={"siteUrl": "https://secrets.example.org"})
        refuse_unanswered_challenge(stack, LiveCluster(ClusterSettings()), COMMANDS)

    with pytest.raises(Refusal, match="an existing issuer that proves the host by DNS-01"):
        up("nginx.org/ingress-controller", **lets_encrypt, **route)
    for controller in ("k8s.io/ingress-nginx", "traefik.io/ingress-controller", ""):
        up(controller, **lets_encrypt, **route)
    up("nginx.org/ingress-controller", issuer={"kind": "existing", "name": "dns"}, **route)
    up("nginx.org/ingress-controller", **lets_encrypt, route=GATEWAY | {"redirectListener": "web"})


# --- a Gateway -------------------------------------------------------------------------------------------------------


def refused(monkeypatch: pytest.MonkeyPatch, listeners: list[dict[str, str]], **route: Any) -> str:
    monkeypatch.setattr(LiveCluster, "listeners", lambda *_: listeners)
    stack = settings_of(ingress={"route": GATEWAY | route})
    try:
        refuse_plain_http(stack, LiveCluster(ClusterSettings()), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    return ""


def test_a_gateway_takes_away_what_infisical_would_believe_of_a_clients_address() -> None:
    """In an order in which it looks, before X-Forwarded-For (backend/src/server/plugins/ip.ts)."""
    [rule] = platform(ingress={"route": GATEWAY})["ingress-route"]["spec", "rules"]
    [strip] = rule["filters"]
    assert strip["type"] == "RequestHeaderModifier"
    removed = {name.lower() for name in strip["requestHeaderModifier"]["remove"]}
    assert removed == {"cf-connecting-ip", "cf-pseudo-ipv4", "x-client-ip", "x-envoy-external-address"}


@pytest.mark.parametrize("proxies", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "loopback"])
def test_trusted_proxies_are_ranges_and_not_everybody(proxies: str) -> None:
    assert "ingress.trustedProxies" in complaint(with_(("ingress.trustedProxies", [proxies])))


@pytest.mark.parametrize("listener", [None, "web"])
def test_a_listener_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch, listener: str | None) -> None:
    said = refused(monkeypatch, BOTH, listener=listener)
    assert "listener web of Gateway edge/public has no TLS" in said
    assert "pulumi config set --stack dev --path 'infisical-platform:ingress.route.listener' https" in said


def test_a_listener_with_tls_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, BOTH) == ""
    assert refused(monkeypatch, BOTH[1:], listener=None) == ""
    assert refused(monkeypatch, [], listener=None) == "", "whether the Gateway exists is not its question"


def test_it_stops_the_program() -> None:
    """The harness' Gateway has a listener https, with TLS."""
    assert platform(ingress={"route": GATEWAY | {"listener": "https"}})


def test_a_gateway_that_the_user_may_not_see_has_no_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    live = LiveCluster(ClusterSettings())
    monkeypatch.setattr(LiveCluster, "_get", lambda *_: [{"spec": {"listeners": BOTH}}])
    assert live.listeners("edge", "public") == BOTH
    monkeypatch.setattr(LiveCluster, "_get", lambda *_: [])
    assert live.listeners("edge", "public") == []


def test_plain_http_leads_to_https_when_asked_for() -> None:
    graph = platform(ingress={"route": GATEWAY | {"redirectListener": "web"}})
    redirect = graph["ingress-redirect"]
    assert redirect["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "edge", "sectionName": "web"}],
        "hostnames": ["secrets.infisical.test"],
        "rules": [
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
        ],
    }
    assert redirect["metadata", "name"] != graph["ingress-route"]["metadata", "name"]
    assert "HTTPRoute/ingress-redirect" not in {str(r) for r in platform(ingress={"route": GATEWAY})}


def test_plain_http_leads_to_the_port_that_the_site_has() -> None:
    """Without one, a Gateway sends browsers to 443 (HTTPRequestRedirectFilter)."""
    site = {"siteUrl": "https://secrets.infisical.test:8443"}
    graph = platform(infisical=site, ingress={"route": GATEWAY | {"redirectListener": "web"}})
    [rule] = graph["ingress-redirect"]["spec", "rules"]
    assert rule["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 301, "port": 8443}


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ({"listener": "web", "redirectListener": "web"}, "the redirect never ends"),
        ({"listener": None, "redirectListener": "web"}, "set it together with redirectListener"),
    ],
)
def test_a_redirect_leads_to_a_different_listener(route: dict[str, Any], reason: str) -> None:
    given = {key: value for key, value in (GATEWAY | route).items() if value}
    assert reason in complaint(with_(("ingress.route", given)))


@pytest.mark.parametrize(("parent", "wrong"), [({"name": "public"}, True), ({"sectionName": "https"}, False)])
def test_a_policy_wants_routes_to_name_their_listener(parent: dict[str, str], wrong: bool) -> None:
    [rule] = [rule for rule in RULES if rule.name == "routes-name-their-listener"]
    type_ = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
    for resource in (
        Declared(type=type_, name="it", props={"spec": {"parentRefs": [parent]}}),
        Declared(type="kubernetes:core/v1:Service", name="it", props={"spec": {"parentRefs": [{}]}}),
    ):
        found = list(rule.find(resource, DeclaredStack(protects=True)))
        assert found == (["spec.parentRefs.0 names no listener"] if wrong and resource.type == type_ else [])
