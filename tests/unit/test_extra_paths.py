"""Paths that a stack adds to the table of NetworkPolicies."""

from __future__ import annotations

import pytest

from tests.unit.harness import Resource, shape
from tests.unit.network import Network, Pod


def pod_of(job: Resource) -> Pod:
    return Pod(job["metadata", "namespace"], {"infisical-platform/job": job["metadata", "name"]})


@pytest.mark.parametrize("name", ["backed-up", "restored", "moved-in", "applications", "external"])
def test_a_path_of_the_jobs_is_one_of_every_job(name: str) -> None:
    """Whoever lets `jobs` out to a store means the backup's too."""
    path = {"part": "jobs", "peer": {"namespace": "store"}, "ports": [9000]}
    graph = shape(name, networkPolicies={"extraEgress": [path]})
    network, jobs = Network(graph), graph.of_type("kubernetes:batch/v1:Job")
    assert len(jobs) >= 4
    for each in jobs:
        assert network.allows(pod_of(each), Pod("store"), 9000), each
