"""Each setting changes some input, and which: none can be left unwired, or be wired to what a different one is for.

`changes` has every setting with a different value and the resources that this changes; nothing else may change. Changes
that share no resource and no section run together, so that some ninety settings cost a dozen runs. In every run what
alters a database, Redis or the release also alters the gate that has to prove it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import pytest

from settings import Settings
from settings.machinery.schema import fields, sections_in
from tests.unit.application_changes import APPLICATIONS, WISHES, WITH_APPLICATIONS
from tests.unit.backup_changes import BACKED_UP, BACKUPS, BUCKETS, IN_A_BUCKET, MOVED_IN, MOVES
from tests.unit.changes import (
    CHANGES,
    ELSEWHERE,
    ENVIRONMENT,
    GATEWAY,
    REDIS_GATES,
    VARIABLES,
    WHOLE,
    Change,
    Config,
    put,
)
from tests.unit.external_changes import HOSTED, HOSTS, WATCHED, WATCHERS
from tests.unit.harness import Graph, platform
from tests.unit.network_changes import NETWORK, policies
from tests.unit.operator_changes import INSTALLING, OPERATORS
from tests.unit.placement_changes import PLACES
from tests.unit.secrets_operator_changes import SECRETS_OPERATOR
from tests.unit.shared_changes import SHARED
from tests.unit.way_in_changes import OTHER_WAYS_IN, WAYS_IN


def configured(config: Config) -> Graph:
    keys: dict[str, Any] = {key: json.dumps(v) if isinstance(v, list) else v for key, v in config.items()}
    # The sections of a stack file are of the operators' kind.
    return platform("minimal" if config.get("database", {}).get("kind") == "external" else "prod", **keys)


def differences(one: Graph, other: Graph) -> set[str]:
    """Return what has other inputs, or is protected in one of the two alone, or is made in one of the two alone."""
    before, after = ({str(resource): resource for resource in graph} for graph in (one, other))
    kept = before.keys() & after.keys()
    changed = {name for name in kept if before[name].inputs != after[name].inputs}
    changed |= {name for name in kept if before[name].protect != after[name].protect}
    return changed | (before.keys() ^ after.keys())


def groups(changes: Iterable[Change]) -> list[list[Change]]:
    """Put changes together that share no resource, no section and no name, so that each difference has one cause."""
    found: list[list[Change]] = []
    for each in changes:
        for group in found:
            if all(each.is_apart_from(other) for other in group):
                group.append(each)
                break
        else:
            found.append([each])
    return found


# What is altered, and what has to prove it.
PROVEN = {
    "Release/infisical": ["Job/infisical-gate"],
    "DeploymentPatch/infisical-pods": ["Job/infisical-gate"],
    "postgresql/platform-db-cluster": ["Job/platform-db-gate-operator", "Job/platform-db-gate-login"],
    "RedisReplication/platform-kv-replication": REDIS_GATES.split(),
    "RedisSentinel/platform-kv-sentinel": ["Job/platform-kv-gate"],
    "ConfigMap/platform-kv-config": REDIS_GATES.split(),
}
RUNS = [
    *((WHOLE, group) for group in groups(CHANGES + WAYS_IN + NETWORK + PLACES + SHARED + SECRETS_OPERATOR)),
    *((GATEWAY, group) for group in groups(OTHER_WAYS_IN)),
    *((BACKED_UP, group) for group in groups(BACKUPS)),
    *((IN_A_BUCKET, group) for group in groups(BUCKETS)),
    *((MOVED_IN, group) for group in groups(MOVES)),
    *((HOSTED, group) for group in groups(HOSTS)),
    *((WATCHED, group) for group in groups(WATCHERS)),
    *((WITH_APPLICATIONS, group) for group in groups(APPLICATIONS)),
    *((INSTALLING, group) for group in groups(OPERATORS)),
]


@pytest.mark.parametrize(("base", "group"), RUNS, ids=[", ".join(c.key for c in group) for _, group in RUNS])
def test_a_setting_changes_what_it_is_for_and_nothing_else(base: Config, group: list[Change]) -> None:
    config = copy.deepcopy(base)
    for each in group:
        each.apply(config)
    before, after = configured(base), configured(config)
    changed = differences(before, after)
    assert changed == {name for each in group for name in each.changed}
    for each in group:
        if each.shown is not None:
            said = {name: shown(before, name, each.shown) < shown(after, name, each.shown) for name in each.changed}
            assert any(said.values()), f"{each.key}: none of its resources says {each.shown}"
    for name, gates in PROVEN.items():
        assert not altered(before, after, name) or changed.issuperset(gates), f"{name} is altered without {gates}"


def altered(before: Graph, after: Graph, name: str) -> bool:
    there = any(str(resource) == name for resource in before)  # not where somebody else runs it
    return there and before[name].inputs != after[name].inputs


def shown(graph: Graph, name: str, text: str) -> int:
    """Return how often a resource's inputs have a text: a short one as a whole, because 3 is also in 32."""
    leaves = [str(leaf.value) for resource in graph if str(resource) == name for leaf in resource.leaves()]
    return sum(leaf == text or (len(text) > 3 and text in leaf) for leaf in leaves)


def test_what_only_infisical_reads_becomes_its_variable() -> None:
    before, config = configured(WHOLE), copy.deepcopy(WHOLE)
    for key, (value, _, _) in VARIABLES.items():
        put(config, key, value)
    after = configured(config)
    assert differences(before, after) == {*ENVIRONMENT.split(), policies(["infisical"])}  # the relay's port
    told = after["Secret/infisical-secrets"]["stringData"]
    assert {key: told.get(variable) for key, (_, variable, _) in VARIABLES.items()} == {
        key: expected for key, (_, _, expected) in VARIABLES.items()
    }
    was = before["Secret/infisical-secrets"]["stringData"]
    assert not [key for key, (_, variable, expected) in VARIABLES.items() if was.get(variable) == expected]


def test_no_setting_is_left_out() -> None:
    """A new setting belongs into one of the tables above."""
    changes = (
        CHANGES
        + WAYS_IN
        + OTHER_WAYS_IN
        + NETWORK
        + PLACES
        + SHARED
        + SECRETS_OPERATOR
        + BACKUPS
        + BUCKETS
        + MOVES
        + APPLICATIONS
        + WISHES
        + HOSTS
        + WATCHERS
        + OPERATORS
    )
    there = [*(each.key for each in changes), *VARIABLES, *ELSEWHERE]
    # WHOLE and BACKED_UP have the one, GATEWAY and IN_A_BUCKET the other.
    kinds = {"ingress.issuer.kind", "ingress.route.kind", "backup.target.kind", "database.kind", "redis.kind"}
    leaves = {".".join(path) for path, field, _ in fields(Settings) if not sections_in(field)}
    assert leaves - kinds == {*there}
    assert len(there) == len({*there}), "a setting is there twice"


def test_what_no_setting_says_is_what_running_clusters_have() -> None:
    """Another user can't read the volumes, and other timeouts are other failovers."""
    graph = configured(WHOLE)
    sentinel, replication = graph["platform-kv-sentinel"], graph["platform-kv-replication"]
    for resource in (sentinel, replication):
        assert resource["spec", "podSecurityContext"] == {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
    config = sentinel["spec", "redisSentinelConfig"]
    assert (config["downAfterMilliseconds"], config["failoverTimeout"]) == ("5000", "10000")
    assert (config["parallelSyncs"], config["redisPort"]) == ("1", "6379")
