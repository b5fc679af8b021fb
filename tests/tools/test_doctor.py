"""The preflight: what each check makes of a cluster, and what the table makes of that."""

from __future__ import annotations

import argparse
import copy
import functools
import json
import socket
import threading
import urllib.error
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import pytest

import settings
from operations import doctor
from operations.checks import certificates, clashes, kubernetes, operators, outside, rights, route, storage
from operations.checks.bounded import bounded
from operations.checks.cluster import Cluster, Unanswered
from operations.checks.result import Check, Level, Result, fail, ok, warn
from operations.pulumi import Stack
from tests.unit.harness import COMMANDS, Graph, configuration, platform

GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"}
LETS_ENCRYPT = {"issuer": {"kind": "letsEncrypt", "email": "ops@example.org"}}
PUBLIC = {"siteUrl": "https://secrets.example.org"}
OPERATORS = "/apis/apps/v1/deployments"
ZALANDO = "/apis/acid.zalan.do/v1/namespaces/operators/operatorconfigurations/zalando"
ISSUER = "/apis/cert-manager.io/v1/clusterissuers/embedded-ca"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
NO_RIGHT = Unanswered('User "guest" cannot list resource "deployments" in API group "apps" at the cluster scope')
DENIED = 'admission webhook "webhook.cert-manager.io" denied the request: spec.issuerRef.kind: Invalid value'


# --- a cluster that answers from a dictionary ------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers(Cluster):
    """A path that is not in `paths` is not there; an exception is raised instead of returned."""

    context: str | None = None
    kubeconfig: str | None = None
    paths: Mapping[str, Any] = field(default_factory=dict)
    existing: Collection[tuple[str, ...]] = ()
    refused: str | Unanswered = DENIED
    withheld: Collection[rights.Right] = ()

    def get(self, path: str) -> Any:
        answer = self.paths.get(path)
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(answer)

    def exists(self, *selection: str) -> bool:
        return selection in self.existing

    def refusal(self, path: str, body: Any) -> str:
        assert body["kind"] == "Certificate"
        if isinstance(self.refused, Unanswered):
            raise self.refused
        return self.refused

    def allowed(self, questions: Sequence[Any]) -> list[bool]:
        withheld = [right.attributes for right in self.withheld]
        return [question not in withheld for question in questions]


def deployment(name: str, image: str, available: int = 1, args: Sequence[str] = (), **env: Any) -> dict[str, Any]:
    """In namespace `operators`."""
    variables = [{"name": key} | (value if isinstance(value, dict) else {"value": value}) for key, value in env.items()]
    container = {"name": "main", "image": image, "args": list(args), "env": variables}
    return {
        "metadata": {"namespace": "operators", "name": name},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": {"availableReplicas": available} if available else {},
    }


def zalando(tag: str = ":v1.15.1", **changes: Any) -> dict[str, Any]:
    environment = {"POSTGRES_OPERATOR_CONFIGURATION_OBJECT": "zalando"} | changes.pop("env", {})
    return deployment("zalando", f"ghcr.io/zalando/postgres-operator{tag}", **changes, **environment)


def redis(tag: str = ":v0.23.0", **changes: Any) -> dict[str, Any]:
    return deployment("redis", f"ghcr.io/ot-container-kit/redis-operator/redis-operator{tag}", **changes)


def cert_manager(tag: str = ":v1.21.2", **changes: Any) -> dict[str, Any]:
    return deployment("cert-manager", f"quay.io/jetstack/cert-manager-controller{tag}", **changes)


def configured(**kubernetes: Any) -> dict[str, Any]:
    """The Zalando operator's settings; `top` holds those that are not below `kubernetes`."""
    top = kubernetes.pop("top", {})
    own = {"watched_namespace": "*", "enable_secrets_deletion": False, "storage_resize_mode": "pvc"} | kubernetes
    return {"configuration": {**top, "kubernetes": {key: value for key, value in own.items() if value is not None}}}


def served(*resources: str) -> dict[str, Any]:
    return {"resources": [{"name": name} for name in resources]}


def storage_class(name: str, *, default: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}}


def issuer(status: str, message: str = "") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": status, "message": message}]}}


def gateway(**allowed: Any) -> dict[str, Any]:
    listener = {"name": "https", "allowedRoutes": {"namespaces": allowed}} if allowed else {"name": "https"}
    return {"spec": {"listeners": [listener]}, "status": {"addresses": [{"value": "192.0.2.7"}]}}


