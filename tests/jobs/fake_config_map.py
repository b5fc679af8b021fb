"""The API server, as far as a run of applications writes down what the next one has to know."""

from __future__ import annotations

import json
from typing import Any


class ConfigMap:
    """The one ConfigMap, with the states of which the values of projects are."""

    def __init__(self, **states: str) -> None:
        self.data = {"generatedBy": json.dumps(states)} if states else {}

    def find(self, path: str) -> dict[str, Any]:
        return {"data": self.data}

    def merge_patch(self, path: str, change: dict[str, Any], *, field_manager: str) -> None:
        self.data |= change["data"]
