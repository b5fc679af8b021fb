"""What is kept of a failed end-to-end test: objects, events and logs of the stack, and no value of a Secret."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
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
Secrets = Mapping[str, list[Mapping[str, Any]]]  # by namespace, as the API server has them


def keep(ask: Ask, folder: Path) -> None:
    """Write everything that tells why a test failed into `folder`."""
    secrets = {namespace: _secrets(ask, namespace) for namespace in NAMESPACES}
    hidden = _values(secrets)
    for namespace in NAMESPACES:
        place = folder / namespace
        place.mkdir(parents=True, exist_ok=True)
        for name, text in _texts(ask, namespace):
            for value in hidden:
                text = text.replace(value, "…")
            (place / name).write_text(text)
        (place / "secrets.json").write_text(json.dumps([*map(_shown, secrets[namespace])], indent=2))


def _texts(ask: Ask, namespace: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a namespace, by name."""
    yield "events.txt", ask("get", "events", "-n", namespace, "--sort-by=.metadata.creationTimestamp")
    objects = [ask("get", kinds, "-n", namespace, "-o", "yaml") for kinds in KINDS]
    yield "objects.yaml", "---\n".join(text for text in objects if text)
    for pod in ask("get", "pods", "-n", namespace, "-o", "name").split():
        command = ("logs", pod, "-n", namespace, "--all-containers", "--prefix", "--timestamps", "--tail=2000")
        yield f"{pod.partition('/')[2]}.log", ask(*command)
        if previous := ask(*command, "--previous"):
            yield f"{pod.partition('/')[2]}.previous.log", previous


def folder_name(test: str) -> str:
    """Return the name of a test as that of a folder."""
    return re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/e2e/")).strip("-")


def _secrets(ask: Ask, namespace: str) -> list[Mapping[str, Any]]:
    return json.loads(ask("get", "secrets", "-n", namespace, "-o", "json") or '{"items": []}')["items"]


def _values(secrets: Secrets) -> list[str]:
    """Return each value of each Secret in both its forms, longer ones first; a short one is part of too many words."""
    encoded = {value for found in secrets.values() for secret in found for value in (secret.get("data") or {}).values()}
    decoded = {base64.b64decode(value).decode(errors="replace") for value in encoded}
    return sorted((value for value in encoded | decoded if len(value) >= 8), key=len, reverse=True)


def _shown(secret: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the name, type and keys of a Secret; a value or a copy of it in an annotation is left out."""
    return {
        "name": secret["metadata"]["name"],
        "type": secret.get("type", ""),
        "created": secret["metadata"].get("creationTimestamp", ""),
        "keys": sorted(secret.get("data") or {}),
    }
