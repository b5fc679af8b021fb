"""Affinity of each part: in the field that its maker has for it, and refused where no maker has one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.configurations import errors, with_
from tests.unit.harness import Graph, platform
from tests.unit.test_placement import jobs, template_of

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
SSD = {"key": "example.org/disk", "operator": "In", "values": ["ssd"]}
GPU = {"key": "gpu", "operator": "DoesNotExist"}
NODES = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [SSD]}, {"matchExpressions": [GPU]}]}}}
NEIGHBOURS = {
    "podAntiAffinity": {
        PREFERRED: [
            {
                "weight": 10,
                "podAffinityTerm": {
                    "topologyKey": "topology.kubernetes.io/zone",
                    "labelSelector": {"matchLabels": {"example.org/podName": "platformKv"}},
                },
            }
        ]
    }
}
REDIS, SENTINEL = "RedisReplication/platform-kv-replication", "RedisSentinel/platform-kv-sentinel"
DATABASE = "postgresql/platform-db-cluster"


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def infisical(**more: Any) -> dict[str, Any]:
    return {"siteUrl": "https://a.example.net", **more}


def affinity_of_infisical(graph: Graph) -> Any:
    return graph["DeploymentPatch/infisical-pods"]["spec", "template", "spec"].get("affinity")


@pytest.mark.parametrize("affinity", [NODES, NEIGHBOURS, {**NODES, **NEIGHBOURS}])
def test_each_part_gets_its_own_in_the_words_of_kubernetes(affinity: dict[str, Any]) -> None:
    """The name of a label keeps its capitals, although Pulumi's types have other names for the keys around it."""
    graph = platform(
        infisical=infisical(affinity=affinity),
        redis={"affinity": affinity, "sentinel": {"affinity": {"podAffinity": affinity.get("podAntiAffinity", {})}}},
        jobs={"affinity": affinity},
    )
    assert plain(affinity_of_infisical(graph)) == affinity
    assert plain(graph[REDIS]["spec", "affinity"]) == affinity
    sentinels = graph[SENTINEL]["spec"].get("affinity")
    assert plain(sentinels) == {"podAffinity": affinity.get("podAntiAffinity", {})}
    assert {json.dumps(plain(template_of(job)["spec"]["affinity"]), sort_keys=True) for job in jobs(graph)} == {
        json.dumps(affinity, sort_keys=True)
    }


def test_sentinels_go_where_redis_goes_unless_they_have_their_own() -> None:
    assert plain(platform(redis={"affinity": NODES})[SENTINEL]["spec", "affinity"]) == NODES


def test_the_database_has_nodes_alone() -> None:
    graph = platform(database={"affinity": NODES})
    assert plain(graph[DATABASE]["spec", "nodeAffinity"]) == NODES["nodeAffinity"]


def test_every_term_of_the_database_selects_the_nodes_of_the_section_pods_too() -> None:
    """Terms are alternatives: in one of its own, the selector would let the pods go everywhere else."""
    preferred = [{"weight": 1, "preference": {"matchExpressions": [GPU]}}]
    affinity = {"nodeAffinity": {**NODES["nodeAffinity"], PREFERRED: preferred}}
    graph = platform(database={"affinity": affinity}, pods={"nodeSelector": {"disk": "fast"}})
    found = plain(graph[DATABASE]["spec", "nodeAffinity"])
    selected = {"key": "disk", "operator": "In", "values": ["fast"]}
    assert [term["matchExpressions"] for term in found[REQUIRED]["nodeSelectorTerms"]] == [
        [SSD, selected],
        [GPU, selected],
    ]
    assert found[PREFERRED] == preferred


def test_without_it_no_field_is_there() -> None:
    graph = platform()
    assert affinity_of_infisical(graph) is None
    assert not [name for name in (REDIS, SENTINEL) if "affinity" in graph[name]["spec"]]
    assert "nodeAffinity" not in graph[DATABASE]["spec"]


def _nodes(**requirement: Any) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("database.affinity", {"podAntiAffinity": {}}, "podAntiAffinity: a postgresql resource has no field for it"),
        ("database.affinity", {**NODES, "podAffinity": {}}, "podAffinity: a postgresql resource has no field for it"),
        ("database.affinity", {}, "database.affinity.nodeAffinity: required"),
        ("database.pooler.affinity", NODES, "database.pooler.affinity: there is no such key"),
        ("redis.affinity", {"nodeAffinities": {}}, "redis.affinity.nodeAffinities: there is no such key"),
        ("redis.affinity", {"nodeAffinity": {"required": {}}}, "nodeAffinity.required: there is no such key"),
        ("jobs.affinity", {"nodeAffinity": {REQUIRED: {}}}, "nodeSelectorTerms: give at least one"),
        ("jobs.affinity", {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}]}}}, "no node fulfils an empty term"),
        ("infisical.affinity", _nodes(key="a", operator="Exists", values=["b"]), "leave them out with operator Exists"),
        ("infisical.affinity", _nodes(key="a", operator="In"), "give at least one with operator In"),
        ("infisical.affinity", _nodes(key="a", operator="Gt", values=["x"]), "give one number with operator Gt"),
        ("infisical.affinity", _nodes(key="a b", operator="Exists"), "label's name"),
    ],
)
def test_what_no_scheduler_or_operator_takes_is_refused_by_name(key: str, value: Any, said: str) -> None:
    [line] = errors(with_((key, value)))
    assert said in line
