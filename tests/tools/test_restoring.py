"""`make restore`: it lists, writes and confirms, and restores nothing itself."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

import back_up
import pytest

from operations import restoring
from operations.cluster import Unanswered
from operations.errors import OperationError
from safeguards import Refusal
from safeguards.cluster import LiveCluster
from tests.tools.doctor.known import cluster
from tests.tools.fake_stack import Encrypted, FakeStack
from tests.unit.harness import RECIPIENT

STATUS = "/api/v1/namespaces/platform-db-pg/configmaps/backup-status"
OLD, NEW = "infisical-20261125T021702Z-3f0c9d1e", "infisical-20261126T021702Z-77ab0011"
TOLD = {STATUS: {"data": {"kept": f"{OLD} {NEW}", "rehearsedName": OLD}}}


def stack(**kept: Any) -> FakeStack:
    plain = {
        "infisical": {"siteUrl": "https://secrets.example.org"},
        "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
        "backup": {"target": {"kind": "volume"}, "recipients": [RECIPIENT]},
    }
    return FakeStack(kept={**plain, **kept})


def run(
    monkeypatch: pytest.MonkeyPatch, of: FakeStack, backup: str = "", confirm: str | None = None, told: Any = TOLD
) -> None:
    monkeypatch.setattr(restoring, "Cluster", lambda _context, _kubeconfig: cluster(told))
    assert restoring.run(of, argparse.Namespace(backup=backup, confirm=confirm)) == 0


def test_backups_are_listed_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of = stack()
    run(monkeypatch, of)
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("infisical-")]
    assert [row.split()[0] for row in rows] == [NEW, OLD]
    assert "2026-11-26 02:17:02" in rows[0]
    assert (rows[0].endswith("newest"), rows[1].endswith("restored in the last rehearsal")) == (True, True)
    assert "make restore STACK=prod BACKUP=latest" in printed
    assert of.wrote == []


def test_the_one_that_was_made_before_a_change_is_said_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output `beforeThisChange` names the change; a first deployment had nothing to back up before it."""
    run(monkeypatch, stack())
    assert "made before the last change" not in capsys.readouterr().out
    data = TOLD[STATUS]["data"] | {"beforeName": OLD}
    run(monkeypatch, stack(), told={STATUS: {"data": data}})
    [row] = [line for line in capsys.readouterr().out.splitlines() if "before the last change" in line]
    assert row.startswith(OLD)


@pytest.mark.parametrize(("wanted", "chosen"), [("latest", NEW), ("3f0c9d1e", OLD), (OLD, OLD)])
def test_the_whole_name_is_written_with_an_id_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: str, chosen: str
) -> None:
    of = stack(restore={"id": "before", "server": {"host": "postgresql.old.svc"}, "overwrite": "0123456789ab"})
    run(monkeypatch, of, wanted)
    assert of.kept["restore"] == {"id": of.kept["restore"]["id"], "from": chosen}, "a confirmation is for one id"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dt\d{6}", of.kept["restore"]["id"])
    of.settings()
    changed = {command[:2] for command in of.ran} - {("config", "--json"), ("stack", "export")}
    assert changed == {("config", "set"), ("config", "rm")}
    printed = capsys.readouterr().out
    assert "next: pulumi up --stack prod\n" in printed
    assert "to think better of it, before it is confirmed: pulumi config rm" in printed
    assert "run it again with the same restore.id" in printed


def test_the_private_key_may_be_there_before_the_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing, one is set after the other, and the program refuses a key that nothing uses."""
    of = stack(restoreIdentity=Encrypted("-----BEGIN PGP PRIVATE KEY BLOCK-----"), cluster={"context": "prod"})
    run(monkeypatch, of, "latest")
    assert of.kept["restore"]["from"] == NEW


@pytest.mark.parametrize(("uid", "asked"), [("uid-own", True), ("uid-of-staging", False), (None, True)])
def test_the_backups_of_another_cluster_are_not_this_stacks(
    monkeypatch: pytest.MonkeyPatch, uid: str | None, asked: bool
) -> None:
    """The context of a kubeconfig may lead anywhere. One that doesn't answer tells of no backup either."""

    def namespaces(_: LiveCluster) -> Any:
        if not uid:
            raise Refusal("no route to host")
        return {"kube-system": {"uid": uid}}

    monkeypatch.setattr(LiveCluster, "namespaces", namespaces)
    of = stack(cluster={"context": "default"})
    type_ = "pulumi:providers:kubernetes"
    provider = {"urn": f"urn:pulumi:prod::p::{type_}::kubernetes", "type": type_}
    of.state["deployment"]["resources"] = [{**provider, "outputs": {"clusterIdentifier": "uid-own"}}]
    if asked:
        run(monkeypatch, of, "latest")
        assert of.kept["restore"]["from"] == NEW
    else:
        with pytest.raises(OperationError, match="are in cluster uid-own, and default leads to cluster uid-of-staging"):
            run(monkeypatch, of, "latest")
        assert of.wrote == []