HEALTHY: Mapping[str, Any] = {
    "/version": {"gitVersion": "v1.36.3"},
    "/apis/acid.zalan.do/v1": served("postgresqls", "postgresqls/status", "operatorconfigurations"),
    "/apis/redis.redis.opstreelabs.in/v1beta2": served("redisreplications", "redissentinels", "redis"),
    "/apis/cert-manager.io/v1": served("certificates", "issuers", "clusterissuers"),
    "/apis/gateway.networking.k8s.io/v1": served("gateways", "httproutes"),
    "/apis/gateway.networking.k8s.io/v1beta1": served("gateways", "referencegrants"),
    OPERATORS: {"items": [zalando(), redis(), cert_manager(), deployment("other", "nginx")]},
    ZALANDO: configured(),
    CLASSES: {"items": [storage_class("slow"), storage_class("fast", default=True)]},
    "/apis/networking.k8s.io/v1/ingressclasses/nginx": {"spec": {"controller": "k8s.io/ingress-nginx"}},
    "/apis/networking.k8s.io/v1/ingressclasses": {"items": [{"metadata": {"name": "nginx"}}]},
    "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public": gateway(**{"from": "All"}),
    ISSUER: issuer("True"),
}


def cluster(changes: Mapping[str, Any] | None = None, **others: Any) -> Answers:
    """The healthy one with changed answers; None takes one away."""
    return Answers(paths={**HEALTHY, **(changes or {})}, **others)


def stack_settings(**sections: Mapping[str, object]) -> settings.Settings:
    """Those of stack dev, with sections changed."""
    return settings.load(COMMANDS, configuration("dev", **sections))


@dataclass(frozen=True)
class Exported(Stack):
    """Stack dev without Pulumi; its state has the objects `owned`, by type and id."""

    owned: Collection[tuple[str, str]] = ()

    def settings(self) -> settings.Settings:
        return stack_settings()

    def run(self, *arguments: str, input: str = "") -> str:
        assert arguments == ("stack", "export")
        resources = [{"type": "pulumi:pulumi:Stack"}, *({"type": kind, "id": id_} for kind, id_ in self.owned)]
        return json.dumps({"version": 3, "deployment": {"resources": resources} if self.owned else {"manifest": {}}})


def ask(check: Check, of: Cluster | None = None, **sections: Mapping[str, object]) -> dict[str, Result]:
    """The check's results by subject."""
    results = list(check(of or cluster(), stack_settings(**sections)))
    assert all(bool(result.fix) == (result.level > Level.OK) for result in results), "a fix for all that is not ok"
    return {result.subject: result for result in results}


def only(results: Mapping[str, Result]) -> Result:
    """The one that is not ok."""
    [bad] = [result for result in results.values() if result.level > Level.OK]
    return bad


def all_ok(results: Mapping[str, Result]) -> bool:
    assert results
    return all(result.level is Level.OK for result in results.values())


# --- Kubernetes and its kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("v1.36.3", Level.OK),
        ("v1.25.0", Level.OK),
        ("v1.30.4-eks-a737599", Level.OK),
        ("v1.24.17", Level.WARN),
        ("v1.37.0+k3s1", Level.WARN),
        ("dirty", Level.WARN),
    ],
)
def test_a_version_of_kubernetes_that_was_not_tried_is_a_warning(version: str, level: Level) -> None:
    results = ask(kubernetes.answers, cluster({"/version": {"gitVersion": version}}))
    assert results["Kubernetes"].level is level
    assert version in results["Kubernetes"].seen


def test_every_kind_is_there() -> None:
    assert all_ok(ask(kubernetes.kinds))
    assert all_ok(ask(kubernetes.kinds, ingress={"route": GATEWAY}))


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("acid.zalan.do/v1", "postgresqls"),
        ("redis.redis.opstreelabs.in/v1beta2", "redisreplications"),
        ("redis.redis.opstreelabs.in/v1beta2", "redissentinels"),
        ("cert-manager.io/v1", "certificates"),
        ("cert-manager.io/v1", "issuers"),
        ("gateway.networking.k8s.io/v1", "httproutes"),
        ("gateway.networking.k8s.io/v1beta1", "referencegrants"),
    ],
)
def test_a_missing_kind_is_named(group: str, resource: str) -> None:
    rest = [entry["name"] for entry in HEALTHY[f"/apis/{group}"]["resources"] if entry["name"] != resource]
    missing = only(
        ask(kubernetes.kinds, cluster({f"/apis/{group}": served(*rest)}), ingress={"route": GATEWAY}),
    )
    assert missing.level is Level.FAIL
    assert missing.subject == f"CRDs of {group}"
    assert missing.seen.endswith(f"without {resource}")


