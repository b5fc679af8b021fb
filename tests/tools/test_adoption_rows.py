"""What the plan says of an object that differs: a field of somebody else's, a class that the stack file lacks."""

from __future__ import annotations

import pytest

from operations.adoption.effects import Effect
from operations.cluster import Object
from tests.tools.test_adoption import OPERATOR, object_, row


@pytest.mark.parametrize(
    ("entry", "fights"),
    [
        ({"manager": "Mozilla", "operation": "Update"}, True),  # somebody in a web console
        ({"manager": "kustomize-controller", "operation": "Apply"}, True),
        ({"manager": "kubectl-edit", "operation": "Update"}, False),
        ({"manager": "kubectl", "operation": "Update", "subresource": "scale"}, True),
        ({"manager": "helm", "operation": "Update"}, False),
    ],
)
def test_what_differs_and_belongs_to_somebody_unknown_is_refused(entry: Object, fights: bool) -> None:
    """`--take` leaves it to them, and `up` would end in a conflict half-way."""
    metadata = {"managedFields": [{**entry, "fieldsV1": {"f:spec": {}}}, OPERATOR]}
    live = object_("postgresql", "acid.zalan.do/v1", spec={"numberOfInstances": 3}, metadata=metadata)
    found = row(live, {"numberOfInstances": 2})
    assert (found.effect is Effect.REFUSED) is fights
    told = f"{entry['manager']} owns spec.numberOfInstances, and `up` would end in a conflict"
    assert any(note.startswith(told) for note in found.notes) is fights
    assert found.keeps == {"database.instances": "3"}, "one of the ways out"
    assert row(live, {"numberOfInstances": 3}).effect is Effect.NOTHING
    forced = {**live, "metadata": {**live["metadata"], "annotations": {"pulumi.com/patchForce": "true"}}}
    assert row(forced, {"numberOfInstances": 2}).effect is Effect.CHANGED


def test_a_storage_class_that_the_stack_does_not_say_is_written_down() -> None:
    """An apply keeps it, and the `up` after the first one would be refused for it."""
    spec = {"volume": {"size": "2Gi", "storageClass": "fast"}}
    live = object_("postgresql", "acid.zalan.do/v1", spec=spec)
    assert row(live, {"volume": {"size": "2Gi"}}).keeps == {"database.storageClass": "fast"}
    assert row(live, spec).keeps == {}
    claim = {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}
    live = object_("RedisReplication", "redis.redis.opstreelabs.in/v1beta2", spec={"storage": claim})
    assert row(live, {"storage": {}}).keeps == {"redis.storageClass": "fast"}
    assert row(object_("postgresql", "acid.zalan.do/v1", spec={}), {}).keeps == {}
