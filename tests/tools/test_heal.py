"""`make heal` while others work on the stack: its own `up`, and one that somebody runs beside it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from operations.drift import command
from operations.errors import OperationError
from tests.tools.drifting import CONFIG, Api, changed, kept
from tests.tools.fake_stack import FakeStack

UPDATED = {**CONFIG, "data": {"a": "1", "b": "3"}}  # by somebody's `up`, while the question stands
BEGUN = {"type": "updating", "resource": {"urn": "urn:x::site", "type": "kubernetes:core/v1:ConfigMap"}}


@dataclass(frozen=True)
class Shown(FakeStack):
    """A stack that notes what somebody sees."""

    shown: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def show(self, *arguments: str) -> None:
        self.shown.append(arguments)


def asked(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[dict[str, Any]], object]) -> tuple[Shown, Api]:
    """A stack whose object was edited, and somebody who agrees once `meanwhile` has changed the state."""
    stack = Shown(state={"deployment": {"resources": [kept(CONFIG)]}})
    cluster = Api(live=[changed(CONFIG, data={"a": "9", "b": "2"})])

    def agree() -> bool:
        meanwhile(stack.state)
        return True

    monkeypatch.setattr(command, "cluster_of", lambda _: cluster)
    monkeypatch.setattr(command, "_agreed", agree)
    return stack, cluster


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"resources": [kept(UPDATED)]}, "an `up` has run while the question stood, so nothing was changed, .*again"),
        ({"resources": [kept(CONFIG)], "pending_operations": [BEGUN]}, "an `up` is changing site"),
    ],
)
def test_an_up_while_the_question_stands_is_not_undone(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], said: str
) -> None:
    stack, cluster = asked(monkeypatch, lambda kept: kept.update(deployment=state))
    with pytest.raises(OperationError, match=said):
        command.run_heal(stack, argparse.Namespace(yes=False))
    assert cluster.applied == []
    assert stack.shown == []


def test_an_answer_after_which_the_state_is_the_same_heals(monkeypatch: pytest.MonkeyPatch) -> None:
    stack, cluster = asked(monkeypatch, lambda _: None)
    command.run_heal(stack, argparse.Namespace(yes=False))
    assert [manifest["metadata"]["name"] for _, manifest in cluster.applied] == ["site"]
