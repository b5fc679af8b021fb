"""What the caller may do, against what the program does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from operations.checks import rights
from operations.checks.result import Level
from operations.cluster import Rules, Unanswered
from tests.tools.doctor.known import (
    GATEWAY,
    LETS_ENCRYPT,
    PUBLIC,
    Answers,
    all_ok,
    ask,
    cluster,
    only,
    stack_settings,
)
from tests.unit.harness import INSTALLED, Graph, platform

_IRREGULAR = {
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
    "IngressClass": "ingressclasses",
    "StorageClass": "storageclasses",
}


_READ = {
    "StorageClass": "storage.k8s.io",
    "IngressClass": "networking.k8s.io",
    "ClusterIssuer": "cert-manager.io",
    "Gateway": "gateway.networking.k8s.io",
}
APART = {"postgres": "postgres-operator", "redis": "redis-operator"}
_EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


def _resource_of(type_: str, kind: str) -> str:
    plural = _plural(kind)
    group = type_.removeprefix("kubernetes:").partition("/")[0]
    return plural if group == "core" else f"{plural}.{group}"


def _plural(kind: str) -> str:
    kind = kind.removesuffix("Patch")  # of Pulumi: a part of an object that somebody else has made
    return _IRREGULAR.get(kind, f"{kind.lower()}s")


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
    for shown in graph.reads.values():
        kind, *place = shown.split("/")
        yield rights.Right(place[0] if place[1:] else "", f"{_plural(kind)}.{_READ[kind]}", "get", place[-1])


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"ingress": {"route": GATEWAY}},
        {"ingress": LETS_ENCRYPT, "infisical": PUBLIC},
        {"database": {"storageClass": "fast"}, "redis": {"storageClass": "slow"}},
        {"redis": {"passwordRotation": 2}, "database": {"passwordRotation": 2}},
        {"operators": INSTALLED, "networkPolicies": {"operators": APART}},
        {
            "operators": {**INSTALLED, "certManager": "present"},
            "networkPolicies": {"enabled": False, "operators": APART},
        },
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


def test_who_installs_operators_may_hand_out_their_rights() -> None:
    section: dict[str, Any] = {"operators": INSTALLED, "networkPolicies": {"operators": APART}}
    asked = set(rights.needed(stack_settings(**section)))
    for verb in ("create", "escalate", "bind"):
        assert rights.Right("", "clusterroles.rbac.authorization.k8s.io", verb) in asked
    for namespace in (*APART.values(), "cert-manager"):
        assert rights.Right(namespace, "deployments.apps", "create") in asked
        assert rights.Right(namespace, "secrets", "update") in asked, "Helm's record of its release"
    webhooks = rights.Right("", "validatingwebhookconfigurations.admissionregistration.k8s.io", "create")
    assert webhooks in asked
    only_redis = {
        "networkPolicies": {"operators": APART},
        "operators": {"redis": "install", "redisChart": INSTALLED["redisChart"]},
    }
    assert webhooks not in rights.needed(stack_settings(**only_redis))
    assert not {right for right in rights.needed(stack_settings()) if right.verb == "escalate"}


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
        "name": "",
    }
    assert rights.Right("", "roles.rbac.authorization.k8s.io", "create").attributes["group"] == (
        "rbac.authorization.k8s.io"
    )


def rules_of(*rules: dict[str, Any], complete: bool = True) -> dict[str, Rules | Unanswered]:
    """The same in each of the three namespaces."""
    names = ("platform-db-pg", "platform-kv-redis-cluster", "infisical")
    return dict.fromkeys(names, Rules(rules=rules, complete=complete))


def in_namespaces(asked: Sequence[dict[str, str]]) -> int:
    return sum(bool(question["namespace"]) for question in asked)


def test_one_request_a_namespace_tells_its_rights() -> None:
    """192 reviews one after the other took longer than anybody waits, on a cluster that answers in 50 ms."""
    there = cluster(granted=rules_of(_EVERYTHING))
    assert all_ok(ask(rights.rights, there))
    assert in_namespaces(there.asked) == 0
    assert len(there.asked) < 12, "of the whole cluster there are no such rules"


def test_what_rules_do_not_grant_is_asked_one_by_one() -> None:
    """An authorizer without rules of its own may grant it all the same."""
    almost = [
        {"verbs": ["get", "list", "watch", "create", "patch"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["delete"], "apiGroups": ["", "batch"], "resources": ["*"]},
    ]
    there = cluster(granted=rules_of(*almost), withheld=[rights.Right("infisical", "services", "update")])
    assert all_ok(ask(rights.rights, there))
    assert {q["verb"] for q in there.asked if q["namespace"]} == {"delete", "update"}
    assert not any(q["resource"] in ("secrets", "jobs") and q["verb"] == "delete" for q in there.asked)


@pytest.mark.parametrize("told", [rules_of(_EVERYTHING, complete=False), {"infisical": Unanswered("no right")}])
def test_rules_that_are_not_the_whole_truth_are_not_trusted(told: dict[str, Rules | Unanswered]) -> None:
    """A webhook that authorizes has no rules to show, and may deny what others grant."""
    create = rights.Right("infisical", "services", "create")
    there = cluster(granted=told, withheld=[create])
    assert only(ask(rights.rights, there)).seen == "may not create services"


@pytest.mark.parametrize(
    ("rule", "grants"),
    [
        ({"verbs": ["create"], "apiGroups": ["batch"], "resources": ["jobs"]}, True),
        ({"verbs": ["create"], "apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": ["one"]}, False),
        ({"verbs": ["create"], "apiGroups": [""], "resources": ["jobs"]}, False),
        ({"verbs": ["create"], "apiGroups": ["batch"], "resources": ["jobs/status"]}, False),
        ({"verbs": ["get"], "apiGroups": ["batch"], "resources": ["jobs"]}, False),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, True),
        ({"verbs": ["create"], "apiGroups": ["*"], "resources": ["*/log"]}, False),
        ({"verbs": ["create"]}, False),
    ],
)
def test_a_rule_grants_what_rbac_says_it_does(rule: dict[str, Any], grants: bool) -> None:
    assert rights.Right("infisical", "jobs.batch", "create").granted_by(rule) is grants


def test_a_rule_of_a_subresource_is_not_one_of_its_resource() -> None:
    log = rights.Right("infisical", "pods/log", "get")
    for resource, grants in (("pods/log", True), ("*/log", True), ("*", True), ("pods", False), ("pods/*", False)):
        rule = {"verbs": ["get"], "apiGroups": [""], "resources": [resource]}
        assert log.granted_by(rule) is grants, resource


def test_a_name_is_enough_for_what_is_only_read() -> None:
    read = rights.Right("", "storageclasses.storage.k8s.io", "get", "fast")
    assert read.attributes["name"] == "fast"
    rule = {"verbs": ["get"], "apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"]}
    assert read.granted_by(rule | {"resourceNames": ["slow", "fast"]})
    assert not read.granted_by(rule | {"resourceNames": ["slow"]})


def test_a_namespace_without_an_answer_is_unknown_and_the_others_are_told() -> None:
    class Half(Answers):
        def allowed(self, questions: Sequence[Any]) -> list[bool]:
            if questions[0]["namespace"] == "infisical":
                raise Unanswered("no answer within 20 s")
            return super().allowed(questions)

    results = ask(rights.rights, Half(paths={}))
    assert results["rights in infisical"].seen == "unknown: no answer within 20 s"
    assert results["rights in infisical"].level is Level.UNKNOWN
    assert results["rights in platform-db-pg"].level is Level.OK
