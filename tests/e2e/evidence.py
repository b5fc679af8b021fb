"""What is kept of a failed end-to-end test: objects, events and logs of the stack, and no value of a Secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NAMESPACES = ("infisical", "platform-db-pg", "platform-kv-redis-cluster", "postgres-operator", "redis-operator")
KINDS = (
    "pods,deployments,replicasets,statefulsets,jobs,cronjobs,services,endpointslices,configmaps,persistentvolumeclaims",
    "ingresses,poddisruptionbudgets,serviceaccounts,roles,rolebindings",
    "postgresqls.acid.zalan.do",
    "redisreplications.redis.redis.opstreelabs.in,redissentinels.redis.redis.opstreelabs.in",
    "issuers.cert-manager.io,certificates.cert-manager.io,certificaterequests.cert-manager.io",
    "httproutes.gateway.networking.k8s.io",
)

Ask = Callable[..., str]  # kubectl: arguments to what it prints


def keep(ask: Ask, folder: Path) -> None:
    """Write everything that tells why a test failed into `folder`."""
    for namespace in NAMESPACES:
        place = folder / namespace
        place.mkdir(parents=True, exist_ok=True)
        (place / "events.txt").write_text(_events(ask, namespace))
        (place / "secrets.json").write_text(json.dumps(_secrets(ask, namespace), indent=2))
        objects = (ask("get", kinds, "-n", namespace, "-o", "yaml") for kinds in KINDS)
        (place / "objects.yaml").write_text("---\n".join(text for text in objects if text))
        for pod in ask("get", "pods", "-n", namespace, "-o", "name").split():
            _logs(ask, namespace, pod, place)


def folder_name(test: str) -> str:
    """Return the name of a test as that of a folder."""
    return re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/e2e/")).strip("-")


def _events(ask: Ask, namespace: str) -> str:
    return ask("get", "events", "-n", namespace, "--sort-by=.metadata.creationTimestamp")


def _secrets(ask: Ask, namespace: str) -> list[Mapping[str, Any]]:
    """Return of each Secret its name, type and keys; a value or a copy of it in an annotation is left out."""
    listed = json.loads(ask("get", "secrets", "-n", namespace, "-o", "json") or '{"items": []}')["items"]
    return [
        {
            "name": secret["metadata"]["name"],
            "type": secret.get("type", ""),
            "created": secret["metadata"].get("creationTimestamp", ""),
            "keys": sorted(secret.get("data") or {}),
        }
        for secret in listed
    ]


def _logs(ask: Ask, namespace: str, pod: str, place: Path) -> None:
    for name, options in (("log", ()), ("previous.log", ("--previous",))):
        text = ask(
            "logs", pod, "-n", namespace, "--all-containers", "--prefix", "--timestamps", "--tail=2000", *options
        )
        if text:
            (place / f"{pod.partition('/')[2]}.{name}").write_text(text)
