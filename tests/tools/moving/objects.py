"""What the tests of `make migrate-secrets` find in a namespace and in a stack file."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

STACK_FILE = """\
# Kept: why this stack is as it is.
config:
  infisical-platform:infisical: {siteUrl: https://secrets.example.org}  # kept
  infisical-platform:ingress: {issuer: {kind: existing, name: ca}}
"""


def line(name: str, keys: Sequence[str] = ("KEY",), **more: Any) -> dict[str, Any]:
    """What the script says of a Secret."""
    of = {key: {"size": 3, "encoded": key == "binary"} for key in keys}
    return {"name": name, "type": "Opaque", "owner": "", "immutable": False, "keys": of, "obstacle": "", **more}


def workload(kind: str, name: str, secret: str) -> dict[str, Any]:
    """An object that names a Secret at every place where its kind can."""
    container = {
        "name": "c",
        "env": [
            {"name": "A", "value": "x"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": secret, "key": "K"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": secret}}],
    }
    pod: dict[str, Any] = {
        "imagePullSecrets": [{"name": secret}],
        "containers": [container],
        "volumes": [
            {"name": "a", "secret": {"secretName": secret}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": secret}}]}},
            {"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": secret}}},
            {"name": "d", "azureFile": {"shareName": "s", "secretName": secret}},
            {"name": "e", "flexVolume": {"driver": "d", "secretRef": {"name": secret}}},
        ],
    }
    spec: dict[str, Any] = {"template": {"spec": pod}}
    if kind == "Pod":
        spec = pod
    elif kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    elif kind == "Ingress":
        spec = {"tls": [{"hosts": ["h"], "secretName": secret}]}
    elif kind == "Service":
        spec = {}
    pod["initContainers"] = copy.deepcopy(pod["containers"])
    found = {"kind": kind, "metadata": {"name": name}, "spec": spec}
    if kind == "ServiceAccount":
        found |= {"imagePullSecrets": [{"name": secret}], "secrets": [{"name": secret}]}
    return copy.deepcopy(found)


def made_by(found: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Return an object as something else has made it."""
    owner = {"kind": kind, "name": name, "controller": True}
    return {**found, "metadata": {**found["metadata"], "ownerReferences": [owner]}}
