"""Every patience is a setting, and a Job lives as long as its script has, and the time to start."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.unit.changes import put
from tests.unit.harness import OPERATOR, ORGANIZATION, SHAPES, Graph, shape, with_applications
from tests.unit.test_placement import jobs, template_of

# The setting, the Jobs whose scripts have that patience, and its minutes without the setting.
PATIENCE: dict[str, tuple[str, int]] = {
    "database.deadlineMinutes": ("platform-db-gate-operator platform-db-gate-login", 10),
    "redis.deadlineMinutes": ("platform-kv-servers platform-kv-gate", 5),
    "certificates.deadlineMinutes": ("cert-sync cert-sync-schedule", 2),
    "infisical.deadlineMinutes": ("infisical-gate", 15),
    "organization.deadlineMinutes": ("bootstrap", 4),
    "secretsOperator.deadlineMinutes": ("secrets-operator-gate", 5),
    "secretsOperator.deliveryMinutes": ("secret-delivery-free secret-delivery-gate operator-canary", 3),
    "ingress.issuer.deadlineMinutes": ("ingress-issued", 10),
    "ingress.route.deadlineMinutes": ("ingress-gate", 5),
    "jobs.applicationsMinutes": ("application-secrets infisical-drift-schedule", 10),
}
SECTIONS: dict[str, dict[str, Any]] = {
    "organization": ORGANIZATION,
    "secretsOperator": OPERATOR,
    "ingress": {"issuer": {"kind": "existing", "name": "ca"}, "route": {"kind": "ingress", "className": "nginx"}},
}


def patience(graph: Graph) -> dict[str, tuple[float, float]]:
    """Return the seconds that each script has, and those that the cluster gives its Job."""
    found: dict[str, tuple[float, float]] = {}
    for job in jobs(graph):
        spec = job["spec", "jobTemplate", "spec"] if job.kind == "CronJob" else job["spec"]
        [container] = template_of(job)["spec"]["containers"]
        told = {each["name"]: each.get("value") for each in container["env"]}
        config = json.loads(told.get("CONFIG") or "{}")
        own = config.get("deadline_seconds", told.get("DEADLINE_SECONDS"))
        if own is not None:
            found[job.name] = float(own), float(spec["activeDeadlineSeconds"])
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_no_script_has_more_time_than_its_job(name: str) -> None:
    """It would be killed before it names the cause."""
    found = patience(shape(name))
    assert found
    for job, (script, whole) in found.items():
        assert whole - script >= 300, f"{job}: five minutes to start (jobs.startMinutes)"


@pytest.mark.parametrize("key", PATIENCE)
def test_a_setting_gives_a_script_and_its_job_more_time(key: str) -> None:
    names, default = PATIENCE[key]
    section, _, setting = key.partition(".")
    before = patience(with_applications())
    longer: dict[str, Any] = {section: copy.deepcopy(SECTIONS.get(section, {}))}
    put(longer[section], setting, default + 7)
    after = patience(with_applications("dev", **longer))
    changed = {job for job, seconds in after.items() if seconds != before[job]}
    assert changed == {*names.split()}
    for job in changed:
        assert before[job][0] == default * 60
        assert [now - was for now, was in zip(after[job], before[job], strict=True)] == [420, 420]
