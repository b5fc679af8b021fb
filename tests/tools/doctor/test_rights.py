"""What the caller may do, against what the program does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from operations.checks import rights
from operations.checks.result import Level
from tests.tools.doctor.known import (
    GATEWAY,
    LETS_ENCRYPT,
    PUBLIC,
    ask,
    cluster,
    only,
    stack_settings,
)
from tests.unit.harness import Graph, platform

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
