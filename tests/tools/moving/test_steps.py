"""`make migrate-secrets`: its steps, what each takes back, and that no value comes to the user's machine."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components.network_paths import INFISICAL, End, Pods, network_paths
from operations.errors import OperationError
from operations.moving.consumers import uses_of
from operations.moving.pod import Pod
from settings import load
from settings.pods import PodSettings
from tests.tools.moving.namespace import Shop
from tests.tools.moving.objects import STACK_FILE
from tests.unit.harness import COMMANDS, configuration


def test_the_inventory_changes_nothing_and_says_why_a_secret_stays(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.run() == 0
    said = capsys.readouterr().out
    assert "moves to /dotted_name" in said
    assert "stays: Kubernetes makes it" in said
    assert "deployment/shop pod/debug" in said
    assert "3 of 4 Secrets can move" in said
    assert "next: make migrate-secrets STACK=prod NAMESPACE=shop OPTIONS='--step plan'" in said
    assert shop.file.read_text() == STACK_FILE


@pytest.mark.parametrize("step", ["plan", "copy", "deliver", "switch", "retire"])
def test_a_step_without_yes_changes_nothing(shop: Shop, step: str, capsys: pytest.CaptureFixture[str]) -> None:
    if step != "plan":
        shop.run("plan", "--yes")
    before, shop.cluster.log_ = shop.file.read_text(), []
    if step == "retire":
        shop.cluster.objects_ = []  # nothing uses them any more
    objects = copy.deepcopy(shop.cluster.objects_)
    shop.run(step)
    assert shop.file.read_text() == before
    assert shop.cluster.objects_ == objects
    assert "env" in shop.cluster.sealed
    assert not [entry for entry in shop.cluster.log_ if entry.startswith(("patch", "delete sealed"))]
    assert f"nothing was changed. To do it: make migrate-secrets STACK=prod NAMESPACE=shop OPTIONS='--step {step}" in (
        capsys.readouterr().out
    )
    assert step != "copy" or shop.cluster.config["mode"] == "check"


def test_the_plan_is_the_stack_files_part_and_nothing_else_of_it(shop: Shop) -> None:
    shop.run("plan", "--yes")
    people = {"owner": "people"}
    assert shop.application() == {
        "environments": {"prod": "Production"},
        "secrets": {
            "prod": {
                "/dotted_name": {"KEY": people},
                "/env": {"PASSWORD": people, "binary": {"owner": "people", "encoding": "base64"}},
                "/tls": {"tls.crt": people, "tls.key": people},
            }
        },
    }
    assert shop.file.read_text().startswith(STACK_FILE)
    shop.run("plan", "--yes")
    shop.run("deliver", "--yes")
    place = {"environment": "prod", "namespace": "shop"}
    assert shop.application()["deliver"] == [
        {**place, "path": "/dotted_name", "secret": "dotted.name-infisical"},
        {**place, "path": "/env", "secret": "env-infisical", "restarts": ["deployment/shop"]},
        {**place, "path": "/tls", "secret": "tls-infisical", "type": "kubernetes.io/tls"},
    ]
    with pytest.raises(OperationError, match="has more than was planned: take out deliver"):
        shop.run("plan", "--undo", "--yes")
    shop.run("deliver", "--undo", "--yes")
    shop.run("plan", "--undo", "--yes")
    assert shop.file.read_text() == STACK_FILE


def test_consumers_are_switched_and_back(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.run("plan", "--yes")
    before = copy.deepcopy(shop.cluster.objects_)
    shop.run("switch", "--yes")
    assert {use.secret for use in uses_of(shop.cluster.objects_[:1])} == {"env-infisical"}
    assert {use.secret for use in uses_of(shop.cluster.objects_[1:])} == {"env"}
    assert "pod/debug: env -> env-infisical (make it anew yourself)" in capsys.readouterr().out
    with pytest.raises(OperationError, match=r"env is used by pod/debug: make it anew yourself, with env-infisical"):
        shop.run("retire", "--yes")
    shop.run("switch", "--undo", "--yes")
    assert shop.cluster.objects_ == before


def test_what_something_keeps_since_is_taken_back_and_goes_no_further(shop: Shop) -> None:
    """Labels were no obstacle in earlier releases, so such a Secret may be half-way."""
    shop.run("plan", "--yes")
    before = copy.deepcopy(shop.cluster.objects_)
    shop.run("switch", "--yes")
    shop.cluster.said["inventory"][0]["obstacle"] = "others may find it by its label"
    shop.run("copy", "--undo", "--yes")
    assert {"name": "env", "folder": "/env", "target": "env-infisical"} in shop.cluster.config["items"]
    shop.run("switch", "--undo", "--yes")
    assert shop.cluster.objects_ == before
    shop.run("deliver", "--yes")
    assert "env-infisical" not in {each["secret"] for each in shop.application()["deliver"]}


def a_pod(shop: Shop, **pods: Any) -> Pod:
    return Pod(
        cluster=shop.cluster,  # type: ignore[arg-type]
        namespace="shop",
        home="infisical",
        image="python",
        address="http://i:8080",
        pods=PodSettings.model_validate(pods),
    )


def test_the_pod_has_its_rights_for_the_time_of_the_run_alone(shop: Shop) -> None:
    shop.cluster.fails = "move-secrets: FAILED after 0 s: the cause"
    pod = a_pod(shop)
    with pytest.raises(OperationError, match="the cause"):
        pod.run("copy", {"project": "shop-app", "environment": "prod"}, [{"name": "a", "folder": "/a", "target": "b"}])
    made = {each["kind"]: each for each in shop.cluster._made}  # pyright: ignore[reportPrivateUsage]
    assert made["Role"]["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]
    assert made["Role"]["metadata"]["namespace"] == "shop"
    assert made["Job"]["metadata"]["namespace"] == "infisical"
    assert "infisical_api.py" in made["ConfigMap"]["data"]
    assert shop.cluster.log_[-2:] == ["delete jobs.batch,configmaps", "delete rolebindings,roles"]


def test_the_pod_runs_where_the_stack_says_and_may_reach_infisical(shop: Shop) -> None:
    shop.cluster.fails = "move-secrets: FAILED after 0 s: the cause"
    toleration = {"key": "dedicated", "operator": "Exists"}
    with pytest.raises(OperationError, match="the cause"):
        a_pod(shop, tolerations=[toleration], labels={"cost-center": "ops"}).run("inventory", {})
    [job] = [each for each in shop.cluster._made if each["kind"] == "Job"]  # pyright: ignore[reportPrivateUsage]
    template = job["spec"]["template"]
    assert template["spec"]["tolerations"] == [toleration]
    assert template["metadata"]["labels"]["cost-center"] == "ops"

    stack = load(COMMANDS, configuration("dev", organization={"name": "dev", "admin": "a@example.org"}))
    ways = [path for path in network_paths(stack) if _is_for(path.source, template["metadata"]["labels"])]
    assert INFISICAL in [path.target for path in ways]
    assert any(stack.network_policies.api_server.ports == path.ports for path in ways)


def _is_for(end: End, labels: dict[str, str]) -> bool:
    return (
        isinstance(end, Pods)
        and end.namespace == "infisical"
        and all(labels.get(name) in values for name, values in end.labels.items())
    )
