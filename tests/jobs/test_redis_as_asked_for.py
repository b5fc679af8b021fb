"""Servers of before a change answer every question: the gate passes on the new ones alone, and names their troubles."""

from collections.abc import Callable
from typing import Any

import pytest
from job_cluster import Cluster
from redis_workloads import IMAGE, REDIS, SENTINEL, Workloads

from components.base.content import digest

NEW = "redis:7.2.4"
NO_OPERATOR = "no redis-operator has acted on namespace"
Gate = Callable[..., Any]


@pytest.fixture
def made(cluster: Cluster) -> Workloads:
    return Workloads(cluster)


@pytest.fixture
def gate(made: Workloads, start_job: Any) -> Gate:
    """Starts the gate; changes are those of Redis, then of the Sentinels. Nobody answers in DNS."""

    def start(*, redis: Any = None, sentinels: Any = None, patience: float = 100, deadline: float = 60) -> Any:
        first, second = made.config["workloads"]
        config = {
            **made.config,
            "workloads": [first | (redis or {}), second | (sentinels or {})],
            "sentinels_host": "sentinels.test",
            "sentinel_port": 26379,
            "sentinels": 3,
            "master_name": "platform-kv-master",
            "replicas": 2,
            "operator_patience_seconds": patience,
            "deadline_seconds": deadline,
        }
        return start_job(
            "redis_ready.py", config, {"sentinels.test": []}, REDIS_PASSWORD="correct-horse", **made.environment
        )

    return start


def test_as_asked_for(gate: Gate) -> None:
    """So the Sentinels are asked next, of which there are none here. 0.5Gi is asked for, 512Mi is there."""
    assert "sentinels.test names 0 Sentinels, wanted 3" in gate(deadline=0).outcome().last_line


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({"image": NEW}, f"has image {IMAGE}, wanted {NEW}"),
        ({"replicas": 5}, "has replicas 3, wanted 5"),
        ({"memory_limit": "1Gi"}, "has memory limit 512Mi, wanted 1Gi"),
        ({"memory_request": "64Mi"}, "has memory request none, wanted 64Mi"),
        ({"cpu_request": "100m"}, "has CPU request none, wanted 100m"),
        ({"cpu_limit": "1"}, "has CPU limit none, wanted 1"),
        ({"affinity": '{"podAntiAffinity": {}}'}, "has affinity none, wanted {'podAntiAffinity': {}}"),
        ({"commands": "0123456789ab"}, f"has commands {digest([None] * 3)}, wanted 0123456789ab"),
    ],
)
@pytest.mark.parametrize("of", ["redis", "sentinels"])
def test_nobody_has_acted_on_a_change(gate: Gate, of: str, changed: dict[str, Any], seen: str) -> None:
    """Operator at 0 replicas: the old servers run on, and answer."""
    outcome = gate(**{of: changed}, patience=0).outcome()
    assert outcome.status == 1
    name = {"redis": REDIS, "sentinels": SENTINEL}[of]
    assert f"/{name} {seen}: {NO_OPERATOR}" in outcome.last_line
    assert "WATCH_NAMESPACE" in outcome.last_line


def test_the_servers_alone(made: Workloads, start_job: Any) -> None:
    """The Sentinels change once the servers are rolled, and a Sentinel of before is nobody's concern until then."""
    first, second = made.config["workloads"]
    made.cluster.call("DELETE", made.path(second["statefulset"]))
    made.cluster.rolled_out(made.namespace, REDIS, updatedReplicas=2)
    config = {**made.config, "workloads": [first], "operator_patience_seconds": 100, "deadline_seconds": 60}
    running = start_job("redis_rolled.py", config, {}, **made.environment)
    running.sees("3 wanted, 3 there, 2 of the newest revision")
    made.cluster.rolled_out(made.namespace, REDIS)
    outcome = running.outcome()
    assert outcome.status == 0
    assert outcome.last_line.endswith("rolled: 3 of platform-kv")


def test_commands_are_compared(gate: Gate, made: Workloads) -> None:
    """A probe or an init container of before is another server, and the operator may not have acted yet."""
    start, ready, alive = (["sh", "-c", word] for word in ("start", "ready", "alive"))
    server = {
        "name": REDIS,
        "readinessProbe": {"exec": {"command": ready}},
        "livenessProbe": {"exec": {"command": alive}},
    }
    init = [{"name": f"init{REDIS}", "image": IMAGE, "command": start}]
    made.change(REDIS, {"template": {"spec": {"initContainers": init, "containers": [server]}}})
    made.cluster.rolled_out(made.namespace, REDIS)
    asked = {"commands": digest([start, ready, alive])}
    assert "sentinels.test names 0 Sentinels" in gate(redis=asked, deadline=0).outcome().last_line


def test_the_operator_has_not_taken_up_a_changed_configuration(gate: Gate, made: Workloads) -> None:
    made.change(REDIS, {"template": {"spec": {"volumes": [{"name": "external-config", "configMap": {"name": "old"}}]}}})
    made.cluster.rolled_out(made.namespace, REDIS)
    outcome = gate(deadline=0).outcome()
    assert "has configuration old, wanted platform-kv-config-1" in outcome.last_line


def test_no_operator_has_made_anything(gate: Gate, made: Workloads) -> None:
    made.cluster.call("DELETE", made.path(REDIS))
    outcome = gate(patience=0).outcome()
    assert outcome.status == 1
    assert f"/{REDIS} does not exist: {NO_OPERATOR} {made.namespace}" in outcome.last_line


