"""Delivery: what the operator is told, what it must not touch, and what has to be there in the end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pulumi
import pytest

from components.secret_delivery import DeliveredKey, DeliveredSecret, SecretDelivery, SecretDeliveryArgs, template
from settings.names import Names
from settings.secrets_operator import SecretsOperatorSettings
from tests.unit.harness import Graph, run

OPERATOR = "infisical-secrets-operator"
ENV = DeliveredSecret(
    application="shop",
    project="shop-app",
    environment="prod",
    path="/",
    namespace="shop",
    secret="shop-env",
    type="Opaque",
    keys=[
        DeliveredKey(key="FEATURES", secret="FEATURES", file="shop.prod.features"),
        DeliveredKey(key="STRIPE_KEY", secret="STRIPE_KEY", owner="people"),
    ],
    restarts=["deployment/shop", "statefulset/cart"],
)
TLS = DeliveredSecret(
    application="shop",
    project="shop-app",
    environment="prod",
    path="/tls",
    namespace="edge",
    secret="shop-tls",
    type="kubernetes.io/tls",
    keys=[
        DeliveredKey(key="tls.crt", secret="CRT"),
        DeliveredKey(key="tls.key", secret="KEY", encoded=True),
    ],
)


class Operator(pulumi.ComponentResource):
    """What a delivery needs of one."""

    def __init__(self, settings: SecretsOperatorSettings) -> None:
        super().__init__("test:Operator", "operator")
        self.namespace, self.address, self.settings = OPERATOR, "http://infisical.infisical.svc:8080", settings
        self.names, self.deployment = Names(), "infisical-secre-controller-manager"


@dataclass(frozen=True)
class Wanted:
    """Arguments that a test may change."""

    kind: Literal["infisical", "externalSecrets"] = "infisical"
    machine_auth: Literal["kubernetes", "universal"] = "kubernetes"
    keep: bool = True
    wish: str = "w1"
    deliveries: list[DeliveredSecret] = field(default_factory=lambda: [ENV, TLS])


def delivered(wanted: Wanted = Wanted()) -> Graph:
    def program(options: pulumi.ResourceOptions) -> SecretDelivery:
        operator: Any = Operator(SecretsOperatorSettings(kind=wanted.kind))
        args = SecretDeliveryArgs(
            operator=operator,
            deliveries=wanted.deliveries,
            machine_auth=wanted.machine_auth,
            identity={"infisical-platform/stack": "o/p/dev", "infisical-platform/stack-id": "id"},
            wish=wanted.wish,
            values="infisical-values",
            namespace="infisical",
            keep=wanted.keep,
            python_image="p:1",
        )
        return SecretDelivery("delivery", args, options)

    return run(program)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return delivered()


def config(graph: Graph, job: str) -> dict[str, Any]:
    [container] = graph[f"Job/delivery-{job}"]["spec", "template", "spec", "containers"]
    return json.loads(next(each["value"] for each in container["env"] if each["name"] == "CONFIG"))


def wish(graph: Graph) -> list[dict[str, Any]]:
    """What both gates are told by a file."""
    maps = [each for each in graph.objects if each.kind == "ConfigMap" and "deliveries.json" in each["data"]]
    [made] = maps
    for job in ("free", "gate"):
        pod = graph[f"Job/delivery-{job}"]["spec", "template", "spec"]
        [volume] = [each for each in pod["volumes"] if each["name"] == "wish"]
        [mount] = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "wish"]
        assert (volume["configMap"]["name"], mount["mountPath"]) == (made["metadata", "name"], "/wish")
    return json.loads(made["data", "deliveries.json"])


def test_nothing_is_written_before_the_targets_were_looked_at_and_all_is_proven_in_the_end(graph: Graph) -> None:
    for secret in ("shop-shop-env", "edge-shop-tls"):
        static = f"InfisicalStaticSecret/delivery-{secret}"
        assert graph.waits(static, for_="Job/delivery-free")
        assert graph.waits(static, for_="InfisicalAuth/delivery-auth-shop")
        assert graph.waits("Job/delivery-gate", for_=static)


def test_external_secrets_are_written_only_after_the_targets_were_looked_at() -> None:
    graph = delivered(Wanted(kind="externalSecrets"))
    for secret in ("shop-shop-env", "edge-shop-tls"):
        assert graph.waits(f"ClusterSecretStore/delivery-store-{secret}", for_="Job/delivery-free")
        assert graph.waits(f"ExternalSecret/delivery-{secret}", for_=f"ClusterSecretStore/delivery-store-{secret}")


@pytest.mark.parametrize("kind", ["infisical", "externalSecrets"])
def test_all_stands_below_the_delivery_and_frees_its_name_before_it_takes_it_again(
    kind: Literal["infisical", "externalSecrets"],
) -> None:
    graph = delivered(Wanted(kind=kind))
    delivery = graph["SecretDelivery/delivery"].urn
    made = [r for r in graph.objects if "infisical.com" in r.type or "external-secrets.io" in r.type]
    assert len(made) == 4
    assert [str(r) for r in made if r.parent != delivery or not r.delete_before_replace] == []
    assert {graph[gate].parent for gate in ("Gate/delivery-free", "Gate/delivery-gate")} == {delivery}


def test_one_log_in_for_an_application_by_its_own_account(graph: Graph) -> None:
    assert graph["InfisicalConnection/delivery-connection"]["spec"] == {
        "address": "http://infisical.infisical.svc:8080"
    }, "without /api, which these kinds append"
    auth = graph["InfisicalAuth/delivery-auth-shop"]
    assert auth["metadata"] == {"name": "infisical-shop", "namespace": OPERATOR}
    identity = {"name": "infisical-identity-shop", "namespace": OPERATOR, "key": "identityId"}
    assert auth["spec"] == {
        "infisicalConnectionRef": {"name": "infisical", "namespace": OPERATOR},
        "method": "kubernetes",
        "kubernetes": {
            "identityIdRef": identity,
            "serviceAccountRef": {"name": "infisical-shop", "namespace": OPERATOR},
        },
    }


def test_where_the_server_may_not_reach_the_cluster_it_is_a_client_secret() -> None:
    spec = delivered(Wanted(machine_auth="universal"))["InfisicalAuth/delivery-auth-shop"]["spec"]
    assert spec["method"] == "universal"
    assert spec["universal"]["clientSecretRef"]["key"] == "clientSecret"


def test_a_delivery_is_one_source_and_one_target_in_the_namespace_of_its_pods(graph: Graph) -> None:
    static = graph["InfisicalStaticSecret/delivery-edge-shop-tls"]
    assert static["metadata", "namespace"] == "edge", "otherwise it can't own what it delivers"
    [source], [target] = static["spec", "sources"], static["spec", "targets"]
    assert source == {"projectSlug": "shop-app", "environmentSlug": "prod", "secretPath": "/tls"}
    assert (target["name"], target["namespace"], target["secretType"]) == ("shop-tls", "edge", "kubernetes.io/tls")
    assert static["spec", "syncOptions"] == {"refreshInterval": "30s"}


def test_the_operator_copies_no_annotation_of_ours_to_the_secret(graph: Graph) -> None:
    [target] = graph["InfisicalStaticSecret/delivery-shop-shop-env"]["spec", "targets"]
    assert target["metadata"] == {
        "labels": {"infisical-platform/application": "shop"},
        "annotations": {
            "infisical-platform/stack": "o/p/dev",
            "infisical-platform/stack-id": "id",
            "infisical-platform/wish": "w1",  # for an edit by hand is put right only where an annotation changes
        },
    }


def test_what_was_delivered_stays_where_data_is_protected(graph: Graph) -> None:
    def policy(graph: Graph) -> str:
        [target] = graph["InfisicalStaticSecret/delivery-shop-shop-env"]["spec", "targets"]
        return target["creationPolicy"]

    assert (policy(graph), policy(delivered(Wanted(keep=False)))) == ("Orphan", "Owner")


def test_what_was_made_before_data_were_protected_stays_too(graph: Graph) -> None:
    """The operator never takes back that a Secret is its delivery's, so the deletion has to."""

    def deletion(graph: Graph) -> str | None:
        annotations = graph["InfisicalStaticSecret/delivery-shop-shop-env"]["metadata", "annotations"]
        return annotations.get("pulumi.com/deletionPropagationPolicy")

    assert (deletion(graph), deletion(delivered(Wanted(keep=False)))) == ("orphan", None)


