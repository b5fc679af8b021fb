"""What adopting says of a deployment that is there, takes from its owners, and gives back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.adoption.command import Plan, take_all
from operations.adoption.effects import SETTINGS, Difference, Effect, differences, effect_of, keeps
from operations.adoption.owners import TRACKING, Taken, before, give_back, owner_of, take
from operations.adoption.plan import Row, compare
from operations.adoption.wanted import Wanted, wanted
from operations.cluster import Cluster, Conflict, Object
from operations.field_managers import Key, key_of
from settings import Settings
from settings.machinery.schema import fields
from tests.tools.fake_stack import FakeStack

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
OPERATOR = {"manager": "postgres-operator", "operation": "Update"}


def object_(kind: str = "ConfigMap", api: str = "v1", **more: Any) -> Object:
    managers = [{"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}, OPERATOR]
    metadata = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "managedFields": managers}
    return {"apiVersion": api, "kind": kind, "metadata": metadata | more.pop("metadata", {}), **more}


class FakeCluster(Cluster):
    """A cluster that applies patches to the one object it has, and merges what would be applied."""

    def __init__(self, live: Object, items: list[Object] | None = None) -> None:
        super().__init__(None, None)
        object.__setattr__(self, "live", live)
        object.__setattr__(self, "found", items or [])

    live: Object
    found: list[Object]

    def patch(self, kind: str, name: str, namespace: str, operations: Any) -> None:
        assert operations[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
        for operation in operations[1:]:
            self.live["metadata"][operation["path"].rpartition("/")[2]] = operation["value"]

    def would_apply(self, manifest: Object) -> Object | str:
        parts = {part: manifest[part] for part in manifest if part == "subjects"}
        return {**self.live, **parts, **{p: self.live[p] | manifest[p] for p in manifest if p == "spec"}}

    def conflicts(self, manifest: Object) -> list[Conflict]:
        return [
            Conflict(each["manager"], each.get("subresource", ""), "spec.numberOfInstances")
            for each in self.live["metadata"]["managedFields"]
            if "f:spec" in each.get("fieldsV1", {})
        ]

    def items(self, path: str) -> list[Object]:
        return self.found


@pytest.mark.parametrize(
    ("kind", "path", "live", "asked", "effect"),
    [
        ("postgresql", "spec.volume.size", "10Gi", "5Gi", Effect.REFUSED),
        ("postgresql", "spec.volume.size", "10Gi", "20Gi", Effect.CHANGED),
        ("postgresql", "spec.volume.size", "10737418240", "10Gi", Effect.CHANGED),
        ("postgresql", "spec.volume.size", "20e9", "10Gi", Effect.REFUSED),
        ("postgresql", "spec.volume.size", "much", "10Gi", Effect.REFUSED),
        ("postgresql", "spec.volume.storageClass", "fast", "slow", Effect.REFUSED),
        ("postgresql", "spec.postgresql.version", "17", "15", Effect.REFUSED),
        ("postgresql", "spec.postgresql.version", "15", "17", Effect.FAILOVER),
        ("postgresql", "spec.resources.limits.memory", "1Gi", "2Gi", Effect.FAILOVER),
        ("postgresql", "spec.tls", None, {"secretName": "x"}, Effect.FAILOVER),
        ("postgresql", "spec.databases.infisical", None, "infisical_user", Effect.CHANGED),
        ("postgresql", "spec.connectionPooler.mode", "session", "transaction", Effect.ROLLED),
        ("RedisReplication", "spec.kubernetesConfig.image", "a", "b", Effect.FAILOVER),
        ("RedisReplication", "spec.pdb.enabled", None, True, Effect.CHANGED),
        (
            "RedisReplication",
            "spec.storage.volumeClaimTemplate.spec.resources.requests.storage",
            "2Gi",
            "1Gi",
            Effect.REFUSED,
        ),
        ("RedisSentinel", "metadata.annotations.x", "a", "b", Effect.ROLLED),
        ("Certificate", "spec.dnsNames", ["a"], ["b"], Effect.REISSUED),
        ("Certificate", "metadata.annotations.pulumi.com/waitFor", None, "condition=Ready", Effect.CHANGED),
        ("ConfigMap", "data.a", "a", "b", Effect.CHANGED),
    ],
)
def test_a_difference_has_its_effect(kind: str, path: str, live: Any, asked: Any, effect: Effect) -> None:
    assert effect_of(kind, Difference(path=path, live=live, wanted=asked)) is effect


trees = st.recursive(
    st.one_of(st.integers(), st.text(), st.booleans()),
    lambda below: st.dictionaries(st.text("ab"), below),
    max_leaves=9,
)


@pytest.mark.parametrize("manager", ["kubectl-expose", "kubectl-autoscale", "argocd-server"])
def test_whatever_command_deployed_it_is_taken_from(manager: str) -> None:
    live = object_(metadata={"managedFields": [{"manager": manager, "operation": "Update"}, OPERATOR]})
    taken, cluster = before(live), FakeCluster(live)
    assert taken
    assert owner_of(live) != "nobody"
    take(cluster, live, taken)
    assert cluster.live["metadata"]["managedFields"] == [OPERATOR]


@given(trees, trees)
def test_what_is_merged_in_has_no_difference_left(live: Any, asked: Any) -> None:
    def merged(one: Any, other: Any) -> Any:
        if isinstance(one, dict) and isinstance(other, dict):
            return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}
        return other

    assert differences(merged(live, asked), asked) == []
    assert (differences(live, asked) == []) == (merged(live, asked) == live)


def test_settings_that_keep_what_is_there_exist() -> None:
    known = {".".join(path) for path, _, _ in fields(Settings)}
    assert {key for keys in SETTINGS.values() for key in keys.values()} - known == set()
    found = [Difference(path="spec.numberOfInstances", live=3, wanted=2), Difference(path="spec.x", live=1, wanted=2)]
    assert keeps("postgresql", found) == {"database.instances": "3"}


@pytest.mark.parametrize(
    ("kind", "path", "section"),
    [
        ("postgresql", "spec.resources", "database"),
        ("postgresql", "spec.connectionPooler.resources", "database.pooler"),
        ("RedisReplication", "spec.kubernetesConfig.resources", "redis"),
        ("RedisSentinel", "spec.kubernetesConfig.resources", "redis.sentinel"),
    ],
)
def test_what_a_server_gets_can_be_kept(kind: str, path: str, section: str) -> None:
    names = {"cpuRequest": "requests.cpu", "memoryRequest": "requests.memory"}
    names |= {"cpuLimit": "limits.cpu", "memoryLimit": "limits.memory"}
    found = [Difference(path=f"{path}.{each}", live="1", wanted="2") for each in names.values()]
    assert keeps(kind, found) == {f"{section}.{name}": "1" for name in names}


def test_a_preview_tells_what_is_wanted_without_what_it_does_not_know() -> None:
    data = {"a": "1", "b": UNKNOWN, "c": "[secret]"}
    steps: list[Object] = [
        {"op": "create", "newState": {"type": "kubernetes:core/v1:ConfigMap", "inputs": object_(data=data)}},
        {"op": "create", "newState": {"type": "kubernetes:helm.sh/v3:Release", "inputs": {"name": "infisical"}}},
        {"op": "create", "newState": {"type": "kubernetes:apps/v1:DeploymentPatch", "inputs": object_()}},
        {
            "op": "create",
            "newState": {"type": "kubernetes:core/v1:Secret", "inputs": object_(metadata={"name": UNKNOWN})},
        },
        {"op": "same", "newState": {"type": "kubernetes:core/v1:Secret", "inputs": object_()}},
    ]

    class Stack(FakeStack):
        def run(self, *arguments: str, input: str = "") -> str:
            assert arguments == ("preview", "--json")
            return json.dumps({"steps": steps})

    asked = wanted(Stack())
    assert [found["data"] for found in asked.objects.values()] == [{"a": "1"}]
    assert asked.releases == ("infisical",)


@pytest.mark.parametrize("api", ["v1", "networking.k8s.io/v1", "cert-manager.io/v1", "acid.zalan.do/v1"])
def test_an_object_is_taken_and_given_back(api: str) -> None:
    annotations = {TRACKING: "platform:x", "kubectl.kubernetes.io/last-applied-configuration": "{}", "own": "1"}
    sealed = {"kind": "SealedSecret", "name": "s"}
    live = object_(api=api, metadata={"annotations": annotations, "ownerReferences": [sealed]})
    untouched, cluster = copy.deepcopy(live), FakeCluster(live)
    assert owner_of(live) == "ArgoCD (platform)"

    taken = before(live)
    assert taken
    take(cluster, live, taken)
    metadata = cluster.live["metadata"]
    assert metadata["managedFields"] == [OPERATOR]
    assert metadata["ownerReferences"] == []
    # Operators copy annotations of custom resources into pods: these would restart.
    assert metadata["annotations"] == (annotations if api == "acid.zalan.do/v1" else {"own": "1"})
    assert before(cluster.live) is None

    metadata["managedFields"].append({"manager": "pulumi-kubernetes-1", "operation": "Apply"})
    saved = json.loads(json.dumps({**{f: getattr(taken, f) for f in Taken.__slots__}, "key": vars_of(taken.key)}))
    give_back(cluster, cluster.live, Taken.read(saved))
    by_name = {each["manager"]: each for each in cluster.live["metadata"].pop("managedFields")}
    assert by_name == {each["manager"]: each for each in untouched["metadata"].pop("managedFields")}
    assert cluster.live == untouched


def test_an_ingress_no_longer_has_cert_manager_keep_a_certificate_beside_the_stack() -> None:
    """Both would write it, each in its own form, and delete it with the Ingress."""
    asked = {"cert-manager.io/cluster-issuer": "ca", "kubernetes.io/tls-acme": "true", "own": "1"}
    ingress = object_("Ingress", "networking.k8s.io/v1", metadata={"annotations": asked})
    taken = before(ingress)
    assert taken
    cluster = FakeCluster(ingress)
    take(cluster, ingress, taken)
    assert cluster.live["metadata"]["annotations"] == {"own": "1"}
    give_back(cluster, cluster.live, taken)
    assert cluster.live["metadata"]["annotations"] == asked

    shim = {"manager": "cert-manager-ingress-shim", "operation": "Update"}
    metadata = {"managedFields": [shim, OPERATOR], "ownerReferences": [{"kind": "Ingress", "name": "infisical"}]}
    certificate = object_("Certificate", "cert-manager.io/v1", metadata=metadata)
    assert owner_of(certificate) == "cert-manager, for an Ingress"
    taken = before(certificate)
    assert taken
    cluster = FakeCluster(certificate)
    take(cluster, certificate, taken)
    assert (cluster.live["metadata"]["managedFields"], cluster.live["metadata"]["ownerReferences"]) == ([OPERATOR], [])
    kept = object_("ConfigMap", metadata={"managedFields": [OPERATOR], "ownerReferences": [{"kind": "Ingress"}]})
    assert before(kept) is None


@pytest.mark.parametrize("program", ["controller", "sealed-secrets-controller"])
def test_what_was_unsealed_can_be_changed_later(program: str) -> None:
    """The controller owns each key of the Secret: `up` would end in a conflict with the first that differs."""
    unsealed = object_("Secret", metadata={"managedFields": [{"manager": program, "operation": "Update"}, OPERATOR]})
    assert owner_of(unsealed) == "Sealed Secrets"
    taken, cluster = before(unsealed), FakeCluster(unsealed)
    assert taken
    take(cluster, unsealed, taken)
    assert cluster.live["metadata"]["managedFields"] == [OPERATOR]
    other = object_(metadata={"managedFields": [{"manager": program, "operation": "Update"}]})
    assert before(other) is None


def vars_of(key: Key) -> dict[str, str]:
    return {"namespace": key.namespace, "kind": key.kind, "name": key.name}


@pytest.mark.parametrize("killed_at", range(3))
def test_a_killed_take_has_written_all_that_it_took(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    objects = [object_(metadata={"name": name}, data={"a": "aValue"}) for name in "abc"]
    patched: list[str] = []

    class Killed(FakeCluster):
        def patch(self, kind: str, name: str, namespace: str, operations: Any) -> None:
            if len(patched) == killed_at:
                raise KeyboardInterrupt
            patched.append(name)

    plan = Plan(rows=[], live={key_of(each): each for each in objects}, chart=[], release="", records=[], refusals=[])
    with pytest.raises(KeyboardInterrupt):
        take_all(FakeStack(), Killed({}), plan)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert set(patched) < {Taken.read(json.loads(line)).key.name for line in file.read_text().splitlines()}
    assert "aValue" not in file.read_text()


def test_an_object_without_owner_is_never_without_an_entry() -> None:
    live = object_(metadata={"managedFields": [{"manager": "kubectl-create", "operation": "Update"}]})
    assert owner_of(live) == "kubectl"
    cluster, taken = FakeCluster(live), before(live)
    assert taken
    take(cluster, live, taken)
    (entry,) = cluster.live["metadata"]["managedFields"]
    assert entry["manager"] == "infisical-platform-adopt"


def test_a_job_is_replaced_once_it_has_ended_and_others_keep_what_is_theirs() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    for status, effect in ((done, Effect.RUNS), ({}, Effect.REFUSED)):
        assert row(object_("Job", "batch/v1", status=status), {}).effect is effect
    spec = {"users": {"a": [], "b": []}, "databases": {"a": "a"}, "numberOfInstances": 3}
    found = row(object_("postgresql", "acid.zalan.do/v1", spec=spec), {"users": {"a": []}, "numberOfInstances": 2})
    assert found.effect is Effect.CHANGED
    assert found.notes[0] == "spec.numberOfInstances: 3 → 2"
    assert found.keeps == {"database.instances": "3"}
    same = row(object_("postgresql", "acid.zalan.do/v1", spec=spec), {"numberOfInstances": 3})
    assert same.notes == ["keeps users of others: a, b", "keeps databases of others: a"]
    assert same.effect is Effect.NOTHING


def row(live: Object, spec: Object) -> Row:
    asked = {**live, "spec": spec}
    key = key_of(live)
    (found,) = compare(FakeCluster(live), Wanted(objects={key: asked}, releases=()), {key: live})
    return found