def test_a_change_is_followed_to_its_end(gate: Gate, made: Workloads) -> None:
    running = gate(redis={"image": NEW})
    running.sees(f"has image {IMAGE}, wanted {NEW}")
    made.image(REDIS, NEW)
    running.sees("the StatefulSet controller has not looked at it yet")
    made.cluster.rolled_out(made.namespace, REDIS, updatedReplicas=1)
    running.sees("3 wanted, 3 there, 1 of the newest revision, 3 ready")
    made.cluster.rolled_out(made.namespace, REDIS, readyReplicas=2)
    running.sees("3 wanted, 3 there, 3 of the newest revision, 2 ready")
    made.cluster.rolled_out(made.namespace, REDIS)
    running.sees("sentinels.test names 0 Sentinels")
    running.process.terminate()
    assert running.outcome().status == 1


def test_the_operator_comes_to_the_sentinels_when_redis_is_complete(gate: Gate, made: Workloads) -> None:
    made.cluster.rolled_out(made.namespace, REDIS, readyReplicas=2)
    running = gate(sentinels={"image": NEW}, patience=2)
    running.sees("2 ready")
    made.cluster.rolled_out(made.namespace, REDIS, readyReplicas=1)
    running.sees("1 ready")
    made.cluster.rolled_out(made.namespace, REDIS)
    running.sees(f"/{SENTINEL} has image {IMAGE}, wanted {NEW}")
    assert NO_OPERATOR in running.outcome().last_line


def test_the_troubles_of_new_pods_are_named(gate: Gate, made: Workloads) -> None:
    made.cluster.rolled_out(made.namespace, REDIS, updatedReplicas=1, readyReplicas=2)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    status = {"name": REDIS, "ready": False, "restartCount": 0, "image": "", "imageID": "", "state": waiting}
    made.pod("platform-kv-2", REDIS, {"containerStatuses": [status]})
    made.pod("platform-kv-sentinel-sentinel-0", SENTINEL, {"conditions": []})
    outcome = gate(deadline=0).outcome()
    named = f"pod platform-kv-2, container {REDIS}: ImagePullBackOff (Back-off pulling image)"
    assert outcome.last_line.endswith(f"1 of the newest revision, 2 ready; {named}")


@pytest.mark.parametrize("state", [{"waiting": {"reason": "ImagePullBackOff"}}, {"running": {}}])
@pytest.mark.parametrize("newest", ["1", "2"])
def test_a_pod_that_its_statefulset_will_never_replace(
    gate: Gate, made: Workloads, state: dict[str, Any], newest: str
) -> None:
    """A mistyped image is set back, and the pod that can't pull it stays: its turn comes once it is ready.

    One that runs may become ready, and a newest one is no pod of before.
    """
    made.cluster.rolled_out(made.namespace, REDIS, updatedReplicas=0, readyReplicas=2)
    status = {"name": REDIS, "ready": False, "restartCount": 0, "image": "", "imageID": "", "state": state}
    made.pod("platform-kv-2", REDIS, {"containerStatuses": [status]}, revision="2")
    made.newest(REDIS, newest)
    outcome = gate(deadline=0).outcome()
    remedy = f"a StatefulSet replaces no pod of before that is not ready: kubectl delete pod -n {made.namespace} "
    assert (f"{remedy}platform-kv-2" in outcome.last_line) == (newest == "1" and "waiting" in state)


def test_a_pod_that_is_not_admitted_is_named(gate: Gate, made: Workloads) -> None:
    """It does not exist: its StatefulSet alone tells."""
    made.cluster.rolled_out(made.namespace, SENTINEL, replicas=0, updatedReplicas=0, readyReplicas=0)
    made.refused(SENTINEL, "create Pod platform-kv-sentinel-sentinel-0 failed: violates PodSecurity restricted")
    outcome = gate(deadline=0).outcome()
    assert f"/{SENTINEL}: 3 wanted, 0 there" in outcome.last_line
    assert "FailedCreate: create Pod platform-kv-sentinel-sentinel-0 failed: violates PodSec" in outcome.last_line


def test_the_volumes_have_grown(gate: Gate, made: Workloads) -> None:
    """A StatefulSet's template of claims can't change: the operator notes beside it what it has grown them to."""
    running = gate(redis={"storage": "2Gi"})
    running.sees(f"/{REDIS} has storage 1Gi, wanted 2Gi")
    for server in range(3):
        made.claim(server, "2Gi")
    made.grown(2 * 2**30)
    running.sees("sentinels.test names 0 Sentinels")


def test_a_server_of_after_the_growth_has_a_volume_of_before(gate: Gate, made: Workloads) -> None:
    """Its claim is made from the template, which never changes, and the operator's note says that all is well."""
    made.grown(2 * 2**30)
    for server, size in enumerate(["2Gi", "2048Mi", "1Gi", "1Gi"]):  # the last is of a server that is no more
        made.claim(server, size)
    outcome = gate(redis={"storage": "2Gi"}).outcome()
    assert outcome.status == 1
    claim = f"data-{REDIS}-2"
    assert f"PersistentVolumeClaim {made.namespace}/{claim} has 1Gi, wanted 2Gi" in outcome.last_line
    change = '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}'
    assert outcome.last_line.endswith(f"kubectl patch pvc -n {made.namespace} {claim} --type merge -p '{change}'")
