"""The namespace whose Secrets move."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.moving import command
from tests.tools.fake_stack import FakeStack
from tests.tools.moving.namespace import FakeCluster, Shop
from tests.tools.moving.objects import STACK_FILE, line, workload


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(STACK_FILE)
    found = [
        line("env", ["PASSWORD", "binary"], owner="SealedSecret/env"),
        line("dotted.name"),
        line("tls", ["tls.crt", "tls.key"], type="kubernetes.io/tls"),
        line("token", type="kubernetes.io/service-account-token", obstacle="Kubernetes makes it"),
    ]
    folders = [{"name": "env", "folder": "/env"}, {"name": "tls", "folder": "/tls"}]
    cluster = FakeCluster(
        said={
            "inventory": found,
            "check": [{**each, "missing": ["KEY"]} for each in folders],
            "copy": [{**each, "copied": ["KEY"], "equal": True} for each in folders],
            "compare": [{**each, "equal": True} for each in folders],
            "remove": [{**each, "removed": ["KEY"], "left": []} for each in folders],
        },
        objects_=[workload("Deployment", "shop", "env"), workload("Pod", "debug", "env")],
        sealed={
            "env": {
                "apiVersion": "bitnami.com/v1alpha1",
                "kind": "SealedSecret",
                "spec": {"encryptedData": {}},
                "metadata": {"name": "env", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
            }
        },
    )
    kept = {
        "infisical": {"siteUrl": "https://secrets.example.org"},
        "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
    }
    monkeypatch.setattr(command.Move, "cluster", property(lambda _: cluster))
    monkeypatch.setattr(FakeStack, "show", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return Shop(cluster, file, FakeStack(config_file=file, kept=kept))
