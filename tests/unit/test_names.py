"""Stacks with different prefixes share a cluster, and nothing in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest
from declared import Resource, Stack
from hypothesis import assume, given
from hypothesis import strategies as st
from rules import RULES

import settings
from components.secrets_operator import chart_name
from settings.names import Names
from tests.contract.manifests import manifests
from tests.unit.harness import BUCKET, RECIPIENT, SHAPES, Graph, State, platform, settings_of, shape

# The kinds of Infisical's operator are the whole cluster's, and the namespaces of applications are people's.
SHARED, TARGETS = {"CustomResourceDefinition"}, {"shop"}
PREFIXES = st.from_regex(r"[a-z][a-z0-9]{0,11}", fullmatch=True).filter(lambda p: p not in ("infisical", "platform"))
TODAYS = st.sampled_from(["infisical", "platform-db-pg", "platform-kv-redis-cluster", "infisical-secrets-operator"])


def under(prefix: str, name: str = "dev", **more: Any) -> Graph:
    cluster = {"namePrefix": prefix} if prefix else {}
    return shape(name, cluster=cluster, **more)


def identities(graph: Graph) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of all that a stack makes for itself."""
    found = {
        (made["kind"], made["metadata"].get("namespace", ""), str(made["metadata"]["name"]))
        for made in manifests(graph)
        if made["kind"] not in SHARED
    }
    found |= {("Release", r["namespace"], r["name"]) for r in graph if r.kind == "Release"}
    return {each for each in found if each[1] not in TARGETS}


# Operators serve the whole cluster: a second stack that would install them is refused before it begins.
@pytest.mark.parametrize("name", [name for name in SHAPES if name != "installed"])
def test_stacks_with_different_prefixes_have_nothing_in_common(name: str) -> None:
    sets = [identities(under(prefix, name)) for prefix in ("", "blue", "green")]
    assert len({len(each) for each in sets}) == 1
    assert len(sets[0] | sets[1] | sets[2]) == sum(map(len, sets))


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_of_a_stack_leads_to_the_namespaces_of_another(name: str) -> None:
    """Whatever is said anywhere: host names, rules, what scripts are told, selectors of policies."""
    unnamed = re.compile(r"(?<!blue-)\b(platform-db-pg|platform-kv-redis-cluster)\b|(?<!blue-)\binfisical\.svc")
    todays = {*Names().namespaces, "infisical-secrets-operator"}
    graph = under("blue", name)
    for resource in graph.objects:
        for leaf in resource.leaves():
            assert not unnamed.search(str(leaf.value)), f"{resource}: {leaf}"
        for path, namespace in _namespaces(resource.inputs):
            assert namespace not in todays, f"{resource}: {path}"


