"""Decide which Secrets of a namespace move, where to, and under which name they come back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from operations.errors import OperationError
from settings.delivery import LONGEST_RESTARTING

SUFFIX = "-infisical"
_APPLICATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_APPLICATION, _LONGEST_NAME = 36, 253
_SHORTEST_SLUG = 5
_RESTARTED = ("deployment", "statefulset", "daemonset")

Body = dict[str, Any]  # an application, as the stack file has it


def target_of(name: str) -> str:
    """Return the name of the Secret that is delivered in the stead of one."""
    return f"{name[: _LONGEST_NAME - len(SUFFIX)]}{SUFFIX}"


def folder_of(name: str) -> str:
    """Return a Secret's folder in Infisical, where a name has no dot. A Secret's name has no underscore."""
    return "/" + name.replace(".", "_")


def origin_of(folder: str) -> str:
    """Return the name of the Secret that moves to a folder."""
    return folder.removeprefix("/").replace("_", ".")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A Secret as the Job in the cluster describes it: without its values."""

    name: str
    type: str
    owner: str
    immutable: bool
    keys: Mapping[str, Mapping[str, Any]]  # size, and whether it is stored in base64
    obstacle: str

    @property
    def folder(self) -> str:
        """Return its folder in Infisical."""
        return folder_of(self.name)

    @property
    def target(self) -> str:
        """Return the name of the Secret that is delivered in its stead."""
        return target_of(self.name)

    def left(self, names: Sequence[str]) -> Found:
        """Return it as one that stays, where it is one of `names`."""
        return replace(self, obstacle="--leave says so") if self.name in names and not self.obstacle else self

    @property
    def sealed(self) -> str:
        """Return the SealedSecret that makes it, empty for none."""
        kind, _, name = self.owner.partition("/")
        return name if kind == "SealedSecret" else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What moves out of a namespace into one environment of an application."""

    namespace: str
    application: str
    environment: str
    found: Sequence[Found]
    consumers: Mapping[str, Sequence[str]]  # by Secret: kind/name of what uses it
    restarting: bool = True  # whether the operator that delivers restarts what uses a Secret

    def __post_init__(self) -> None:
        if not _APPLICATION.fullmatch(self.application) or len(self.application) > _LONGEST_APPLICATION:
            raise OperationError(
                f"{self.application} can't name an application, which takes up to {_LONGEST_APPLICATION} of a-z, 0-9 "
                "and single '-': give another one, OPTIONS='--application NAME'"
            )

    @property
    def movable(self) -> list[Found]:
        """Return the Secrets that move."""
        return [secret for secret in self.found if not secret.obstacle]

    @property
    def project(self) -> str:
        """Return the slug of the application's project. Infisical takes none of fewer than five characters."""
        return self.application if len(self.application) >= _SHORTEST_SLUG else f"{self.application}-app"

    def body(self, title: str) -> Body:
        """Return the application as the stack file has it. People own the values, so the stack never writes them."""
        return {"environments": {self.environment: title}, **self.folders(self.movable)}

    def folders(self, secrets: Sequence[Found]) -> Body:
        """Return the folders of `secrets`, as the stack file has them."""
        folders = {secret.folder: {key: _owned(of) for key, of in secret.keys.items()} for secret in secrets}
        return {"secrets": {self.environment: folders}}

    def unplanned(self, stated: Body) -> list[Found]:
        """Return the Secrets that can move and that have no folder in the application."""
        planned = {secret.name for secret in self.begun(stated)}
        return [secret for secret in self.movable if secret.name not in planned]

    def deliveries(self, secrets: Sequence[Found]) -> list[Body]:
        """Return what is delivered, as the stack file has it."""
        return [self._delivery(secret) for secret in secrets]

    def _delivery(self, secret: Found) -> Body:
        place = {"environment": self.environment, "path": secret.folder}
        delivery: Body = {**place, "namespace": self.namespace, "secret": secret.target}
        if secret.type != "Opaque":
            delivery["type"] = secret.type
        users = [*self.consumers.get(secret.name, ()), *self.consumers.get(secret.target, ())]
        restarted = [each for each in users if each.partition("/")[0] in _RESTARTED]
        if self.restarting and restarted and len(secret.target) <= LONGEST_RESTARTING:
            delivery["restarts"] = restarted
        return delivery

    def items(self, stated: Body) -> list[Found]:
        """Return the Secrets that move and whose folder the application of the stack file has."""
        return [secret for secret in self.begun(stated) if not secret.obstacle]

    def begun(self, stated: Body) -> list[Found]:
        """Return the Secrets whose folder the application has, also those that something keeps since."""
        folders = self._folders(stated)
        return [secret for secret in self.found if secret.folder in folders]

    def gone(self, stated: Body) -> list[str]:
        """Return the Secrets whose folder the application has, as far as folders tell, and that are not there."""
        names = {origin_of(folder) for folder in self._folders(stated)}
        return sorted(names - {secret.name for secret in self.found})

    def taken(self, stated: Body) -> set[str]:
        """Return the folders from which Secrets of other namespaces have moved, as far as deliveries tell."""
        delivered: dict[str, set[str]] = {}
        for each in stated.get("deliver") or ():
            folder = each.get("path", "/")
            if (each["environment"], each["secret"]) == (self.environment, target_of(origin_of(folder))):
                delivered.setdefault(folder, set()).add(each["namespace"])
        return {folder for folder, namespaces in delivered.items() if self.namespace not in namespaces}

    def _folders(self, stated: Body) -> set[str]:
        folders = (stated.get("secrets") or {}).get(self.environment) or {}
        return folders.keys() - self.taken(stated)


def _owned(key: Mapping[str, Any]) -> dict[str, str]:
    encoding = {"encoding": "base64"} if key["encoded"] else {}
    return {"owner": "people", **encoding}
