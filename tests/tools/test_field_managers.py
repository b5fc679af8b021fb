"""One owner for every object: what `make repair` takes away, and what it leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from operations.cluster import Cluster, Object, Unanswered
from operations.field_managers import one_owner
from tests.tools.fake_stack import FakeStack

OURS, LOST = "pulumi-kubernetes-f3382513", "pulumi-kubernetes-0badcafe"


@dataclass(frozen=True)
class Api(Cluster):
    """A cluster with these objects; keeps the patches, by kind/name."""

    live: Sequence[Object] = ()
    patches: dict[str, list[Object]] = field(default_factory=dict[str, list[Object]])

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        return [o for o in self.live if o["metadata"].get("namespace", "") == namespace and kind_of(o) in kinds]

    def patch(self, kind: str, name: str, namespace: str, operations: Sequence[Object]) -> None:
        self.patches[f"{kind}/{name}"] = list(operations)

    @property
    def left(self) -> dict[str, list[str]]:
        """The managers that each patched object is left with."""
        return {name: [entry["manager"] for entry in patch[-1]["value"]] for name, patch in self.patches.items()}


def kind_of(live: Object) -> str:
    group, _, version = live["apiVersion"].rpartition("/")
    return f"{live['kind']}.{version}.{group}"


def live(
    kind: str, name: str, *managers: str, api: str = "v1", namespace: str = "infisical", **metadata: Any
) -> Object:
    entries = [{"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": {}}} for manager in managers]
    where = {"namespace": namespace} if namespace else {}
    about = {"name": name, "resourceVersion": "7", "managedFields": entries, **where, **metadata}
    return {"apiVersion": api, "kind": kind, "metadata": about}


def kept(of: Object, manager: str = OURS) -> dict[str, Any]:
    """Return a resource of the state."""
    metadata = {key: of["metadata"][key] for key in ("name", "namespace") if key in of["metadata"]}
    outputs = {"apiVersion": of["apiVersion"], "kind": of["kind"], "metadata": metadata, "__fieldManager": manager}
    return {"type": f"kubernetes:x:{of['kind']}", "urn": "u", "outputs": outputs}


def creating(of: Object) -> dict[str, Any]:
    """Return what the state has of an object that was being made when `up` was killed."""
    resource = kept(of)
    return {"type": "creating", "resource": {"type": resource["type"], "urn": "u", "inputs": resource["outputs"]}}


def repaired(api: Api, *resources: dict[str, Any], pending: Sequence[dict[str, Any]] = ()) -> str:
    state = {"deployment": {"resources": list(resources), "pending_operations": list(pending)}}
    return one_owner(FakeStack(state=state), api)


def test_a_manager_of_pulumis_that_the_state_does_not_know_goes_and_all_others_stay() -> None:
    secret = live("Secret", "infisical-secrets", LOST, OURS, "cert-sync")
    untouched = live("Secret", "platform-kv-auth", OURS, "kubectl-edit")
    api = Api(None, None, live=[secret, untouched])

    assert repaired(api, kept(secret), kept(untouched)) == "1 had a second one, which is gone"

    assert api.left == {"Secret.v1./infisical-secrets": [OURS, "cert-sync"]}
    test, replace = api.patches["Secret.v1./infisical-secrets"]
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}, (
        "nothing written meanwhile is lost"
    )
    assert replace["path"] == "/metadata/managedFields"


def test_an_object_that_was_being_made_is_left_without_owner_so_that_the_next_up_becomes_it() -> None:
    """With no entry at all, the API server would invent a manager who owns everything."""
    job = live("Job", "cert-sync", LOST, api="batch/v1", annotations={"pulumi.com/replaceUnready": "true"})
    api = Api(None, None, live=[job])

    repaired(api, pending=[creating(job)])

    _, annotate, _ = api.patches["Job.v1.batch/cert-sync"]
    assert set(annotate["value"]) == {"pulumi.com/replaceUnready", "infisical-platform-repair/owner"}
    assert api.left == {"Job.v1.batch/cert-sync": ["infisical-platform-repair"]}


def test_the_operators_resources_are_never_annotated() -> None:
    """They would copy it into their pods; one that its operator has touched needs no annotation."""
    alone = live("postgresql", "platform-db-cluster", LOST, api="acid.zalan.do/v1")
    touched = live("RedisSentinel", "platform-kv-sentinel", LOST, "manager", api="redis.redis.opstreelabs.in/v1beta2")
    api = Api(None, None, live=[alone, touched])

    repaired(api, pending=[creating(alone), creating(touched)])

    assert api.left == {"RedisSentinel.v1beta2.redis.redis.opstreelabs.in/platform-kv-sentinel": ["manager"]}


def test_what_is_not_the_stacks_is_left_alone() -> None:
    """Neither in its state nor being made: a different project of Pulumi's may have put it there."""
    ours, theirs = live("Secret", "ours", LOST, OURS), live("Secret", "theirs", LOST)
    api = Api(None, None, live=[ours, theirs])
    repaired(api, kept(ours))
    assert list(api.patches) == ["Secret.v1./ours"]


@dataclass(frozen=True)
class Busy(Api):
    """A cluster whose operator writes a status right before the first patches."""

    writes: int = 1

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        return copy.deepcopy(super().objects(kinds, namespace))

    def patch(self, kind: str, name: str, namespace: str, operations: Sequence[Object]) -> None:
        metadata = self.live[0]["metadata"]
        if int(metadata["resourceVersion"]) < 7 + self.writes:
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        if operations[0]["value"] != metadata["resourceVersion"]:
            raise Unanswered("The request is invalid: the server rejected our request due to an error in our request")
        super().patch(kind, name, namespace, operations)


def test_an_object_that_its_operator_writes_at_that_moment_is_read_again() -> None:
    store = live("InfisicalStaticSecret", "shop-env", LOST, OURS, api="secrets.infisical.com/v1beta1")
    api = Busy(None, None, live=[store], writes=3)
    assert repaired(api, kept(store)) == "1 had a second one, which is gone"
    assert list(api.left.values()) == [[OURS]]


@dataclass(frozen=True)
class Closed(Api):
    """A cluster that lets nobody write."""

    def patch(self, kind: str, name: str, namespace: str, operations: Sequence[Object]) -> None:
        raise Unanswered("forbidden")


@pytest.mark.parametrize("cluster", [Closed, partial(Busy, writes=100)])
def test_one_that_can_not_be_written_ends_the_repair(cluster: Callable[..., Api]) -> None:
    store = live("InfisicalStaticSecret", "shop-env", LOST, OURS, api="secrets.infisical.com/v1beta1")
    with pytest.raises(Unanswered):
        repaired(cluster(None, None, live=[store]), kept(store))


def test_a_stack_that_has_made_nothing_has_nothing_to_repair() -> None:
    assert one_owner(FakeStack(), Api(None, None)) == "each has one"
