"""`make adopt` from end to end, without Pulumi and a cluster: whose cluster it is, which release, and the way back."""

from __future__ import annotations

import argparse
import base64
import contextlib
import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from components.base.names import DATABASE_CREDENTIALS, INFISICAL_SECRET
from operations.adoption import command
from operations.adoption.owners import before
from operations.adoption.precious import lost_secrets
from operations.cluster import Cluster, Object
from operations.errors import OperationError
from operations.field_managers import Key, key_of
from safeguards.cluster import LiveCluster
from settings.secrets_operator import CHART
from tests.tools.fake_stack import FakeStack
from tests.tools.test_adoption import object_

SETTINGS = {
    "infisical": {"siteUrl": "https://secrets.example.org"},
    "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
}
KEY = "0123456789abcdef0123456789abcdef"


def release(name: str) -> Object:
    return {"op": "create", "newState": {"type": "kubernetes:helm.sh/v3:Release", "inputs": {"name": name}}}


@dataclass(frozen=True)
class Previewed(FakeStack):
    """A stack whose preview has these steps."""

    kept: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    steps: Sequence[Object] = ()

    def run(self, *arguments: str, input: str = "") -> str:
        if arguments == ("preview", "--json"):
            return json.dumps({"steps": list(self.steps)})
        return super().run(*arguments, input=input)


@dataclass(frozen=True)
class Api(Cluster):
    """A cluster with these objects."""

    context: str | None = None
    kubeconfig: str | None = None
    live: dict[str, Object] = field(default_factory=dict[str, Object])

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        return [each for each in self.live.values() if key_of(each).kind in kinds]

    def get(self, path: str) -> Object | None:
        return self.live.get(path.rpartition("/")[2])

    def patch(self, kind: str, name: str, namespace: str, operations: Any) -> None:
        for operation in operations[1:]:
            self.live[name]["metadata"][operation["path"].rpartition("/")[2]] = operation["value"]

    def create(self, manifest: Object) -> None:
        self.live[manifest["metadata"]["name"]] = manifest

    def delete(self, *selection: str) -> list[str]:
        del self.live[selection[1]]
        return []


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Api:
    """Return the cluster of every stack."""
    cluster = Api()
    monkeypatch.setattr(command, "Cluster", lambda *_: cluster)
    monkeypatch.setattr(LiveCluster, "namespaces", lambda _: {"kube-system": {"uid": "uid"}})
    monkeypatch.chdir(tmp_path)
    return cluster


def adopt(stack: FakeStack, *, take: bool = False, back: Path | None = None) -> int:
    return command.run(stack, argparse.Namespace(write=False, take=take, back=back))


def test_the_charts_objects_go_to_infisicals_release_whatever_else_the_stack_installs(api: Api) -> None:
    """Helm installs over objects that name its own release, and over no others."""
    theirs = {"meta.helm.sh/release-name": "theirs"}
    helm = [{"manager": "helm", "operation": "Update"}]
    about = {"name": "infisical", "namespace": "infisical", "annotations": theirs, "managedFields": helm}
    api.live["infisical"] = object_("Service", metadata=about)
    api.live["sh.helm.release.v1.theirs.v1"] = helms_record("theirs", 1)
    assert adopt(Previewed(steps=[release("infisical"), release(CHART)]), take=True) == 0
    assert api.live["infisical"]["metadata"]["annotations"]["meta.helm.sh/release-name"] == "infisical"
    assert sorted(api.live) == ["before-adoption.sh.helm.release.v1.theirs.v1", "infisical"]


def helms_record(of: str, number: int) -> Object:
    record = object_("Secret", type="helm.sh/release.v1", data={"release": "x"})
    name = f"sh.helm.release.v1.{of}.v{number}"
    record["metadata"] |= {"name": name, "labels": {"owner": "helm", "name": of}}
    return record


