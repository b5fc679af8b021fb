"""Remember what the stack has written, so that no new generated value takes the place of one that is in use."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from application_turn import MANAGER, noted
from application_wish import Application, Secret
from kube import Api

_STATES, _DIGESTS = "generatedBy", "generated"
_GIVEN = ""
_KNOWN = 5  # of a value, the newest


@dataclass(frozen=True)
class Written:
    """What this state has written to a project, by the names of values: digests, the newest last.

    A digest tells nothing: what is generated has 16 characters or more, and a value that is given has none, but "".
    `values` is None where a release of before wrote down no more than the state: all there is was its own.
    """

    values: Mapping[str, Sequence[str]] | None = field(default_factory=dict[str, Sequence[str]])

    def replaceable(self, secret: Secret, there: str) -> bool:
        """Whether the stack's value takes the place of a different one of the stack's.

        A generated one does so where somebody has edited the value in Infisical, and where another length was asked
        for. Otherwise it was generated anew by accident: the state is lost or an old one, the environment has another
        slug, or the key was away from the stack file.
        """
        if not secret.generated or self.values is None:
            return True
        known, wanted = self.values.get(secret.name, ()), _digest(secret.value or "")
        if not known:
            return False
        new_length = _digest(there) in known and wanted not in known and len(there) != len(secret.value or "")
        return known[-1] in (_GIVEN, wanted) or new_length


class Generated:
    """The ConfigMap in which each run writes that down: the state by the slug of the project, and the values.

    `state` is the one that generates, and says which data the database has: what was brought in is not its own yet.
    """

    def __init__(self, kube: Api, config_map: str, state: str) -> None:
        self._kube, self._config_map, self._state = kube, config_map, state

    def written(self, slug: str) -> Written:
        """Return what this state has written to a project."""
        states, digests = self._read()
        if states.get(slug) != self._state:
            return Written()
        return Written(digests.get(slug))

    def keep(self, application: Application, *, all_of_it: bool) -> None:
        """Write down what the project has now, or is about to be given, which a killed run may have done.

        Without `all_of_it`, what is known of other values stays.
        """
        slug, (states, digests) = application.slug, self._read()
        before = digests.get(slug, {}) if states.get(slug) == self._state else {}
        now = {} if all_of_it else dict(before)
        for each in application.secrets:
            if each.owner == "stack" and each.name:
                new = _noted(each)
                others = [known for known in before.get(each.name, ()) if known != new]
                now[each.name] = [*others, new][-_KNOWN:]
        if states.get(slug) == self._state and digests.get(slug) == now:
            return
        data = {_STATES: {**states, slug: self._state}, _DIGESTS: {**digests, slug: now}}
        text = {key: json.dumps(value, sort_keys=True) for key, value in data.items()}
        self._kube.merge_patch(self._config_map, {"data": text}, field_manager=MANAGER)

    def _read(self) -> tuple[dict[str, str], dict[str, dict[str, list[str]]]]:
        states, digests = noted(self._kube, self._config_map, _STATES, _DIGESTS)
        return states, digests


def _noted(secret: Secret) -> str:
    return _digest(secret.value or "") if secret.generated else _GIVEN


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]