def test_a_group_that_serves_another_version_says_which() -> None:
    path = "/apis/redis.redis.opstreelabs.in"
    old = cluster({f"{path}/v1beta2": None, path: {"versions": [{"version": "v1beta1"}]}})
    assert only(ask(kubernetes.kinds, old)).seen == "not served, but v1beta1"


def test_gateway_api_is_needed_for_a_gateway_only() -> None:
    without = cluster({"/apis/gateway.networking.k8s.io/v1": None, "/apis/gateway.networking.k8s.io/v1beta1": None})
    assert all_ok(ask(kubernetes.kinds, without))
    assert not all_ok(ask(kubernetes.kinds, without, ingress={"route": GATEWAY}))


# --- operators -------------------------------------------------------------------------------------------------------

CHECKS = {
    "postgres-operator": operators.postgres_operator,
    "redis-operator": operators.redis_operator,
    "cert-manager": operators.cert_manager,
}


def with_(*deployments: dict[str, Any], **changes: Any) -> Answers:
    return cluster({OPERATORS: {"items": deployments}, **changes})


@pytest.mark.parametrize("subject", CHECKS)
def test_an_operator_that_runs_is_ok(subject: str) -> None:
    results = ask(CHECKS[subject])
    assert all_ok(results)
    assert "operators/" in results[subject].seen


@pytest.mark.parametrize("subject", CHECKS)
def test_an_operator_that_is_not_there_comes_with_the_command_that_installs_it(subject: str) -> None:
    absent = only(ask(CHECKS[subject], with_(deployment("other", "nginx"))))
    assert (absent.level, absent.subject) == (Level.FAIL, subject)
    assert absent.fix.startswith("helm install ")


@pytest.mark.parametrize(
    ("subject", "stopped"),
    [
        ("postgres-operator", zalando(available=0)),
        ("redis-operator", redis(available=0)),
        ("cert-manager", cert_manager(available=0)),
    ],
)
def test_an_operator_without_a_pod_fails(subject: str, stopped: dict[str, Any]) -> None:
    down = only(ask(CHECKS[subject], with_(stopped)))
    assert (down.level, down.subject) == (Level.FAIL, subject)
    assert "no available pod" in down.seen
    assert stopped["metadata"]["name"] in down.fix


@pytest.mark.parametrize("subject", CHECKS)
def test_an_operator_that_the_caller_may_not_see_is_unknown(subject: str) -> None:
    blind = cluster({OPERATORS: NO_RIGHT})
    [row] = [r for r in doctor.examine(blind, stack_settings(), {subject: CHECKS[subject]}) if r.subject == subject]
    assert row.level is Level.WARN
    assert row.seen == f"unknown: {NO_RIGHT}"
    assert row.fix


@pytest.mark.parametrize(
    ("operator", "subject", "level"),
    [
        (zalando(":v1.15.0"), "postgres-operator", Level.OK),
        (zalando(":v2.0.2"), "postgres-operator", Level.OK),
        (zalando(":v2.1.0"), "postgres-operator", Level.OK),
        (zalando(":v2.0.0"), "postgres-operator", Level.FAIL),
        (zalando(":v2.0.1"), "postgres-operator", Level.FAIL),
        (zalando(":v1.14.0"), "postgres-operator", Level.WARN),
        (zalando(":v3.0.0"), "postgres-operator", Level.WARN),
        (zalando("@sha256:" + "0" * 64), "postgres-operator", Level.WARN),
        (redis("-0.23.0/redis-operator:main"), "redis-operator", Level.WARN),
        (zalando(":main"), "postgres-operator", Level.WARN),
        (redis(":v0.23.0"), "redis-operator", Level.OK),
        (redis(":v0.26.0@sha256:" + "0" * 64), "redis-operator", Level.OK),
        (redis(":v0.24.0"), "redis-operator", Level.FAIL),
        (redis(":v0.22.1"), "redis-operator", Level.WARN),
        (cert_manager(":v1.11.0"), "cert-manager", Level.OK),
        (cert_manager(":v1.10.2"), "cert-manager", Level.WARN),
        (deployment("redis", "registry:5000/redis-operator:0.23.0"), "redis-operator", Level.OK),
        (deployment("c", "embedded.local/cert-manager:1.21.2", args=["controller"]), "cert-manager", Level.OK),
    ],
)
def test_versions_come_from_the_tag(operator: dict[str, Any], subject: str, level: Level) -> None:
    assert ask(CHECKS[subject], with_(operator))[subject].level is level


