"""What CertSync reads of the cluster, without a server."""

from pathlib import Path
from typing import Any

import pytest
from cert_act import predates
from cert_decide import Pod, Service
from cert_observe import MountedSecret, pods_behind
from job import Pending

SERVICE = Service("db-pooler", "pooler", "db-pooler.ns.svc")


def test_pods_are_the_ready_ones_of_every_subset() -> None:
    ready = {"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "one"}}
    endpoints = {
        "subsets": [
            {"addresses": [ready], "notReadyAddresses": [{"ip": "10.0.0.9"}], "ports": [{"port": 5432}]},
            {"addresses": [{"ip": "fd00::2"}], "ports": [{"port": 6432}]},
            {"notReadyAddresses": [{"ip": "10.0.0.8"}], "ports": [{"port": 5432}]},
        ]
    }
    assert pods_behind(SERVICE, endpoints) == [
        Pod(SERVICE, "one", "10.0.0.1", 5432),
        Pod(SERVICE, "db-pooler", "fd00::2", 6432),
    ]


@pytest.mark.parametrize("endpoints", [None, {}, {"subsets": None}, {"subsets": []}])
def test_only_replicas_may_be_absent(endpoints: dict[str, Any] | None) -> None:
    assert pods_behind(Service("db-repl", "replica", "h"), endpoints) == []
    with pytest.raises(Pending, match="no pod is ready behind the pooler's Service db-pooler"):
        pods_behind(SERVICE, endpoints)


@pytest.mark.parametrize(
    ("annotation", "created", "older"),
    [
        ("this", "2026-01-01T00:00:00Z", False),
        ("an earlier one", "2026-01-03T00:00:00Z", True),
        (None, "2026-01-01T00:00:00Z", True),
        (None, "2026-01-03T00:00:00Z", False),
    ],
)
def test_who_predates_a_publication(annotation: str | None, created: str, older: bool) -> None:
    annotations = {"infisical-platform/ca-sha256": annotation} if annotation else {}
    deployment = {
        "metadata": {"creationTimestamp": created},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }
    assert predates(deployment, "this", "2026-01-02T00:00:00Z") is older


def test_mounted_secret_without_a_key(tmp_path: Path) -> None:
    assert MountedSecret("s", str(tmp_path)).certificates("ca.crt") == []
