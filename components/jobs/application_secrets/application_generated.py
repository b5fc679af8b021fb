"""Remember what the stack has written, so that no new generated value takes the place of one that is in use."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from application_turn import MANAGER
from application_wish import Application, Secret
from kube import Api

_STATES, _DIGESTS = "generatedBy", "generated"
_GIVEN = ""


@dataclass(frozen=True)
class Written:
    """What this state has last written to a project, by the names of values: a digest, or nothing for a given one.

    The digest tells nothing: what is generated has 16 characters or more, and a value that is given has none.
    `values` is None where a release of before wrote down no more than the state: all there is was its own.
    """

    values: Mapping[str, str] | None = field(default_factory=dict[str, str])

    def replaceable(self, secret: Secret, there: str) -> bool:
        """Whether the stack's value takes the place of a different one of the stack's.

        A generated one does so where somebody has edited the value in Infisical, and where another length was asked
        for. Otherwise it was generated anew by accident: the state is lost or an old one, the environment has another
        slug, or the key was away from the stack file.
        """
        if not secret.generated or self.values is None:
            return True
        last = self.values.get(secret.name)
        if last is None:
            return False
        edited = last == _digest(secret.value or "")
        longer_or_shorter = last == _digest(there) and len(there) != len(secret.value or "")
        return last == _GIVEN or edited or longer_or_shorter


class Generated:
    """The ConfigMap in which each run writes that down: the state by the slug of the project, and the values."""

    def __init__(self, kube: Api, config_map: str, state: str) -> None:
        self._kube, self._config_map, self._state = kube, config_map, state

    def written(self, slug: str) -> Written:
        """Return what this state has written to a project."""
        states, digests = self._read()
        if states.get(slug) != self._state:
            return Written()
        return Written(digests.get(slug))

    def keep(self, application: Application, *, all_of_it: bool) -> None:
        """Write down what the project has now. Without `all_of_it`, what is known of other values stays."""
        slug, (states, digests) = application.slug, self._read()
        before = digests.get(slug, {}) if states.get(slug) == self._state else {}
        now = {each.name: _noted(each) for each in application.secrets if each.owner == "stack" and each.name}
        now = now if all_of_it else {**before, **now}
        if states.get(slug) == self._state and digests.get(slug) == now:
            return
        data = {_STATES: {**states, slug: self._state}, _DIGESTS: {**digests, slug: now}}
        text = {key: json.dumps(value, sort_keys=True) for key, value in data.items()}
        self._kube.merge_patch(self._config_map, {"data": text}, field_manager=MANAGER)

    def _read(self) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        data: dict[str, Any] = (self._kube.find(self._config_map) or {}).get("data") or {}
        return json.loads(data.get(_STATES, "{}")), json.loads(data.get(_DIGESTS, "{}"))


def _noted(secret: Secret) -> str:
    return _digest(secret.value or "") if secret.generated else _GIVEN


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]