def test_cert_managers_other_programs_are_not_its_controller() -> None:
    webhook = deployment("w", "quay.io/jetstack/cert-manager-webhook:v1.21.2")
    cainjector = deployment("i", "embedded.local/cert-manager:1.21.2", args=["cainjector"])
    assert only(ask(operators.cert_manager, with_(webhook, cainjector))).level is Level.FAIL


def test_another_postgres_operator_of_that_name_is_none() -> None:
    crunchy = deployment("pgo", "registry.developers.crunchydata.com/crunchydata/postgres-operator:5.8.0")
    assert only(ask(operators.postgres_operator, with_(crunchy))).seen.startswith("no Deployment")


@pytest.mark.parametrize(
    ("environment", "watched", "acts"),
    [
        ({}, "*", True),
        ({}, "platform-db-pg", True),
        ({}, "somewhere", False),
        ({}, "", False),  # its own namespace
        ({}, None, False),
        ({"WATCHED_NAMESPACE": "*"}, "somewhere", True),
        ({"WATCHED_NAMESPACE": "platform-db-pg"}, "", True),
        ({"WATCHED_NAMESPACE": "somewhere"}, "*", False),
        ({"WATCHED_NAMESPACE": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}}, "*", False),
    ],
)
def test_the_zalando_operator_acts_where_environment_or_settings_say(
    environment: dict[str, Any], watched: str | None, acts: bool
) -> None:
    there = with_(zalando(env=environment), **{ZALANDO: configured(watched_namespace=watched)})
    row = ask(operators.postgres_operator, there)["postgres-operator: namespaces"]
    assert row.level is (Level.OK if acts else Level.FAIL)


@pytest.mark.parametrize(
    ("watched", "acts"),
    [
        ("", True),
        ("platform-kv-redis-cluster", True),
        ("a, platform-kv-redis-cluster", True),
        ("platform-kv", False),
        ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}, False),
    ],
)
def test_the_redis_operator_acts_where_its_environment_says(watched: object, acts: bool) -> None:
    row = ask(operators.redis_operator, with_(redis(WATCH_NAMESPACE=watched)))["redis-operator: namespaces"]
    assert row.level is (Level.OK if acts else Level.FAIL)


def test_a_cert_manager_of_one_namespace_does_not_do() -> None:
    leader = ["--leader-election-namespace=kube-system"]
    assert all_ok(ask(operators.cert_manager, with_(cert_manager(args=leader))))
    single = with_(cert_manager(args=[*leader, "--namespace=infisical"]))
    assert only(ask(operators.cert_manager, single)).seen == "acts in infisical only, not in platform-db-pg"


def test_of_several_operators_the_one_that_suits_counts() -> None:
    stranger = zalando(env={"WATCHED_NAMESPACE": "somewhere"})
    assert all_ok(ask(operators.postgres_operator, with_(stranger, zalando())))
    assert all_ok(ask(operators.redis_operator, with_(redis(WATCH_NAMESPACE="a"), redis(), redis(":v0.24.0"))))


# --- the Zalando operator's settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "setting", "level"),
    [
        (configured(enable_secrets_deletion=True), "enable_secrets_deletion", Level.WARN),
        (configured(enable_secrets_deletion=None), "enable_secrets_deletion", Level.WARN),  # true is its default
        (configured(enable_owner_references=True), "enable_secrets_deletion", Level.WARN),
        (configured(secret_name_template="{cluster}.{username}"), "secret_name_template", Level.FAIL),
        (configured(storage_resize_mode="off"), "storage_resize_mode", Level.WARN),
        (configured(top={"max_instances": 1}), "instances", Level.WARN),
        (configured(top={"min_instances": 3}), "instances", Level.WARN),
    ],
)
def test_a_setting_that_harms_the_platform_is_named(found: dict[str, Any], setting: str, level: Level) -> None:
    bad = only(ask(operators.postgres_operator, cluster({ZALANDO: found})))
    assert (bad.level, bad.subject) == (level, f"postgres-operator: {setting}")
    assert "OperatorConfiguration operators/zalando" in bad.fix


@pytest.mark.parametrize(
    "found",
    [
        configured(storage_resize_mode=None, secret_name_template=""),
        configured(secret_name_template="{username}.{cluster}.credentials.{tprkind}.{tprgroup}"),
        configured(top={"min_instances": -1, "max_instances": -1}),
        configured(top={"min_instances": 2, "max_instances": 2}),
    ],
)
def test_defaults_and_what_amounts_to_them_are_ok(found: dict[str, Any]) -> None:
    assert all_ok(ask(operators.postgres_operator, cluster({ZALANDO: found})))


