"""What pods request and may use: all of them fit a namespace with a quota, and a Job may wait for its node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.harness import Resource, platform, shape
from tests.unit.test_placement import jobs, template_of

LIMITED: dict[str, dict[str, Any]] = {
    "jobs": {"cpuLimit": "500m"},
    "infisical": {"cpuLimit": "2"},
    "redis": {"cpuLimit": "1"},
    "database": {
        "pooler": {"cpuRequest": "100m", "cpuLimit": "1", "memoryRequest": "100Mi", "memoryLimit": "100Mi"},
    },
}


def sizes_of(resource: Resource) -> Iterator[Any]:
    """Yield the resources of each container. The secrets operator's chart brings its own, and so does cert-manager."""
    match resource.kind:
        case "Job" | "CronJob":
            yield from (container["resources"] for container in template_of(resource)["spec"]["containers"])
        case "Release" if resource.name == "infisical":
            yield resource["values", "infisical" if "infisical" in resource["values"] else "backend"]["resources"]
        case "RedisReplication" | "RedisSentinel":
            yield resource["spec", "kubernetesConfig", "resources"]
        case "postgresql":
            yield resource["spec", "resources"]
            yield resource["spec", "connectionPooler", "resources"]
        case _:
            pass


@pytest.mark.parametrize("name", ["dev", "operator", "organization", "backed-up", "restored", "moved-in"])
def test_every_pod_fits_a_quota_on_requests_and_limits(name: str) -> None:
    """Kubernetes admits no pod into such a namespace that leaves one of the four out."""
    found = {str(resource): [*sizes_of(resource)] for resource in shape(name, **LIMITED)}
    assert sum(map(bool, found.values())) >= 10
    for maker, containers in found.items():
        for size in containers:
            assert all(size[kind].keys() == {"cpu", "memory"} for kind in ("requests", "limits")), maker


def test_a_job_may_start_late_and_its_script_has_no_less_time_for_it() -> None:
    soon, late = platform(jobs={"startMinutes": 1}), platform(jobs={"startMinutes": 11})
    for job in jobs(soon):
        spec, other = (
            (r["spec", "jobTemplate", "spec"] if r.kind == "CronJob" else r["spec"]) for r in (job, late[str(job)])
        )
        assert other["activeDeadlineSeconds"] - spec["activeDeadlineSeconds"] == 600, job
        assert other["template"] == spec["template"], job
        if job.kind == "Job":
            assert late[str(job)].create_timeout == f"{other['activeDeadlineSeconds'] + 60}s"
            assert late[str(job)].update_timeout == late[str(job)].create_timeout


def test_a_job_with_a_memory_limit_of_its_own_keeps_it() -> None:
    graph = platform(jobs={"memoryLimit": "128Mi"})
    limits = {
        job.name: template_of(job)["spec"]["containers"][0]["resources"]["limits"]["memory"] for job in jobs(graph)
    }
    assert limits.pop("infisical-migration") == "2Gi"
    assert {*limits.values()} == {"128Mi"}
