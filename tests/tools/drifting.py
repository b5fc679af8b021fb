"""Objects of a stack, of its state and of a cluster, for the tests of drift."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from operations.cluster import Cluster, Object, Unanswered
from operations.drift.found import Drift, look
from operations.drift.owned import owned
from operations.field_managers import key_of
from tests.tools.fake_stack import FakeStack

SECRET = "throwAwayDriftPassword"
SINCE = "2026-11-26T09:00:00Z"
OURS = "pulumi-kubernetes-f3382513"


def made(kind: str, name: str, api: str = "v1", namespace: str = "infisical", **fields: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def changed(of: Object, *writers: Mapping[str, Any], **fields: Any) -> Object:
    """Return the object as it is in the cluster."""
    return {**of, **fields, "metadata": {**of["metadata"], "managedFields": list(writers)}}


def wrote(manager: str, fields: Mapping[str, Any], time: str = SINCE, **more: str) -> Mapping[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields, **more}


def kept(of: Object, kind: str = "", **more: Any) -> dict[str, Any]:
    """Return a resource of the state."""
    token = f"kubernetes:x:{kind or of['kind']}"
    return {"type": token, "urn": "u", "inputs": of, "outputs": {"__fieldManager": OURS}, **more}


def encrypted(value: object) -> dict[str, str]:
    """Return a value as `pulumi stack export --show-secrets` writes it."""
    return {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": json.dumps(value),
    }


def container(password: str) -> Object:
    return {"name": "a", "env": [{"name": "PASSWORD", "value": password}]}


@dataclass(frozen=True)
class Api(Cluster):
    """A cluster with these objects, which keeps what is applied."""

    context: str | None = None
    kubeconfig: str | None = None
    live: Sequence[Object] = ()
    applied: list[tuple[str, Object]] = field(default_factory=list[tuple[str, Object]])
    unknown: str = ""  # a kind that the cluster doesn't have
    refuses: str = ""

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        if self.unknown in kinds:
            raise Unanswered('the server doesn\'t have a resource type "postgresqls"')
        keys = ((key_of(each), each) for each in self.live)
        return [each for key, each in keys if key.kind in kinds and key.namespace == namespace]

    def apply(self, manifest: Object, manager: str) -> None:
        if self.refuses:
            raise Unanswered(self.refuses)
        self.applied.append((manager, manifest))


def stack_of(*resources: Mapping[str, Any]) -> FakeStack:
    return FakeStack(state={"deployment": {"resources": list(resources)}})


def found(cluster: Api, *resources: Mapping[str, Any]) -> list[Drift]:
    return look(cluster, owned(stack_of(*resources), cluster))


CONFIG = made("ConfigMap", "site", data={"a": "1", "b": "2"})
DATABASE = made("postgresql", "db", "acid.zalan.do/v1", spec={"users": {"app": []}, "volume": {"size": "2Gi"}})