def test_owner_references_are_harmless_from_2_0_2_on() -> None:
    there = with_(zalando(":v2.0.2"), **{ZALANDO: configured(enable_owner_references=True)})
    assert all_ok(ask(operators.postgres_operator, there))


@pytest.mark.parametrize("name", ["zalando", "operators/zalando"])
def test_settings_in_a_config_map_are_read_as_well(name: str) -> None:
    operator = zalando(env={"CONFIG_MAP_NAME": name})
    operator["spec"]["template"]["spec"]["containers"][0]["env"].pop(0)
    data = {"watched_namespace": "*", "enable_secrets_deletion": "true"}
    there = with_(operator, **{"/api/v1/namespaces/operators/configmaps/zalando": {"data": data}})
    bad = only(ask(operators.postgres_operator, there))
    assert bad.subject == "postgres-operator: enable_secrets_deletion"
    assert "ConfigMap operators/zalando" in bad.fix


def test_settings_that_are_not_there_fail() -> None:
    absent = only(ask(operators.postgres_operator, cluster({ZALANDO: None})))
    assert absent.seen == "OperatorConfiguration operators/zalando is not there"


def test_settings_that_may_not_be_read_leave_the_other_rows() -> None:
    blind = cluster({ZALANDO: Unanswered("no right")})
    results = ask(operators.postgres_operator, blind)
    assert results["postgres-operator"].level is Level.OK
    assert only(results).seen == "unknown: no right"


# --- storage, route, issuer, webhook ---------------------------------------------------------------------------------


def test_storage_is_the_named_class_or_the_default_one() -> None:
    assert [row.seen for row in ask(storage.storage_classes).values()] == ["fast, the default one"] * 2
    results = ask(storage.storage_classes, database={"storageClass": "slow"})
    assert results["StorageClass of database"].seen == "slow"
    assert all_ok(results)


def test_a_class_that_is_not_there_fails_with_one_that_is() -> None:
    missing = only(ask(storage.storage_classes, redis={"storageClass": "gold"}))
    assert (missing.level, missing.subject) == (Level.FAIL, "StorageClass of redis")
    assert missing.fix == "pulumi config set --path 'infisical-platform:redis.storageClass' fast"


@pytest.mark.parametrize("classes", [[], [storage_class("slow")]])
def test_without_a_default_class_both_fail(classes: list[dict[str, Any]]) -> None:
    results = ask(storage.storage_classes, cluster({CLASSES: {"items": classes}}))
    assert [row.level for row in results.values()] == [Level.FAIL, Level.FAIL]


def test_an_ingress_class_is_there_or_the_one_that_is_gets_offered() -> None:
    assert all_ok(ask(route.route))
    missing = only(ask(route.route, ingress={"route": {"kind": "ingress", "className": "traefik"}}))
    assert (missing.level, missing.subject) == (Level.FAIL, "IngressClass traefik")
    assert missing.fix == "pulumi config set --path 'infisical-platform:ingress.route.className' nginx"


def test_without_any_class_a_controller_is_asked_for() -> None:
    path = "/apis/networking.k8s.io/v1/ingressclasses"
    missing = only(ask(route.route, cluster({f"{path}/nginx": None, path: {"items": []}})))
    assert "install an ingress controller" in missing.fix


@pytest.mark.parametrize(
    ("there", "seen"),
    [
        (gateway(**{"from": "All"}), "listener https"),
        (gateway(**{"from": "Selector", "selector": {}}), "listener https"),
        (gateway(**{"from": "Same"}), "no listener takes routes from namespace infisical"),
        (gateway(), "no listener takes routes from namespace infisical"),
        (None, "no such Gateway"),
    ],
)
def test_a_gateway_has_to_let_infisicals_namespace_in(there: object, seen: str) -> None:
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public"
    [row] = ask(route.route, cluster({path: there}), ingress={"route": GATEWAY}).values()
    assert row.seen == seen
    assert row.level is (Level.OK if seen.startswith("listener") else Level.FAIL)


def test_a_listener_that_is_not_there_fails_with_one_that_is() -> None:
    missing = only(ask(route.route, ingress={"route": GATEWAY | {"listener": "web"}}))
    assert missing.seen == "no listener web; it has https"
    assert missing.fix.endswith("'infisical-platform:ingress.route.listener' https")


@pytest.mark.parametrize(
    ("there", "seen"),
    [
        (issuer("False", "the account was not registered"), "not Ready: the account was not registered"),
        ({"status": {}}, "not Ready: cert-manager has not looked at it"),
        (None, "no such issuer; there is other"),
    ],
)
def test_a_cluster_issuer_that_will_not_issue_fails(there: object, seen: str) -> None:
    others = {"/apis/cert-manager.io/v1/clusterissuers": {"items": [{"metadata": {"name": "other"}}]}}
    bad = only(ask(certificates.issuer, cluster({ISSUER: there, **others})))
    assert (bad.level, bad.subject, bad.seen) == (Level.FAIL, "ClusterIssuer embedded-ca", seen)


