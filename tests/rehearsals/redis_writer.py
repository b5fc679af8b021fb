"""A client in the cluster that writes to Redis through a change, because no secret of Infisical's is kept there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from components.base.names import JOB_LABEL
from tests.e2e.waits import RESTART, kubectl_timeout
from tests.rehearsals.platforms import REDIS, Platform

_ROOT = Path(__file__).parents[2]
_FILES = (_ROOT / "tests/jobs/redis_client.py", _ROOT / "components/jobs/shared/redis_connection.py")
_NAME = "redis-writer"
_HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    # The network policies let the gate of Redis, whose label this is, talk to all of it.
    "metadata": {"name": _NAME, "namespace": REDIS, "labels": {JOB_LABEL: "platform-kv-gate"}},
    "spec": {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "writer",
                "image": "embedded.local/tools:1",
                "command": ["python3", "-B", f"/scripts/{_FILES[0].name}"],
                "env": [
                    {"name": "SENTINEL", "value": "platform-kv-sentinel-sentinel"},
                    {"name": "GROUP", "value": "platform-kv-master"},
                    {
                        "name": "REDIS_PASSWORD",
                        "valueFrom": {"secretKeyRef": {"name": "platform-kv-auth", "key": "password"}},
                    },
                ],
                "securityContext": _HARDENED,
                "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
            }
        ],
        "volumes": [{"name": "scripts", "configMap": {"name": _NAME}}],
    },
}


@contextlib.contextmanager
def redis_loses_nothing(platform: Platform) -> Iterator[None]:
    """Write for as long as the block takes, and fail where an acknowledged write is lost."""
    own, pod = ("-n", REDIS), f"pod/{_NAME}"
    files = [f"--from-file={file}" for file in _FILES]
    try:
        platform.kubectl("create", "configmap", _NAME, *own, *files)
        platform.kubectl("apply", "-f", "-", stdin=json.dumps(_POD))
        platform.kubectl("wait", pod, *own, "--for=condition=Ready", kubectl_timeout(RESTART))
        yield
        end = "import os, signal; os.kill(1, signal.SIGTERM)"
        platform.kubectl("exec", _NAME, *own, "--", "python3", "-c", end)
        platform.kubectl("wait", pod, *own, "--for=jsonpath={.status.phase}=Succeeded", kubectl_timeout(RESTART))
        seen = json.loads(platform.kubectl("logs", _NAME, *own).splitlines()[-1])
    finally:
        for made in (pod, f"configmap/{_NAME}"):
            platform.kubectl("delete", made, *own, "--ignore-not-found", "--grace-period=1")
    print(f"\nRedis: {seen}")
    assert seen["acknowledged"]
    assert not seen["lost"]