@pytest.mark.parametrize("killed_at", range(8))
def test_a_release_can_uninstall_nothing_after_a_killed_take_was_repeated(
    api: Api, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Its records are found by what the objects say, so they step aside before the objects say otherwise."""
    theirs = {"meta.helm.sh/release-name": "theirs"}
    about = {"name": "infisical", "namespace": "infisical", "annotations": theirs, "managedFields": []}
    api.live["infisical"] = object_("Service", metadata=about)
    for record in (helms_record("theirs", number) for number in (1, 2)):
        api.live[record["metadata"]["name"]] = record
    stack, left = Previewed(steps=[release("infisical")]), killed_at

    def step(act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(_: Api, *arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise KeyboardInterrupt
            return act(api, *arguments)

        return counted

    for change in ("patch", "create", "delete"):
        monkeypatch.setattr(Api, change, step(getattr(Api, change)))
    with contextlib.suppress(KeyboardInterrupt):
        adopt(stack, take=True)
    [file] = Path.cwd().iterdir()
    file.unlink()  # its name has the second in it
    assert adopt(stack, take=True) == 0
    assert not [name for name in api.live if name.startswith("sh.helm.release")]


def test_a_release_that_the_stack_has_already_is_not_marked_for_another_one(api: Api) -> None:
    api.live["infisical"] = object_("Deployment", "apps/v1", metadata={"name": "infisical", "namespace": "infisical"})
    assert adopt(Previewed(steps=[release(CHART)]), take=True) == 0
    assert "annotations" not in api.live["infisical"]["metadata"]


def test_namespaces_of_a_different_stack_are_not_planned_for(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    """Taking would take away the field managers that protect one stack's objects from another."""
    theirs = {"infisical-platform/stack": "acme/infisical-platform/prod-eu", "infisical-platform/stack-id": "theirs"}
    live = {"kube-system": {"uid": "uid"}, "infisical": {"annotations": theirs}}
    monkeypatch.setattr(LiveCluster, "namespaces", lambda _: live)
    with pytest.raises(OperationError, match="belong to stack acme/infisical-platform/prod-eu: a stack needs"):
        adopt(Previewed(), take=True)
    assert api.live == {}


def encoded(**values: str) -> Object:
    return {"data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}}


def test_a_key_is_lost_only_where_its_secret_would_be_made(api: Api) -> None:
    """A stack that has generated its keys says them nowhere, and keeps them."""
    api.live[INFISICAL_SECRET] = encoded(ENCRYPTION_KEY=KEY, AUTH_SECRET="x")
    api.live[DATABASE_CREDENTIALS] = encoded(username="a", password="x")
    stack = Previewed()
    settings = stack.settings()
    assert list(lost_secrets(stack, api, settings, [])) == []
    made = Key("infisical", "Secret.v1.", INFISICAL_SECRET)
    found = list(lost_secrets(stack, api, settings, [made]))
    assert [sentence.partition(" ")[0] for sentence in found] == ["ENCRYPTION_KEY", "AUTH_SECRET"]
    assert KEY not in "".join(found)
    password = Key("platform-db-pg", "Secret.v1.", DATABASE_CREDENTIALS)
    assert next(lost_secrets(stack, api, settings, [password])).startswith("databasePassword is not what the cluster")
    api.live["backup-store"] = encoded(passphrase=KEY)
    store = Key("platform-db-pg", "Secret.v1.", "backup-store")
    [sentence] = lost_secrets(stack, api, settings, [store])
    assert sentence.startswith("backupPassphrase is not what the cluster has")
    assert KEY not in sentence
    taken = settings.model_copy(update={"backup_passphrase": SecretStr(KEY)})
    assert list(lost_secrets(stack, api, taken, [store])) == []
    api.live["infisical-admin"] = encoded(email="a", password=KEY)
    admin = Key("infisical", "Secret.v1.", "infisical-admin")
    [sentence] = lost_secrets(stack, api, settings, [admin])
    assert sentence.startswith("adminPassword is not what the cluster has")
    assert KEY not in sentence
    assert list(lost_secrets(stack, api, settings.model_copy(update={"admin_password": SecretStr(KEY)}), [admin])) == []


def test_a_refusal_is_said_although_nothing_is_there_to_adopt(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    plan = command.Plan(rows=[], live={}, chart=[], release="", records=[], refusals=["because"])
    assert list(command.report(Previewed(), plan))[-1] == "REFUSED: because"
    assert adopt(Previewed()) == 0
    assert "`up` makes it" in capsys.readouterr().out


# --- back ------------------------------------------------------------------------------------------------------------


def written(folder: Path, end: str = "\n") -> Path:
    """Return what `--take` has written of two objects; of the second, as much as `end` says."""
    lines: list[str] = []
    for name in ("a", "b"):
        taken = before(object_(metadata={"name": name}))
        assert taken
        lines.append(json.dumps(asdict(taken)))
    file = folder / "adopted.json"
    file.write_text("\n".join(lines) + "\n" if end == "\n" else f"{lines[0]}\n{lines[1][: int(end)]}")
    return file


@pytest.mark.parametrize(("end", "count"), [("\n", 2), ("0", 1), ("1", 1), ("50", 1)])
def test_a_file_that_a_kill_has_cut_off_gives_back_what_was_taken(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: str, count: int
) -> None:
    """Each line is written before its object is taken, so that of the last one nothing was taken."""
    api.live["a"] = object_(metadata={"name": "a", "managedFields": []})
    assert adopt(Previewed(), back=written(tmp_path, end)) == 0
    assert f"gave 1 of {count} objects back" in capsys.readouterr().out
    assert [entry["manager"] for entry in api.live["a"]["metadata"]["managedFields"]] == ["argocd-controller"]


def test_a_cluster_that_has_none_of_what_was_taken_keeps_helms_records(api: Api, tmp_path: Path) -> None:
    """It is a different one: another stack may have adopted its own Infisical there, under the same names."""
    api.live["a"] = object_(metadata={"name": "a", "uid": "another-clusters", "managedFields": []})
    aside = helms_record("infisical", 7)
    aside["metadata"] |= {"name": "before-adoption.x", "labels": {"owner": "before-adoption", "name": "infisical"}}
    api.live["before-adoption.x"] = aside
    api.live["sh.helm.release.v1.infisical.v1"] = helms_record("infisical", 1)
    untouched = copy.deepcopy(api.live)
    with pytest.raises(
        OperationError, match=r"none of the 2 objects in .*adopted\.json is in the cluster .*nothing was"
    ):
        adopt(Previewed(), back=written(tmp_path))
    assert api.live == untouched


@pytest.mark.parametrize(("uid", "stays"), [("of-sealed", True), ("anew", False), (None, False)])
def test_an_owner_that_is_gone_is_not_given_back(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], uid: str | None, stays: bool
) -> None:
    """Kubernetes deletes what has none but owners that don't exist: the Secret with the key."""
    sealed = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "sealed", "uid": "of-sealed"}
    taken = before(object_("Secret", metadata={"ownerReferences": [sealed]}))
    assert taken
    file = tmp_path / "adopted.json"
    file.write_text(json.dumps(asdict(taken)) + "\n")
    api.live["a"] = object_("Secret", metadata={"managedFields": []})
    if uid:
        api.live["sealed"] = object_("SealedSecret", "bitnami.com/v1alpha1", metadata={"name": "sealed", "uid": uid})
    assert adopt(Previewed(), back=file) == 0
    assert api.live["a"]["metadata"].get("ownerReferences", []) == [sealed] * stays
    told = "Secret n/a stays without its owner, SealedSecret sealed, which is gone"
    assert (told in capsys.readouterr().out) is not stays
    assert [entry["manager"] for entry in api.live["a"]["metadata"]["managedFields"]] == ["argocd-controller"]


@pytest.mark.parametrize("content", ['{"version": 3}', "[]", "{\n}\n", None])
def test_a_file_that_is_not_adopts_own_is_named(api: Api, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "other.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OperationError, match=r"other\.json"):
        adopt(Previewed(), back=file)
    assert api.live == {}


def test_whoever_interrupts_it_knows_the_file(api: Api, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    class Interrupted(Api):
        def patch(self, kind: str, name: str, namespace: str, operations: Any) -> None:
            raise KeyboardInterrupt

    live = object_()
    plan = command.Plan(rows=[], live={key_of(live): live}, chart=[], release="", records=[], refusals=[])
    with pytest.raises(KeyboardInterrupt):
        command.take_all(Previewed(), Interrupted(), plan)
    [file] = tmp_path.iterdir()
    assert str(file) in capsys.readouterr().out