def test_an_issuer_that_is_ready_or_that_up_makes_itself_is_ok() -> None:
    assert all_ok(ask(certificates.issuer))
    assert ask(certificates.issuer, cluster({ISSUER: None}), ingress=LETS_ENCRYPT, infisical=PUBLIC) == {}


def test_the_webhook_answers_by_refusing_what_it_must() -> None:
    assert all_ok(ask(certificates.webhook))


@pytest.mark.parametrize(
    "refused",
    ["", 'Internal error occurred: failed calling webhook "webhook.cert-manager.io": connection refused', "timeout"],
)
def test_a_webhook_that_is_not_asked_or_does_not_answer_fails(refused: str) -> None:
    row = only(ask(certificates.webhook, cluster(refused=refused)))
    assert row.level is Level.FAIL
    assert row.seen == (refused or "it is not asked: an impossible Certificate was accepted")


def test_without_the_right_to_ask_the_webhook_is_unknown() -> None:
    with pytest.raises(Unanswered, match="cannot create resource"):
        ask(certificates.webhook, cluster(refused='User "guest" cannot create resource "certificates"'))


# --- rights ----------------------------------------------------------------------------------------------------------

_IRREGULAR = {"Ingress": "ingresses"}


def _resource_of(type_: str, kind: str) -> str:
    plural = _IRREGULAR.get(kind, f"{kind.lower()}s")
    group = type_.removeprefix("kubernetes:").partition("/")[0]
    return plural if group == "core" else f"{plural}.{group}"


def _used_by(graph: Graph) -> Iterable[rights.Right]:
    """Creating every object of the program, and giving what its Roles give."""
    for made in graph.objects:
        if made.type.startswith("kubernetes:") and made.kind != "Release":
            namespace = made.inputs["metadata"].get("namespace", "")
            for verb in ("get", "list", "watch", "create", "patch", "delete"):
                yield rights.Right(namespace, _resource_of(made.type, made.kind), verb)
        if made.kind == "Role":
            for rule in made["rules"]:
                [group], [resource] = rule["apiGroups"], rule["resources"]
                for verb in rule["verbs"]:
                    plural, _, below = resource.partition("/")
                    named = f"{plural}.{group}" if group else plural
                    yield rights.Right(made["metadata", "namespace"], f"{named}/{below}" if below else named, verb)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"ingress": {"route": GATEWAY}},
        {"ingress": LETS_ENCRYPT, "infisical": PUBLIC},
        {"redis": {"passwordRotation": 2}, "database": {"passwordRotation": 2}},
    ],
)
def test_every_right_that_the_program_uses_is_asked_for(sections: dict[str, Any]) -> None:
    asked = rights.needed(stack_settings(**sections))
    assert set(_used_by(platform("dev", **sections))) <= set(asked)
    assert len(asked) == len(set(asked))


def test_helms_record_and_the_charts_own_objects_are_asked_for() -> None:
    asked = set(rights.needed(stack_settings()))
    for resource in ("secrets", "deployments.apps", "services", "serviceaccounts", "roles.rbac.authorization.k8s.io"):
        assert rights.Right("infisical", resource, "create") in asked
    assert rights.Right("infisical", "secrets", "update") in asked


def test_all_rights_are_one_row_a_namespace() -> None:
    assert list(ask(rights.rights)) == [
        "rights in the cluster",
        "rights in platform-db-pg",
        "rights in platform-kv-redis-cluster",
        "rights in infisical",
    ]


def test_missing_rights_are_listed() -> None:
    verbs = [("jobs.batch", "create"), ("jobs.batch", "patch"), ("services", "create"), ("services", "patch")]
    withheld = [rights.Right("infisical", *pair) for pair in [*verbs, ("pods/log", "get")]]
    missing = only(ask(rights.rights, cluster(withheld=withheld)))
    assert (missing.level, missing.subject) == (Level.FAIL, "rights in infisical")
    assert missing.seen == "may not create, patch jobs.batch, services; get pods/log"


def test_a_review_asks_in_kubernetes_own_terms() -> None:
    assert rights.Right("infisical", "pods/log", "get").attributes == {
        "namespace": "infisical",
        "group": "",
        "resource": "pods",
        "subresource": "log",
        "verb": "get",
    }
    assert rights.Right("", "roles.rbac.authorization.k8s.io", "create").attributes["group"] == (
        "rbac.authorization.k8s.io"
    )


