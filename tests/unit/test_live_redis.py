"""A Redis that is there keeps the files that it reads, and no volume of it is asked to shrink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import safeguards
from components.operator_values import redis
from safeguards import LastState, Refusal
from safeguards.cluster import LiveCluster
from safeguards.live_redis import refuse_live_redis_change
from settings.cluster import ClusterSettings
from tests.unit.harness import COMMANDS, INSTALLED, platform, settings_of

KEY = "operators.redisConfigInInitContainer"
SET = "pulumi config set --stack dev --path 'infisical-platform:{}' {}"
CONVENTION = f"{KEY}: this stack has a Redis, whose configuration "


def installed(on: bool) -> dict[str, Any]:
    return {**INSTALLED, "redisConfigInInitContainer": on}


def servers(template: str = "1Gi", noted: int | str = 0, writer: bool = False) -> dict[str, Any]:
    """Return the StatefulSet as redis-operator 0.23 makes it."""
    init = [{"name": "init-config"}] if writer else []
    claim = {"resources": {"requests": {"storage": template}}}
    return {
        "metadata": {"annotations": {"storageCapacity": str(noted)} if noted != 0 else {}},
        "spec": {
            "template": {"spec": {"initContainers": [*init, {"name": "initplatform-kv"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "platform-kv"}, "spec": claim}],
        },
    }


def live(
    monkeypatch: pytest.MonkeyPatch,
    statefulset: Mapping[str, Any],
    claims: Mapping[str, str] | None = None,
    **sections: Any,
) -> str:
    """Return why `up` does not begin; empty where it may."""
    found = [
        {"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": size}}}}
        for name, size in (claims or {}).items()
    ]
    asked: list[tuple[str, str]] = []

    def statefulset_of(_: LiveCluster, namespace: str, name: str) -> Mapping[str, Any]:
        asked.append((namespace, name))
        return statefulset

    monkeypatch.setattr(LiveCluster, "statefulset", statefulset_of)
    monkeypatch.setattr(LiveCluster, "claims", lambda *_: found)
    try:
        refuse_live_redis_change(settings_of(**sections), LiveCluster(ClusterSettings()), COMMANDS)
    except Refusal as refusal:
        return str(refusal)
    finally:
        assert asked in ([], [("platform-kv-redis-cluster", "platform-kv")])
    return ""


@pytest.mark.parametrize("before", [True, False])
def test_another_writer_of_a_live_redis_configuration_is_refused(monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    said = live(monkeypatch, servers(writer=before), operators=installed(not before))
    assert said.startswith(CONVENTION)
    assert "appendfilename" in said
    assert SET.format(KEY, str(before).lower()) in said
    assert ("operators.redisImage to one of 0.23" in said) is not before
    assert live(monkeypatch, servers(writer=before), operators=installed(before)) == ""


@pytest.mark.parametrize("on", [True, False])
def test_before_there_is_a_redis_either_may_be_chosen(monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    assert live(monkeypatch, {}, operators=installed(on)) == ""


def test_an_operator_of_others_has_settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"redisConfigInInitContainer": True}
    assert live(monkeypatch, servers(), operators=present) == ""


@pytest.mark.parametrize("before", [True, False])
def test_a_preview_knows_it_by_the_state(monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    graph = platform(operators=installed(before))
    state: Any = {r.urn: {"type": r.type, "outputs": dict(r.inputs)} for r in graph}
    release = graph["Release/redis-operator"].urn
    assert state[release]["outputs"]["values"] == redis(settings_of(operators=installed(before)))
    with pytest.raises(Refusal, match=CONVENTION):
        safeguards.check(settings_of(operators=installed(not before)), LastState(state), COMMANDS)
    safeguards.check(settings_of(operators=installed(before)), LastState(state), COMMANDS)
    [servers_urn] = [urn for urn in state if urn.endswith("::platform-kv-replication")]
    del state[servers_urn]
    safeguards.check(settings_of(operators=installed(not before)), LastState(state), COMMANDS)


def claims(*sizes: str) -> dict[str, str]:
    return {f"platform-kv-platform-kv-{number}": size for number, size in enumerate(sizes)} | {"node-conf-0": "9Gi"}


@pytest.mark.parametrize("size", ["4Gi", "4294967296"])
def test_a_growth_that_one_volume_followed_is_not_taken_back_to_less(
    monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """The operator tries to shrink that one before it looks at anything else, for ever."""
    said = live(monkeypatch, servers(), claims(size, "1Gi", "1Gi"), redis={"storage": "2Gi"})
    assert said.startswith(
        "redis.storage: PersistentVolumeClaim platform-kv-redis-cluster/platform-kv-platform-kv-0 has"
    )
    assert SET.format("redis.storage", "4Gi") in said
    assert said.endswith(SET.format("redis.storage", "1Gi")), "the operator leaves volumes alone that it has made so"


@pytest.mark.parametrize("storage", ["1Gi", "1024Mi", "4Gi", "5Gi"])
def test_a_growth_that_one_volume_followed_may_go_on_or_back(monkeypatch: pytest.MonkeyPatch, storage: str) -> None:
    assert live(monkeypatch, servers(), claims("4Gi", "1Gi", "1Gi"), redis={"storage": storage}) == ""


@pytest.mark.parametrize("there", [servers("3Gi"), servers("1Gi", noted=3 * 2**30)])
def test_what_every_volume_has_is_the_least(monkeypatch: pytest.MonkeyPatch, there: Mapping[str, Any]) -> None:
    """The state may not know: it was lost, or its last gate failed at a later growth."""
    for storage in ("1Gi", "2Gi"):
        said = live(monkeypatch, there, claims("3Gi", "3221225472"), redis={"storage": storage})
        assert said.startswith(f"redis.storage: {storage} is less than the 3Gi of every volume, and no volume shrinks")
        assert said.endswith(SET.format("redis.storage", "3Gi"))
    for storage in ("3Gi", "3072Mi", "4Gi"):
        assert live(monkeypatch, there, claims("3Gi", "3221225472"), redis={"storage": storage}) == ""


@pytest.mark.parametrize("noted", ["", "0"])
def test_servers_that_have_changed_and_never_grown_have_their_first_size(
    monkeypatch: pytest.MonkeyPatch, noted: str
) -> None:
    """The operator writes an empty note with every change of the StatefulSet (patchStatefulSet of 0.23)."""
    there = servers("2Gi", noted=noted)
    assert live(monkeypatch, there, claims("2Gi"), redis={"storage": "2Gi"}) == ""
    assert live(monkeypatch, there, claims("2Gi"), redis={"storage": "1Gi"}).startswith("redis.storage: 1Gi is less")


def test_servers_without_volumes_are_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    without = servers()
    del without["spec"]["volumeClaimTemplates"]
    del without["metadata"]["annotations"]
    assert live(monkeypatch, without, redis={"storage": "2Gi"}) == ""


@pytest.mark.parametrize(("size", "told"), [("3500M", "3500000k"), ("1536Mi", "1536Mi"), ("2Ti", "2Ti")])
def test_a_size_is_told_as_a_stack_file_takes_it(monkeypatch: pytest.MonkeyPatch, size: str, told: str) -> None:
    said = live(monkeypatch, servers(size), redis={"storage": "1100Mi"})
    assert said.endswith(SET.format("redis.storage", told))
    assert live(monkeypatch, servers(size), redis={"storage": told}) == ""