def test_a_missing_secret_fails_the_template_and_bytes_are_decoded() -> None:
    plain = template(DeliveredKey(key="tls.crt", secret="tls.crt"))
    assert plain == (
        '{{ $found := index . "tls.crt" }}{{ if not $found.Value }}{{ fail "tls.crt has no value in Infisical" }}'
        "{{ end }}{{ $found.Value }}"
    )
    assert template(DeliveredKey(key="a", secret="A", encoded=True)).endswith(
        "{{ $found.Value | decodeBase64ToBytes }}"
    )


def test_a_changed_wish_reaches_the_operator_at_once_and_is_proven() -> None:
    before, after = delivered(), delivered(Wanted(wish="w2"))
    changed = {str(r) for r in before if r.inputs != after[str(r)].inputs}
    assert changed == {
        "InfisicalStaticSecret/delivery-shop-shop-env",
        "InfisicalStaticSecret/delivery-edge-shop-tls",
        "Job/delivery-gate",
    }


def test_what_the_gates_are_told_has_no_value(graph: Graph) -> None:
    assert config(graph, "gate")["values"] == "/values"
    told = wish(graph)
    assert told[0]["keys"] == [
        {"key": "FEATURES", "secret": "FEATURES", "owner": "stack", "file": "shop.prod.features"},
        {"key": "STRIPE_KEY", "secret": "STRIPE_KEY", "owner": "people"},
    ]
    assert {config(graph, gate)["wish"] for gate in ("free", "gate")} == {"/wish"}
    [volume] = [each for each in graph["Job/delivery-gate"]["spec", "template", "spec", "volumes"] if "secret" in each]
    assert volume["secret"]["secretName"] == "infisical-values"