# --- what is there already -------------------------------------------------------------------------------------------

NAMESPACE = "/api/v1/namespaces/infisical"
ACTIVE = {"status": {"phase": "Active"}}
SECRET = ("secrets", "infisical-secrets", "-n", "infisical")
EXISTING = {
    "Secret infisical-secrets": SECRET,
    "Helm release infisical": ("secrets", "-l", "owner=helm,name=infisical", "-n", "infisical"),
    "postgresql platform-db-cluster": ("postgresqls.v1.acid.zalan.do", "platform-db-cluster", "-n", "platform-db-pg"),
    "RedisReplication platform-kv": (
        "redisreplications.v1beta2.redis.redis.opstreelabs.in",
        "platform-kv",
        "-n",
        "platform-kv-redis-cluster",
    ),
}


def clashes_with(of: Cluster, *owned: tuple[str, str]) -> dict[str, Result]:
    return ask(functools.partial(clashes.clashes, Exported("dev", owned=owned)), of)


def test_on_an_empty_cluster_nothing_clashes() -> None:
    assert all_ok(clashes_with(cluster()))


@pytest.mark.parametrize("subject", EXISTING)
def test_what_is_there_and_not_the_stacks_own_fails(subject: str) -> None:
    clash = only(clashes_with(cluster(existing=[EXISTING[subject]])))
    assert (clash.level, clash.subject) == (Level.FAIL, subject)


def test_a_namespace_that_is_there_is_a_warning_unless_it_is_going() -> None:
    assert only(clashes_with(cluster({NAMESPACE: ACTIVE}))).level is Level.WARN
    going = only(clashes_with(cluster({NAMESPACE: {"status": {"phase": "Terminating"}}})))
    assert (going.level, going.seen) == (Level.FAIL, "is being deleted")


def test_what_the_program_makes_is_known_by_type_and_id() -> None:
    """The state of a stack that is up: every id is namespace/name, or a name alone."""
    owned = set()
    for made in platform("dev").objects:
        metadata = made.inputs.get("metadata", made.inputs)
        path = [metadata.get("namespace"), metadata.get("name")]
        owned.add((made.type, "/".join(part for part in path if part)))
    namespaces = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")
    full = cluster({f"/api/v1/namespaces/{name}": ACTIVE for name in namespaces}, existing=EXISTING.values())
    results = clashes_with(full, *owned)
    assert {row.seen for row in results.values()} == {"this stack's"}


def test_what_may_not_be_seen_is_unknown_and_the_rest_is_told() -> None:
    results = clashes_with(cluster({NAMESPACE: Unanswered("no right")}, existing=[SECRET]))
    assert results["Namespace infisical"].seen == "unknown: no right"
    assert results["Secret infisical-secrets"].level is Level.FAIL


# --- outside ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What resolves, to which address."""
    known: dict[str, str] = {}

    def resolve(host: str, _port: int) -> list[tuple[Any, ...]]:
        if host not in known:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def balanced(**point: str) -> dict[str, Any]:
    return {"items": [{"spec": {"ingressClassName": "nginx"}, "status": {"loadBalancer": {"ingress": [point]}}}]}


HOST = "secrets.infisical.test"


def test_a_name_that_does_not_resolve_is_a_warning_but_for_lets_encrypt(names: dict[str, str]) -> None:
    assert only(ask(outside.name)).level is Level.WARN
    assert only(ask(outside.name, ingress=LETS_ENCRYPT, infisical=PUBLIC)).level is Level.FAIL


def test_a_name_that_leads_to_the_cluster_is_ok(names: dict[str, str]) -> None:
    names[HOST] = "192.0.2.7"
    names["lb.example.net"] = "192.0.2.7"
    for path in ("/api/v1/services", "/apis/networking.k8s.io/v1/ingresses"):
        for point in ({"ip": "192.0.2.7"}, {"hostname": "lb.example.net"}):
            assert all_ok(ask(outside.name, cluster({path: balanced(**point)})))
    assert all_ok(ask(outside.name, ingress={"route": GATEWAY}))


def test_a_name_that_leads_elsewhere_is_a_warning(names: dict[str, str]) -> None:
    names[HOST] = "203.0.113.1"
    elsewhere = only(ask(outside.name, cluster({"/api/v1/services": balanced(ip="192.0.2.7")})))
    assert elsewhere.level is Level.WARN
    assert "203.0.113.1" in elsewhere.seen
    assert "192.0.2.7" in elsewhere.seen


