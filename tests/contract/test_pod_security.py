"""Every pod that we write ourselves is admitted at Pod Security's level "restricted"."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contract.manifests import pods
from tests.contract.pod_security import refusals
from tests.unit.harness import OUTSIDE, SHAPES, shape

PODS = {
    "Job/cert-sync",
    "CronJob/cert-sync",
    "Job/infisical-gate",
    "Job/infisical-migration",
    "Job/platform-db-gate-login",
    "Job/platform-db-gate-operator",
    "Job/platform-kv-handover",
    "Job/platform-kv-servers",
    "Job/platform-kv-gate",
    "Job/ingress-issued",
    "Job/ingress-gate",
}
BACKUP = {"Job/backup-before", "Job/backup", "Job/backup-rehearsal", "CronJob/backup", "CronJob/backup-rehearsal"}
MOVES = {"Job/move-in-dump", "Job/move-in-rehearsal", "Job/restore"}
BACKUPS = {"backed-up": BACKUP, "bucket": BACKUP, "restored": {*BACKUP, "Job/restore"}, "moved-in": {*BACKUP, *MOVES}}

APPLICATIONS = {
    "Job/application-secrets",
    "CronJob/infisical-drift",
    "Job/secret-delivery-free",
    "Job/secret-delivery-gate",
    "Job/operator-canary",
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_pod_of_ours_is_admitted_at_level_restricted(name: str) -> None:
    found = {kind: refusals(template) for _, kind, template in pods(shape(name))}
    more = {
        "rotated": {"Job/platform-kv-rotation"},
        "installed": {"Job/cert-manager-gate", "Job/postgres-operator-gate", "Job/redis-operator-gate"},
        "operator": {"Job/secrets-operator-gate"},
        "organization": {"Job/bootstrap"},
        "applications": {"Job/bootstrap", "Job/secrets-operator-gate", *APPLICATIONS},
    }
    expected = PODS | more.get(name, set()) | BACKUPS.get(name, set())
    if name == "gateway":
        expected -= {"Job/ingress-gate"}  # nobody is asked there, unless the stack names the controller
    assert found == {kind: [] for kind in expected}


FIELDS: list[tuple[str, Any]] = [
    # what is set, in the pod or in its container; None takes it away
    ("hostNetwork", True),
    ("hostPID", True),
    ("hostIPC", True),
    ("volumes", [{"name": "host", "hostPath": {"path": "/"}}]),
    ("volumes", [{"name": "n", "nfs": {}}]),
    ("securityContext.runAsUser", 0),
    ("securityContext.runAsNonRoot", None),
    ("securityContext.runAsNonRoot", False),
    ("securityContext.seccompProfile", None),
    ("securityContext.seccompProfile", {"type": "Unconfined"}),
    ("securityContext.appArmorProfile", {"type": "Unconfined"}),
    ("securityContext.seLinuxOptions", {"type": "spc_t"}),
    ("securityContext.seLinuxOptions", {"user": "u"}),
    ("securityContext.sysctls", [{"name": "kernel.msgmax"}]),
    ("securityContext.windowsOptions", {"hostProcess": True}),
    ("containers.0.securityContext", None),
    ("containers.0.securityContext.privileged", True),
    ("containers.0.securityContext.procMount", "Unmasked"),
    ("containers.0.securityContext.allowPrivilegeEscalation", None),
    ("containers.0.securityContext.allowPrivilegeEscalation", True),
    ("containers.0.securityContext.runAsUser", 0),
    ("containers.0.securityContext.runAsNonRoot", False),
    ("containers.0.securityContext.seccompProfile", {"type": "Unconfined"}),
    ("containers.0.securityContext.capabilities", None),
    ("containers.0.securityContext.capabilities.drop", ["NET_RAW"]),
    ("containers.0.securityContext.capabilities.add", ["SYS_ADMIN"]),
    ("containers.0.ports", [{"containerPort": 1, "hostPort": 1}]),
    ("containers.0.livenessProbe", {"httpGet": {"host": "169.254.169.254"}}),
    ("containers.0.lifecycle", {"postStart": {"tcpSocket": {"host": "10.0.0.1"}}}),
    ("initContainers", [{"name": "init", "image": "a:1"}]),
]


@pytest.mark.parametrize(("field", "value"), FIELDS)
def test_a_pod_that_asks_for_more_is_refused(field: str, value: object) -> None:
    template = copy.deepcopy(next(template for _, _, template in pods(shape("dev"))))
    *parents, last = field.split(".")
    section: Any = template["spec"]
    for parent in parents:
        section = section[int(parent) if parent.isdecimal() else parent]
    section[last] = value
    assert any(field.split(".")[-1] in refusal or field.split(".")[0] in refusal for refusal in refusals(template))


def test_low_ports_may_be_bound() -> None:
    template = copy.deepcopy(next(template for _, _, template in pods(shape("dev"))))
    template["spec"]["containers"][0]["securityContext"]["capabilities"]["add"] = ["NET_BIND_SERVICE"]
    assert refusals(template) == []


@pytest.mark.parametrize("name", OUTSIDE)
def test_those_that_reach_a_database_outside_are_admitted_too(name: str) -> None:
    found = {kind: refusals(template) for _, kind, template in pods(shape(name))}
    assert "Job/platform-kv-login" in found
    assert not any(found.values())