def rules(graph: Graph, job: str) -> dict[str, list[tuple[str, str, list[str]]]]:
    found: dict[str, list[tuple[str, str, list[str]]]] = {}
    for role in (r for r in graph if r.kind == "Role" and r["metadata", "name"] == f"delivery-{job}"):
        for rule in role["rules"]:
            entry = (rule["resources"][0], ",".join(rule["verbs"]), rule.get("resourceNames", []))
            found.setdefault(role["metadata", "namespace"], []).append(entry)
    return found


def test_a_gate_may_read_the_delivered_secrets_by_name_alone(graph: Graph) -> None:
    assert rules(graph, "free") == {
        "edge": [("secrets", "get", ["shop-tls"])],
        "shop": [("secrets", "get", ["shop-env"])],
    }
    assert rules(graph, "gate") == {
        "edge": [("secrets", "get", ["shop-tls"]), ("infisicalstaticsecrets", "get", ["shop-tls"])],
        "shop": [
            ("secrets", "get", ["shop-env"]),
            ("infisicalstaticsecrets", "get", ["shop-env"]),
            ("pods", "list", []),
            ("deployments", "get,patch", ["shop"]),
            ("statefulsets", "get,patch", ["cart"]),
        ],
        OPERATOR: [
            ("deployments", "get", ["infisical-secre-controller-manager"]),
            ("infisicalconnections", "get", ["infisical"]),
            ("infisicalauths", "get", ["infisical-shop"]),
        ],
    }


def test_a_gate_takes_more_keys_than_a_variable_holds() -> None:
    """Linux takes no argument or variable of more than 128 KiB: the container would not start."""
    keys = [DeliveredKey(key=f"A_RATHER_USUAL_NAME_{n}", secret=f"NAME_{n}", file=f"shop-{n}") for n in range(5000)]
    graph = delivered(Wanted(deliveries=[replace(ENV, keys=keys)]))
    assert len(wish(graph)[0]["keys"]) == 5000
    for job in ("free", "gate"):
        [container] = graph[f"Job/delivery-{job}"]["spec", "template", "spec", "containers"]
        assert all(len(each["value"]) < 128 * 1024 for each in container["env"])


def test_external_secrets_operator_gets_the_same_of_it() -> None:
    graph = delivered(Wanted(kind="externalSecrets", machine_auth="universal"))
    assert not [str(r) for r in graph if "Infisical" in r.kind]
    store = graph["ClusterSecretStore/delivery-store-edge-shop-tls"]
    assert store["spec", "conditions"] == [{"namespaces": ["edge"]}], "no other namespace may use the log-in"
    provider = store["spec", "provider", "infisical"]
    assert provider["auth"]["universalAuthCredentials"]["clientId"]["namespace"] == OPERATOR
    assert provider["secretsScope"] == {"projectSlug": "shop-app", "environmentSlug": "prod", "secretsPath": "/tls"}
    secret = graph["ExternalSecret/delivery-edge-shop-tls"]["spec"]
    assert secret["data"] == [
        {"secretKey": "tls.crt", "remoteRef": {"key": "CRT", "decodingStrategy": "None"}},
        {"secretKey": "tls.key", "remoteRef": {"key": "KEY", "decodingStrategy": "Base64"}},
    ]
    assert secret["target"]["template"]["type"] == "kubernetes.io/tls"
    people_first = replace(ENV, keys=ENV.keys[::-1])
    spec = delivered(Wanted(kind="externalSecrets", deliveries=[people_first]))["ExternalSecret/delivery-shop-shop-env"]
    assert [each["secretKey"] for each in spec["spec", "data"]] == ["FEATURES", "STRIPE_KEY"], (
        "it says the first that is missing, and only people's may be"
    )
    assert "operator" not in config(graph, "gate")
    assert rules(graph, "gate")["shop"] == [
        ("secrets", "get", ["shop-env"]),
        ("externalsecrets", "get", ["shop-env"]),
        ("events", "list", []),
    ]