def test_with_nothing_to_compare_a_name_that_resolves_is_ok(names: dict[str, str]) -> None:
    names[HOST] = "203.0.113.1"
    assert all_ok(ask(outside.name))
    assert all_ok(ask(outside.name, cluster({"/api/v1/services": NO_RIGHT})))


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError):
        bounded(never.wait, 0.01)
    never.set()


CHART = functools.partial(outside.chart, Stack("prod"))
ABSENT = {"flavour": "infisical-standalone", "version": "9.9.9", "path": None}


def test_a_local_chart_needs_no_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside.urllib.request, "urlopen", lambda *_, **__: pytest.fail("asked the repository"))
    assert all_ok(ask(CHART))
    missing = only(ask(CHART, infisical={"chart": {"path": "no/such/chart"}}))
    assert missing.level is Level.FAIL


def test_a_chart_that_is_not_pinned_fails_and_its_repository_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(outside.urllib.request, "urlopen", unreachable)
    results = ask(CHART, infisical={"chart": ABSENT})
    assert results["chart infisical-standalone 9.9.9"].fix == "make charts STACK=prod"
    assert results["chart repository"].level is Level.WARN
    assert results["chart repository"].seen == "can't be reached: no route"


def test_a_password_in_the_repositorys_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = "https://user:hunter2@charts.example.org/hunter2?token=hunter2"
    shown = ask(CHART, infisical={"chart": ABSENT | {"repository": repository}})
    assert "hunter2" not in str(shown)

    def refused(request: Any, **_: object) -> None:
        raise urllib.error.HTTPError(request.full_url, 403, "Forbidden", Message(), None)

    monkeypatch.setattr(outside.urllib.request, "urlopen", refused)
    results = ask(CHART, infisical={"chart": ABSENT | {"repository": "https://charts.example.org/?token=hunter2"}})
    assert results["chart repository"].seen == "can't be reached: HTTP status 403"


# --- table and exit status -------------------------------------------------------------------------------------------


def diagnosed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of: Cluster) -> tuple[int, str]:
    """Exit status and what is printed."""
    monkeypatch.setattr(doctor, "Cluster", lambda _context, _kubeconfig: of)
    status = doctor.run(Exported("dev"), argparse.Namespace())
    return status, capsys.readouterr().out


def test_a_healthy_cluster_is_ready_and_warnings_are_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: dict[str, str]
) -> None:
    status, shown = diagnosed(monkeypatch, capsys, cluster())
    assert (status, shown.splitlines()[-1]) == (0, "ready for `pulumi up`, with 1 warning")
    names[HOST] = "192.0.2.7"
    status, shown = diagnosed(monkeypatch, capsys, cluster())
    assert (status, shown.splitlines()[-1]) == (0, "ready for `pulumi up`")
    assert "fix:" not in shown


def test_a_failure_is_exit_status_1_and_stands_above_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: dict[str, str]
) -> None:
    status, shown = diagnosed(monkeypatch, capsys, cluster({ISSUER: issuer("False", "no account")}))
    assert status == 1
    lines = shown.splitlines()
    [row] = [number for number, line in enumerate(lines) if line.startswith("FAIL")]
    assert "ClusterIssuer embedded-ca" in lines[row]
    assert lines[row + 1].strip() == "fix: kubectl describe clusterissuer embedded-ca"
    assert lines[-1] == "1 failure, 1 warning: `pulumi up` would fail or do harm"


def test_a_cluster_that_does_not_answer_is_one_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, shown = diagnosed(monkeypatch, capsys, cluster({"/version": Unanswered("connection refused")}))
    assert status == 1
    assert [line.split()[0] for line in shown.splitlines() if line] == ["FAIL", "fix:", "1"]
    assert "does not answer: connection refused" in shown


def test_rows_are_in_columns() -> None:
    rows = [ok("a", "seen"), warn("longer", "odd", "do"), fail("b", "bad", "mend")]
    assert list(doctor.report(rows))[:5] == [
        "ok    a       seen",
        "warn  longer  odd",
        "              fix: do",
        "FAIL  b       bad",
        "              fix: mend",
    ]


def test_what_a_check_has_found_before_it_got_no_answer_stays() -> None:
    def check(_cluster: Cluster, _settings: settings.Settings) -> Iterable[Result]:
        yield ok("first", "seen")
        raise Unanswered("no right")

    rows = list(doctor.examine(cluster(), stack_settings(), {"second": check}))[1:]
    assert [(row.subject, row.level) for row in rows] == [("first", Level.OK), ("second", Level.WARN)]
