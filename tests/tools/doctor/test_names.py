"""What operations ask a cluster of a stack with a prefix: nothing of a different stack's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from operations import doctor, status
from operations.checks.result import Check
from operations.cluster import Cluster
from tests.tools.doctor.known import Answers, Exported, cluster, stack_settings

SECTIONS: Mapping[str, Mapping[str, Any]] = {
    "cluster": {"namePrefix": "blue"},
    "organization": {"name": "dog", "admin": "ops@example.org"},
}


@dataclass(frozen=True)
class Listening(Answers):
    """Writes down what it is asked."""

    heard: list[str] = field(default_factory=list[str])

    def get(self, path: str) -> Any:
        self.heard.append(path)
        return super().get(path)

    def exists(self, *selection: str) -> bool:
        self.heard.append(" ".join(selection))
        return super().exists(*selection)


@pytest.mark.parametrize("checks", [doctor.checks, status.checks])
def test_no_check_asks_for_what_is_another_stacks(checks: Any) -> None:
    of = Listening(paths=cluster().paths)
    stack = Exported("dev")
    asked = {name: check for name, check in checks(stack).items() if name not in ("the last `up`", "pending")}
    rows = [str(row) for check in asked.values() for row in _rows(check, of)]
    namespaces = {found[1] for path in of.heard if (found := re.search(r"/namespaces/([^/?]+)", path))}
    assert not namespaces & {"infisical", "platform-db-pg", "platform-kv-redis-cluster"}
    assert any(name.startswith("blue-") for name in namespaces)
    selected = {found[1] for each in of.heard if (found := re.search(r"-n (\S+)", each))}
    assert not [name for name in selected if not name.startswith("blue-")]
    assert not [row for row in rows if re.search(r"(-n |--namespace |\b[Nn]amespaces? )(infisical|platform-)", row)]


def _rows(check: Check, of: Cluster) -> list[Any]:
    return list(check(of, stack_settings(**SECTIONS)))
