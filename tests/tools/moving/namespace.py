"""Namespace `shop`, whose Secrets move, without a cluster: what there is, what the script says, and what is asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from operations.moving import command
from tests.tools.fake_stack import FakeStack


@dataclass
class FakeCluster:
    """The cluster of these tests: what the script says, what there is, and all that was asked."""

    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    objects_: list[dict[str, Any]] = field(default_factory=list)
    sealed: dict[str, dict[str, Any]] = field(default_factory=dict)
    log_: list[str] = field(default_factory=list)
    fails: str = ""
    opens: bool = True  # the controller makes a Secret of a SealedSecret
    _made: list[dict[str, Any]] = field(default_factory=list)

    def create(self, manifest: dict[str, Any]) -> None:
        self._made.append(manifest)
        if manifest["kind"] == "SealedSecret":
            self.sealed[manifest["metadata"]["name"]] = manifest
        self.log_.append(f"create {manifest['kind']}")

    def get(self, path: str) -> dict[str, Any] | None:
        name = path.rpartition("/")[2]
        if "sealedsecrets" in path:
            return self.sealed.get(name)
        kind = "Failed" if self.fails else "Complete"
        return {"status": {"conditions": [{"type": kind, "status": "True"}]}}

    def log(self, namespace: str, pod: str) -> str:
        if self.fails:
            return self.fails
        return "\n".join(
            [*(f"MOVED {json.dumps(line)}" for line in self.said[self.config["mode"]]), "move-secrets: done"]
        )

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[dict[str, Any]]:
        return self.objects_

    def exists(self, kind: str, name: str, *selection: str) -> bool:
        return name in self.sealed and self.opens

    def patch(self, kind: str, name: str, namespace: str, operations: Sequence[Mapping[str, Any]]) -> None:
        target = next(o for o in self.objects_ if (o["kind"].lower(), o["metadata"]["name"]) == (kind, name))
        for operation in operations:
            *parents, last = (part.replace("~1", "/") for part in operation["path"].split("/")[1:])
            found: Any = target
            for part in parents:
                found = found[int(part)] if isinstance(found, list) else found[part]
            assert operation["op"] != "test" or found[last] == operation["value"]
            found[last] = operation["value"]
        self.log_.append(f"patch {kind}/{name}")

    def delete(self, *selection: str) -> list[str]:
        if selection[0].startswith("sealedsecrets"):
            del self.sealed[selection[1]]
        self.log_.append(f"delete {selection[0]}")
        return []

    def kubectl(self, words: str) -> str:
        return f"kubectl {words}"

    @property
    def config(self) -> dict[str, Any]:
        job = next(each for each in reversed(self._made) if each["kind"] == "Job")
        return json.loads(job["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])


@dataclass
class Shop:
    """Namespace `shop` of a cluster, a stack file, and the command."""

    cluster: FakeCluster
    file: Path
    stack: FakeStack

    def run(self, step: str = "inventory", *options: str, leave: Sequence[str] = ()) -> int:
        arguments = argparse.Namespace(
            step=step,
            namespace="shop",
            application=None,
            environment="prod",
            title="Production",
            all="--all" in options,
            yes="--yes" in options,
            undo="--undo" in options,
            leave=leave,
        )
        return command.run(self.stack, arguments)

    def application(self) -> Any:
        return (yaml.safe_load(self.file.read_text())["config"].get("infisical-platform:applications") or {}).get(
            "shop"
        )