def test_sections_may_be_json_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `pulumi config set infisical-platform:cluster '{…}'` writes it."""
    of = stack(cluster=json.dumps({"context": "prod"}), restore=json.dumps({"id": "a", "from": OLD}))
    run(monkeypatch, of)
    run(monkeypatch, of, confirm="0123456789ab")
    assert json.loads(of.kept["restore"]) == {"id": "a", "from": OLD, "overwrite": "0123456789ab"}
    run(monkeypatch, of, "latest")
    assert json.loads(of.kept["restore"]) == {"id": json.loads(of.kept["restore"])["id"], "from": NEW}


@pytest.mark.parametrize("told", [{}, {STATUS: Unanswered("no route to host")}], ids=["new", "away"])
def test_a_cluster_that_knows_no_backup_takes_any_name(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    of = stack()
    run(monkeypatch, of, "latest", told=told)
    assert of.kept["restore"]["from"] == "latest"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("00000000", f"the newest are {NEW}, {OLD}. One of another cluster"),
        ("; rm -rf", "BACKUP is latest"),
    ],
)
def test_what_is_no_backup_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str, reason: str) -> None:
    of = stack()
    with pytest.raises(OperationError, match=reason):
        run(monkeypatch, of, wanted)
    assert of.wrote == []


def test_a_full_list_does_not_deny_what_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Job knows all of them, and refuses what is not there."""
    assert restoring.LISTED == back_up._LISTED
    names = [
        f"infisical-20261126T{hour:02}{minute:02}00Z-{hour:02}{minute:02}0000"
        for hour in range(2)
        for minute in range(50)
    ]
    told = {STATUS: {"data": {"kept": " ".join(names)}}}
    for wanted in (OLD, "3f0c9d1e"):
        of = stack()
        run(monkeypatch, of, wanted, told=told)
        assert of.kept["restore"]["from"] == wanted
    of = stack()
    run(monkeypatch, of, "00010000", told=told)
    assert of.kept["restore"]["from"] == names[1]


def test_a_whole_name_may_be_another_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list has none of those. The Job knows them, and refuses what is not there."""
    of, theirs = stack(), "infisical-20261127T000000Z-3f0c9d1e"
    run(monkeypatch, of, theirs)
    assert of.kept["restore"]["from"] == theirs


def test_an_identifier_of_several_backups_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same change was made twice, and each time has its backup."""
    of, again = stack(), "infisical-20261127T021702Z-3f0c9d1e"
    told = {STATUS: {"data": {"kept": f"{OLD} {NEW} {again}"}}}
    with pytest.raises(OperationError, match=f"2 backups end with 3f0c9d1e, so name a whole one: {OLD}, {again}"):
        run(monkeypatch, of, "3f0c9d1e", told=told)
    assert of.wrote == []
    run(monkeypatch, of, again, told=told)
    assert of.kept["restore"]["from"] == again


def test_a_confirmation_is_written_beside_the_restore_that_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    of = stack(restore={"id": "one", "from": NEW})
    run(monkeypatch, of, confirm="0123456789ab")
    assert of.kept["restore"] == {"id": "one", "from": NEW, "overwrite": "0123456789ab"}


@pytest.mark.parametrize(
    ("kept", "confirm", "reason"),
    [
        ({"restore": {"id": "one", "from": NEW}}, "yes", "12 hexadecimal digits"),
        ({}, "0123456789ab", "make restore STACK=prod BACKUP=latest"),
    ],
)
def test_a_confirmation_of_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, kept: dict[str, Any], confirm: str, reason: str
) -> None:
    of = stack(**kept)
    with pytest.raises(OperationError, match=reason):
        run(monkeypatch, of, confirm=confirm)
    assert of.wrote == []


def test_a_stack_without_backups_is_told_where_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    of = stack()
    del of.kept["backup"]
    with pytest.raises(OperationError, match=r"docs/backup\.md"):
        run(monkeypatch, of, "latest")