def _namespaces(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text below a key `namespace`, also in JSON, and those that a policy selects by their names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("namespace", "kubernetes.io/metadata.name") and isinstance(item, str):
                yield f"{path}.{key}", item
            yield from _namespaces(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _namespaces(item, path)
    elif isinstance(value, str) and value.startswith("{"):
        try:
            yield from _namespaces(json.loads(value), path)
        except json.JSONDecodeError:
            return


@given(PREFIXES | st.just(""), PREFIXES, TODAYS, TODAYS, st.text("abcdefgh-", max_size=6))
def test_no_two_prefixes_make_one_name(one: str, other: str, name: str, another: str, more: str) -> None:
    assume(one != other)
    assert Names(one).own(name + more) != Names(other).own(another)
    assert Names(one).own(name) != Names(other).own(another + more)


@given(PREFIXES, PREFIXES)
def test_the_operators_chart_cuts_no_name_of_ours(one: str, other: str) -> None:
    """Its names are the cluster's for two of its roles, and it cuts them to 15 characters."""
    assume(one != other)
    assert len(chart_name(Names(one))) <= 15
    assert chart_name(Names(one)) != chart_name(Names(other))
    assert chart_name(Names(one)) != chart_name(Names())


def test_the_operators_names_follow_the_prefix_and_todays_stay() -> None:
    release = under("blue", "operator")["Release/secrets-operator"]
    assert release["values", "fullnameOverride"] == "blue-so"
    assert release["values", "scopedNamespaces"] == ["blue-infisical-secrets-operator"]
    assert "fullnameOverride" not in shape("operator")["Release/secrets-operator"]["values"]


def test_the_kinds_of_the_operator_stay_for_the_other_stacks() -> None:
    kinds = [r for r in under("blue", "operator") if r.kind == "CustomResourceDefinition"]
    assert kinds
    assert all(kind.retain_on_delete for kind in kinds)


@pytest.mark.parametrize(
    ("prefix", "said", "expected"),
    [("", None, None), ("blue", None, "blue/"), ("blue", "mine/", "mine/"), ("blue", "", None)],
)
def test_backups_of_several_stacks_begin_at_different_places(
    prefix: str, said: str | None, expected: str | None
) -> None:
    target = {**BUCKET, **({} if said is None else {"prefix": said})}
    keys: dict[str, Any] = {"backup": {"target": target, "recipients": [RECIPIENT]}}
    graph = under(prefix, backupAccessKey="throw-away-id", backupSecretKey="throw-away-bucket", **keys)
    [container] = graph["Job/backup"]["spec", "template", "spec", "containers"]
    config = json.loads(next(each["value"] for each in container["env"] if each["name"] == "CONFIG"))
    assert config["target"].get("prefix") == expected


@pytest.mark.parametrize("prefix", ["Blue", "1", "", "a" * 13, "a-b", "infisical", "platform", "b.c"])
def test_a_prefix_that_would_not_do_is_refused(prefix: str) -> None:
    with pytest.raises(settings.SettingsError, match=r"cluster\.namePrefix"):
        settings_of(cluster={"namePrefix": prefix})


def test_a_delivery_into_the_operators_own_namespace_is_refused_under_its_own_name() -> None:
    def delivered(namespace: str) -> dict[str, Any]:
        delivery = {"environment": "prod", "namespace": namespace, "secret": "s"}
        return {"shop": {"environments": {"prod": "P"}, "secrets": {"prod": {"/": {"A": "b"}}}, "deliver": [delivery]}}

    with pytest.raises(pulumi.RunError, match="the operator's own namespace"):
        shape("applications", cluster={"namePrefix": "blue"}, applications=delivered("blue-infisical-secrets-operator"))


# --- a prefix that comes too late ------------------------------------------------------------------------------------


def deployed(namespace: str) -> State:
    outputs = {"metadata": {"name": namespace, "uid": f"uid-{namespace}"}}
    type_ = "kubernetes:core/v1:Namespace"
    return {
        f"urn:pulumi:dev::infisical-platform::{type_}::infisical-secrets-namespace": {"type": type_, "outputs": outputs}
    }


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize(
    ("was", "wanted", "way_back"),
    [
        ("infisical", "blue", "pulumi config rm --stack dev --path 'infisical-platform:cluster.namePrefix'"),
        ("blue-infisical", "", "'infisical-platform:cluster.namePrefix' blue"),
        ("blue-infisical", "green", "'infisical-platform:cluster.namePrefix' blue"),
    ],
)
def test_no_deployed_stack_gets_other_names(was: str, wanted: str, way_back: str, preview: bool) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        platform(cluster={"namePrefix": wanted} if wanted else {}, state=deployed(was), preview=preview)
    assert str(caught.value).startswith("cluster.namePrefix: ")
    assert way_back in str(caught.value)


@pytest.mark.parametrize(("was", "wanted"), [("infisical", ""), ("blue-infisical", "blue")])
def test_a_deployed_stack_keeps_its_names(was: str, wanted: str) -> None:
    assert platform(cluster={"namePrefix": wanted} if wanted else {}, state=deployed(was), preview=True)


# --- policies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "expected"), [("", {"platform-db-pg"}), ("blue", {"blue-platform-db-pg"})])
def test_the_policies_know_the_namespaces_of_the_stack(prefix: str, expected: set[str]) -> None:
    (rule,) = (each for each in RULES if each.name == "data-services-are-private")
    found = {
        namespace
        for namespace in ("platform-db-pg", "blue-platform-db-pg", "green-platform-db-pg")
        for props in [{"metadata": {"namespace": namespace}, "spec": {"type": "NodePort"}}]
        for service in [Resource(type="kubernetes:core/v1:Service", name="it", props=props)]
        if list(rule.messages(service, Stack(protects=True, prefix=prefix)))
    }
    assert found == expected


def test_the_policies_read_the_configuration_of_a_redis_with_a_prefix() -> None:
    (rule,) = (each for each in RULES if each.name == "redis-has-no-inline-comment")
    props = {"metadata": {"namespace": "blue-platform-kv-redis-cluster"}, "data": {"redis.conf": "maxmemory 1mb # why"}}
    config = Resource(type="kubernetes:core/v1:ConfigMap", name="it", props=props)
    assert list(rule.messages(config, Stack(protects=True, prefix="blue")))
    assert not list(rule.messages(config, Stack(protects=True)))
