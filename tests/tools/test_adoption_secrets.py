"""What adopting writes down of a Secret, and what not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from operations.adoption import helm
from operations.adoption.command import Plan, take_all
from operations.adoption.owners import Taken, give_back
from operations.ownership import key_of
from tests.tools.fake_stack import FakeStack
from tests.tools.test_adoption import FakeCluster, object_


def test_the_values_that_kubectl_notes_of_a_secret_reach_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kubectl apply` keeps the whole manifest in an annotation."""
    monkeypatch.chdir(tmp_path)
    note = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"cGFzc3dvcmQ="}}', "own": "1"}
    secret = object_("Secret", metadata={"annotations": {**note, helm.TRACKING: "platform:x"}})
    cluster = FakeCluster(secret)
    plan = Plan(rows=[], live={key_of(secret): secret}, chart=[], releases=[], records=[], refusals=[])
    take_all(FakeStack(), cluster, plan)
    (file,) = tmp_path.iterdir()
    assert "cGFzc3dvcmQ" not in file.read_text()
    assert cluster.live["metadata"]["annotations"] == {"own": "1"}
    give_back(cluster, cluster.live, Taken.read(json.loads(file.read_text())))
    assert cluster.live["metadata"]["annotations"] == {"own": "1", helm.TRACKING: "platform:x"}
