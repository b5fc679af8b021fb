"""Settings of the operators that a stack installs, with a different value, and what each changes."""

from __future__ import annotations

import copy
from typing import Any

from tests.unit.changes import WHOLE, Config, change
from tests.unit.harness import INSTALLED

INSTALLING: Config = {**copy.deepcopy(WHOLE), "operators": INSTALLED}
POSTGRES = "Release/postgres-operator Job/postgres-operator-gate"
REDIS = "Release/redis-operator Job/redis-operator-gate"
CERT_MANAGER = "Release/cert-manager Job/cert-manager-gate"
GATES = "Job/postgres-operator-gate Job/redis-operator-gate Job/cert-manager-gate"


def _image(key: str, changed: str) -> Any:
    return change(f"operators.{key}", "r.example.org/other:v9", changed, "r.example.org")


OPERATORS = (
    change("operators.clusterDomain", "corp.internal", f"{POSTGRES} {REDIS}"),
    change("operators.deadlineMinutes", 9, GATES, None),
    change("operators.redisConfigInInitContainer", True, REDIS, None),
    _image("postgresImages.operator", POSTGRES),
    _image("postgresImages.spilo", POSTGRES),
    _image("postgresImages.pooler", POSTGRES),
    _image("redisImage", REDIS),
    _image("certManagerImages.controller", CERT_MANAGER),
    _image("certManagerImages.webhook", CERT_MANAGER),
    _image("certManagerImages.cainjector", CERT_MANAGER),
    _image("certManagerImages.acmeSolver", CERT_MANAGER),
    *(
        change(f"operators.{chart}.path", f"./tests/unit/charts/{name}", f"Release/{name}")
        for chart, name in (
            ("postgresChart", "postgres-operator"),
            ("redisChart", "redis-operator"),
            ("certManagerChart", "cert-manager"),
        )
    ),
)
