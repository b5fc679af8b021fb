"""Ingress: a certificate, and one of two ways in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap

from components.ingress import Ingress, IngressArgs
from settings.ingress import IngressSettings
from tests.unit.harness import Graph, Resource, everything, platform, run

OBJECT = "kubernetes:networking.k8s.io/v1:Ingress"
EXISTING = {"kind": "existing", "name": "ca"}
GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"}


def entrance(leaves: str | None = None, **changes: Any) -> Graph:
    """Return the component alone, for secrets.example.org, in front of a release that is a ConfigMap."""

    def make(opts: ResourceOptions) -> None:
        release: Any = ConfigMap("release", opts=opts)
        release.service, release.retiring_deployment = "infisical-backend", leaves
        section = {"issuer": EXISTING, "route": {"kind": "ingress", "className": "traefik"}, **changes}
        ingress = IngressSettings.model_validate(section)
        args = IngressArgs(
            ingress=ingress,
            host="secrets.example.org",
            site="secrets.example.org:8443",
            namespace="infisical",
            release=release,
            python_image="python:3",
        )
        Ingress("ingress", args, opts)

    return run(make)


def ingress_of(graph: Graph) -> Resource:
    [ingress] = graph.of_type(OBJECT)
    return ingress


def test_what_it_creates() -> None:
    gate = {"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "Job"}  # before the route and after it
    for graph, kinds in (
        (platform(), {"Certificate", "Ingress"}),
        (everything(), {"Issuer", "Certificate", "Ingress"}),
    ):
        assert {r.kind for r in graph.made_by("ingress")} == kinds | gate
    made = entrance(route=GATEWAY).made_by("ingress")
    assert {r.kind for r in made} == {"Certificate", "ReferenceGrant", "HTTPRoute"} | gate
    for graph in (everything(), entrance(route=GATEWAY)):
        assert {r["metadata", "namespace"] for r in graph.made_by("ingress")} == {"infisical"}


def test_the_ingress() -> None:
    ingress = ingress_of(entrance())
    assert ingress["metadata", "annotations"] == {
        "nginx.ingress.kubernetes.io/proxy-connect-timeout": "2",
        "nginx.ingress.kubernetes.io/proxy-body-size": "32m",
        "nginx.org/client-max-body-size": "32m",
        "traefik.ingress.kubernetes.io/router.tls": "true",
        "pulumi.com/skipAwait": "true",
    }
    backend = {"service": {"name": "infisical-backend", "port": {"number": 8080}}}
    assert ingress["spec"] == {
        "ingressClassName": "traefik",
        "tls": [{"hosts": ["secrets.example.org"], "secretName": "infisical-tls"}],
        "rules": [
            {
                "host": "secrets.example.org",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ],
    }


@pytest.mark.parametrize(
    ("controller", "name", "value"),
    [
        ("alb", "alb.ingress.kubernetes.io/listen-ports", '[{"HTTPS": 443}]'),
        ("cilium", "ingress.cilium.io/force-https", "enabled"),
        ("contour", "ingress.kubernetes.io/force-ssl-redirect", "true"),
        ("gce", "kubernetes.io/ingress.allow-http", "false"),
        ("gce-internal", "kubernetes.io/ingress.allow-http", "false"),
        ("haproxy", "haproxy.org/ssl-redirect", "true"),
        ("kong", "konghq.com/protocols", "https"),
        ("kong", "konghq.com/https-redirect-status-code", "308"),
    ],
)
def test_a_class_that_is_known_gets_its_own_words_and_the_stack_has_the_last_one(
    controller: str, name: str, value: str
) -> None:
    route = {"kind": "ingress", "className": controller}
    assert ingress_of(entrance(route=route))["metadata", "annotations"][name] == value
    said = ingress_of(entrance(route={**route, "annotations": {name: "mine"}}))
    assert said["metadata", "annotations"][name] == "mine"
    assert name not in ingress_of(entrance())["metadata", "annotations"]


def test_traefik_serves_the_site_with_tls_alone_whatever_its_entry_points_are_called() -> None:
    """Its router hangs on all of them, port 80 included, and takes no plain request once it has TLS."""
    tls, points = (f"traefik.ingress.kubernetes.io/router.{word}" for word in ("tls", "entrypoints"))

    def told(**annotations: str) -> dict[str, str]:
        route = {"kind": "ingress", "className": "traefik", "annotations": annotations}
        return ingress_of(entrance(route=route))["metadata", "annotations"]

    assert told()[tls] == "true"
    assert told(**{"example.org/a": "b"})[tls] == "true"
    assert tls not in told(**{points: "websecure"}), "the entry point has options of its own"
    assert tls not in told(**{f"{tls}.options": "edge@file"})


@pytest.mark.parametrize("controller", ["gce", "gce-internal"])
def test_googles_controller_finds_its_ingress_by_the_annotation(controller: str) -> None:
    """It ignores one that has a class (kubernetes/ingress-gce, IsGCEIngress)."""
    ingress = ingress_of(entrance(route={"kind": "ingress", "className": controller}))
    assert ingress["metadata", "annotations"]["kubernetes.io/ingress.class"] == controller
    assert "ingressClassName" not in ingress["spec"]
    assert "kubernetes.io/ingress.class" not in ingress_of(entrance())["metadata", "annotations"]


def test_the_ingress_of_the_charts_service() -> None:
    for graph, service in ((platform(), "infisical"), (everything(), "infisical-backend")):
        [rule] = ingress_of(graph)["spec", "rules"]
        assert rule["http"]["paths"][0]["backend"]["service"] == {"name": service, "port": {"number": 8080}}
        assert ingress_of(graph)["spec", "ingressClassName"] == "nginx"


def test_the_certificate_is_there_first() -> None:
    """A class answers with a certificate of its own until the Secret exists."""
    graph = entrance()
    certificate = graph["ingress-certificate"]
    assert certificate["metadata", "annotations"] == {"pulumi.com/skipAwait": "true"}
    assert certificate["spec", "dnsNames"] == ["secrets.example.org"]
    assert certificate["spec", "secretName"] == "infisical-tls"
    assert certificate["spec", "issuerRef"] == {"kind": "ClusterIssuer", "name": "ca"}
    for graph in (entrance(), entrance(route=GATEWAY)):
        assert graph.waits("ingress-route", for_="Job/ingress-issued")
        assert graph.waits("Job/ingress-issued", for_="ingress-certificate")
        assert graph["Gate/ingress-issued"].parent == graph["ingress"].urn


def test_the_certificate_is_issued_while_the_backend_comes_up() -> None:
    for graph in (entrance(), entrance(route=GATEWAY)):
        assert graph.waits("ingress-route", for_="release")
        assert graph.free("Job/ingress-issued", of="release")


@pytest.mark.parametrize(("staging", "directory"), [(True, "acme-staging-v02"), (False, "acme-v02")])
def test_lets_encrypt(staging: bool, directory: str) -> None:
    graph = entrance(issuer={"kind": "letsEncrypt", "email": "ops@example.org", "staging": staging})
    issuer = graph["ingress-issuer"]
    assert issuer["spec", "acme"] == {
        "server": f"https://{directory}.api.letsencrypt.org/directory",
        "email": "ops@example.org",
        "privateKeySecretRef": {"name": f"{issuer['metadata', 'name']}-account"},
        "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}],
    }
    assert issuer["metadata", "annotations"] == {"pulumi.com/skipAwait": "true"}
    assert graph["ingress-certificate"]["spec", "issuerRef"] == {"kind": "Issuer", "name": issuer["metadata", "name"]}
    assert graph.waits("ingress-certificate", for_="ingress-issuer")


def test_from_staging_to_production_everything_is_a_different_object() -> None:
    """cert-manager issues anew when issuerRef changes. Otherwise the untrusted certificate stays for 60 days."""
    staging, production = (
        entrance(issuer={"kind": "letsEncrypt", "email": "ops@example.org", "staging": staging})
        for staging in (True, False)
    )
    for resource, path in (
        ("ingress-issuer", ("metadata", "name")),
        ("ingress-issuer", ("spec", "acme", "privateKeySecretRef", "name")),  # an account belongs to one directory
        ("ingress-certificate", ("spec", "issuerRef", "name")),
    ):
        assert staging[resource][path] != production[resource][path], (resource, path)


def test_a_gateway_gets_a_route_and_may_read_the_certificate() -> None:
    graph = entrance(route=GATEWAY)
    route, grant = graph["ingress-route"], graph["ingress-grant"]
    assert route["spec", "parentRefs"] == [{"name": "public", "namespace": "edge", "sectionName": "https"}]
    assert route["spec", "hostnames"] == ["secrets.example.org"]
    [rule] = route["spec", "rules"]
    assert rule["backendRefs"] == [{"name": "infisical-backend", "port": 8080}]
    assert "Accepted" in route["metadata", "annotations", "pulumi.com/waitFor"]
    assert grant["spec"] == {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "edge"}],
        "to": [{"group": "", "kind": "Secret", "name": "infisical-tls"}],
    }
    assert graph.waits("ingress-route", for_="ingress-grant")


def test_a_route_without_listener_leaves_the_choice_to_the_gateway() -> None:
    route = entrance(route={"kind": "gateway", "name": "public", "namespace": "edge"})["ingress-route"]
    assert route["spec", "parentRefs"] == [{"name": "public", "namespace": "edge"}]


def test_every_wait_has_an_end() -> None:
    for graph in (entrance(), entrance(route=GATEWAY), everything()):
        for resource in graph.made_by("ingress"):
            waits = resource.kind in ("Ingress", "Job") or "waitFor" in str(resource["metadata"])
            assert bool(resource.create_timeout) == waits, resource


@pytest.mark.parametrize("route", [{"kind": "ingress", "className": "traefik"}, GATEWAY])
def test_after_a_switch_of_charts_the_old_pods_stay_until_the_route_has_moved(route: dict[str, str]) -> None:
    graph = entrance(leaves="infisical", route=route)
    assert graph.waits("Job/ingress-moved", for_="ingress-route")
    assert graph["Gate/ingress-moved"].parent == graph["ingress"].urn
    config = json.loads(graph["Job/ingress-moved"]["spec", "template", "spec", "containers", 0, "env", 0, "value"])
    assert config == {"namespace": "infisical", "leaves": "infisical", "to": "infisical-backend", "settle_seconds": 30}
    assert graph["Role/ingress-moved"]["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["infisical"]}
    ]


def test_a_stack_that_never_switched_waits_for_nothing() -> None:
    assert "Job/ingress-moved" not in {str(r) for r in entrance()}


def asks(graph: Graph, job: str = "ingress-gate") -> dict[str, Any]:
    return json.loads(graph[f"Job/{job}"]["spec", "template", "spec", "containers", 0, "env", 0, "value"])


def test_the_site_is_asked_through_the_address_of_its_route() -> None:
    graph = entrance()
    assert asks(graph) == {
        "site": "secrets.example.org:8443",
        "service": "infisical-backend",
        "namespace": "infisical",
        "ingress": "infisical",
        "trusted": "/trusted",
        "deadline_seconds": 300,
        "controller": None,
    }
    [rule] = graph["Role/ingress-gate"]["rules"]
    assert (rule["resources"], rule["verbs"], rule["resourceNames"]) == (["ingresses"], ["get"], ["infisical"])
    assert graph.waits("Job/ingress-gate", for_="ingress-route")
    assert graph["Gate/ingress-gate"].parent == graph["ingress"].urn


def test_the_site_is_asked_through_a_controller_by_a_job_without_an_account() -> None:
    """It sees the certificate and its authority, and never the key."""
    controller = {"namespace": "web", "service": "proxy", "port": 8443}
    graph = entrance(route=GATEWAY | {"controller": controller})
    assert asks(graph)["controller"] == "proxy.web.svc:8443"
    assert not {"Role/ingress-gate", "ServiceAccount/ingress-gate"} & {str(r) for r in graph}
    volumes = graph["Job/ingress-gate"]["spec", "template", "spec", "volumes"]
    [secret] = [volume["secret"] for volume in volumes if "secret" in volume]
    assert (secret["secretName"], secret["optional"]) == ("infisical-tls", True)
    assert [item["key"] for item in secret["items"]] == ["tls.crt", "ca.crt"]


def test_what_changes_the_route_has_the_site_asked_again() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"route": {"kind": "ingress", "className": "haproxy"}},
        {"route": {"kind": "ingress", "className": "traefik", "annotations": {"a": "b"}}},
        {"issuer": {"kind": "existing", "name": "other"}},
    ]
    asked = [
        entrance(**changed)["Job/ingress-gate"]["spec", "template", "metadata", "annotations"] for changed in changes
    ]
    assert len({json.dumps(each) for each in asked}) == len(asked)
