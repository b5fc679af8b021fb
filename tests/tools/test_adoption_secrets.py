"""What adopting writes down of a Secret, and what not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from operations.adoption.command import Plan, take_all
from operations.adoption.effects import Effect
from operations.adoption.owners import TRACKING, Taken, before, give_back, take
from operations.adoption.plan import Row, compare
from operations.adoption.wanted import Wanted
from operations.cluster import Object
from operations.field_managers import key_of
from tests.tools.fake_stack import FakeStack
from tests.tools.test_adoption import OPERATOR, FakeCluster, object_


def test_the_values_that_kubectl_notes_of_a_secret_reach_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kubectl apply` keeps the whole manifest in an annotation."""
    monkeypatch.chdir(tmp_path)
    note = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"cGFzc3dvcmQ="}}', "own": "1"}
    secret = object_("Secret", metadata={"annotations": {**note, TRACKING: "platform:x"}})
    cluster = FakeCluster(secret)
    plan = Plan(rows=[], live={key_of(secret): secret}, chart=[], release="", records=[], refusals=[])
    take_all(FakeStack(), cluster, plan)
    (file,) = tmp_path.iterdir()
    assert "cGFzc3dvcmQ" not in file.read_text()
    assert cluster.live["metadata"]["annotations"] == {"own": "1"}
    give_back(cluster, cluster.live, Taken.read(json.loads(file.read_text())))
    assert cluster.live["metadata"]["annotations"] == {"own": "1", TRACKING: "platform:x"}


EXTERNAL = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "keys", "uid": "x"}


def test_a_secret_that_somebody_keeps_is_refused_with_the_way_out() -> None:
    """Its controller would write it again, and the key would go with the ExternalSecret."""
    secret = object_("Secret", metadata={"ownerReferences": [EXTERNAL]})
    kept = rows(secret)
    assert kept[0].effect is Effect.REFUSED
    [note] = kept[0].notes
    assert "ExternalSecret keys keeps it, and takes it along when it goes" in note
    # Its finalizer deletes the Secret, unless it is told to retain it first.
    retain = "`kubectl patch ExternalSecret.v1.external-secrets.io keys -n n --type=merge --patch '"
    assert f"""{retain}{{"spec": {{"target": {{"deletionPolicy": "Retain"}}}}}}'`, then""" in note
    assert "`kubectl delete ExternalSecret.v1.external-secrets.io keys -n n --cascade=orphan` leave it" in note

    sealed = EXTERNAL | {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret"}
    assert rows(object_("Secret", metadata={"ownerReferences": [sealed]}))[0].effect is Effect.NOTHING
    database = object_("postgresql", "acid.zalan.do/v1", spec={}, metadata={"name": "db", "uid": "of-db"})
    owner = {"kind": "postgresql", "name": "db", "uid": "of-db"}
    credentials = object_("Secret", metadata={"ownerReferences": [owner]})
    assert [row.effect for row in rows(database, credentials)] == [Effect.NOTHING, Effect.NOTHING]


class WithExternalSecrets(FakeCluster):
    """A cluster with ExternalSecrets of these names."""

    def __init__(self, live: Object, *names: str) -> None:
        super().__init__(live)
        object.__setattr__(self, "names", names)

    names: tuple[str, ...]

    def exists(self, *selection: str) -> bool:
        kind, name, *where = selection
        assert (kind, where) == ("externalsecrets.external-secrets.io", ["-n", "n"])
        return name in self.names


@pytest.mark.parametrize("owners", [[], [EXTERNAL]])
def test_a_secret_that_an_external_secret_merges_into_is_refused_while_it_does(owners: list[Object]) -> None:
    """It owns nothing, and puts the old password back at its next refresh."""
    managers = [{"manager": "externalsecrets.external-secrets.io/keys", "operation": "Update"}, OPERATOR]
    secret = object_("Secret", metadata={"managedFields": managers, "ownerReferences": owners})
    key = key_of(secret)
    asked = Wanted(objects={key: secret}, releases=())
    [kept] = compare(WithExternalSecrets(secret, "keys"), asked, {key: secret})
    assert (kept.effect, kept.owner) == (Effect.REFUSED, "External Secrets")
    [note] = kept.notes
    assert owners or "ExternalSecret keys writes it again" in note
    assert "--cascade=orphan` leave it" in note
    assert '"deletionPolicy": "Retain"' in note

    # What it has left behind would be a conflict for the next password.
    secret["metadata"]["ownerReferences"] = []
    [gone] = compare(WithExternalSecrets(secret), asked, {key: secret})
    assert gone.effect is Effect.NOTHING
    taken = before(secret)
    assert taken
    cluster = FakeCluster(secret)
    take(cluster, secret, taken)
    assert cluster.live["metadata"]["managedFields"] == [OPERATOR]


@pytest.mark.parametrize("mark", ["managed", "patch"])
def test_the_sealed_secrets_controller_does_not_take_a_secret_back(mark: str) -> None:
    """With either annotation it writes a Secret that isn't its own, and may delete it with the SealedSecret."""
    marks = {f"sealedsecrets.bitnami.com/{mark}": "true"}
    secret = object_("Secret", metadata={"annotations": {**marks, "own": "1"}})
    taken, cluster = before(secret), FakeCluster(secret)
    assert taken
    take(cluster, secret, taken)
    assert cluster.live["metadata"]["annotations"] == {"own": "1"}
    give_back(cluster, cluster.live, taken)
    assert cluster.live["metadata"]["annotations"] == {**marks, "own": "1"}


def rows(*live: Object) -> list[Row]:
    keyed = {key_of(each): each for each in live}
    return compare(FakeCluster(live[0]), Wanted(objects=keyed, releases=()), keyed)


def test_whatever_part_of_an_object_changes_is_said() -> None:
    binding = object_("RoleBinding", "rbac.authorization.k8s.io/v1", subjects=[{"name": "old"}])
    key, asked = key_of(binding), {**binding, "subjects": [{"name": "new"}]}
    [row] = compare(FakeCluster(binding), Wanted(objects={key: asked}, releases=()), {key: binding})
    assert (row.effect, row.notes) == (Effect.CHANGED, ["subjects"])
