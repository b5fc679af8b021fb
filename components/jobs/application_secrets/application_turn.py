"""Say whose wish holds: a run of the schedule that began before an `up` must not put back what the `up` has changed."""

import json
from dataclasses import dataclass
from typing import Any

from infisical_api import InfisicalApi
from job import Failed
from kube import Api, NotFound

MANAGER = "infisical-platform-applications"


def noted(kube: Api, config_map: str, *keys: str) -> list[Any]:
    """Return what runs have written down under keys of a ConfigMap, as JSON, by one question.

    Raises Failed for what somebody has made of it.
    """
    data: dict[str, str] = (kube.find(config_map) or {}).get("data") or {}
    return [_json(data.get(key, "{}"), key, config_map) for key in keys]


def _json(text: str, key: str, config_map: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        name, namespace = config_map.rpartition("/")[2], config_map.split("/")[-3]
        raise Failed(
            f"ConfigMap {name} has a key {key} that is no JSON. Remove the key: kubectl edit configmap {name} -n "
            f"{namespace}"
        ) from error


class Overtaken(Exception):
    """An `up` has begun with a different wish."""


@dataclass(frozen=True)
class Turn:
    """What a run is told to do, and the ConfigMap that says which wish was begun last."""

    kube: Api
    config_map: str
    wish: str

    def say(self, data: dict[str, str]) -> None:
        """Write something down. Raises Failed where the ConfigMap is gone."""
        try:
            self.kube.merge_patch(self.config_map, {"data": data}, field_manager=MANAGER)
        except NotFound as error:
            name = self.config_map.rpartition("/")[2]
            raise Failed(f"ConfigMap {name} is gone. `pulumi up` makes it") from error

    def begin(self) -> None:
        """Make this wish the one that holds."""
        self.say({"wish": self.wish})

    def check(self) -> None:
        """Raise Overtaken unless this wish holds."""
        if self._read().get("wish", self.wish) != self.wish:
            raise Overtaken

    def drift(self) -> str:
        """Return what the last run has found."""
        return self._read().get("drift", "")

    def _read(self) -> dict[str, str]:
        return (self.kube.find(self.config_map) or {}).get("data") or {}


class OurTurn(InfisicalApi):
    """Ask just before each request whether the wish still holds.

    Only one that is on its way while an `up` writes the same comes too late; the run of the next hour mends that.
    """

    def __init__(self, api: InfisicalApi, turn: Turn) -> None:
        super().__init__(api._url.geturl(), token=api.token, deadline_seconds=api.seconds_left)
        self.hide, self._turn = api.hide, turn

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        self._turn.check()
        return super()._once(method, path, body)
