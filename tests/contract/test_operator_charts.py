"""The values that the operators' real charts are given, against what these charts have, and the kinds they bring."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cluster_operators import DEPLOYMENTS
from components.operator_chart import OperatorChart
from components.placed_charts import merged
from embedded.pinned import PROGRAMS
from embedded.programs import SOURCES
from settings import LocalChart
from tests.contract.pod_security import refusals
from tests.contract.test_charts import passed_over
from tests.unit.harness import shape
from tests.unit.test_placement import SECTION

CHARTS = {
    "postgres-operator": "postgres-operator-chart",
    "redis-operator": "redis-operator-chart",
    "cert-manager": "cert-manager-chart",
}
KINDS = {"postgres-operator": 3, "redis-operator": 4, "cert-manager": 6}
# What is a comment in values.yaml, and what templates give on as it is.
COMMENTED = {"cert-manager": {"tag": "", "tolerations": []}, "postgres-operator": {"imagePullSecrets": []}}
# What each chart calls the security context of a pod, where it has one, and of its container.
_CONTEXTS = {
    "postgres-operator": ("", "securityContext"),
    "redis-operator": ("podSecurityContext", "securityContext"),
    "cert-manager": ("securityContext", "containerSecurityContext"),
}
OF_USERS = {"podSecurityContext", "securityContext", "resources", "nodeSelector", "tolerations", "leaderElection"}


@cache
def chart(release: str) -> Path:
    """Return the chart as its pinned module carries it."""
    module, folder = PROGRAMS["operator-charts"].files[CHARTS[release]]
    where = SOURCES / "operator-charts"
    subprocess.run(["go", "mod", "download", module], cwd=where, check=True, capture_output=True)
    listed = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=where, check=True, capture_output=True)
    return Path(listed.stdout.decode().strip()) / folder


def known(release: str) -> dict[str, Any]:
    values = yaml.safe_load((chart(release) / "values.yaml").read_text())
    commented = COMMENTED.get(release, {})
    for part in (values, *(part for part in values.values() if isinstance(part, dict))):
        for image in (part, part.get("image")):
            if isinstance(image, dict):
                image.update({key: value for key, value in commented.items() if key not in image})
    if release == "postgres-operator":  # the template gives on what the kind has, comments of values.yaml among it
        values["configGeneral"] = dict.fromkeys(configuration_keys()) | values["configGeneral"]
    return values


def configuration_keys() -> list[str]:
    """The keys of an OperatorConfiguration, as its kind has them."""
    kind = yaml.safe_load((chart("postgres-operator") / "crds" / "operatorconfigurations.yaml").read_text())
    [version] = kind["spec"]["versions"]
    return [*version["schema"]["openAPIV3Schema"]["properties"]["configuration"]["properties"]]


def judged(given: dict[str, Any], release: str) -> list[str]:
    """Return what the chart passes over, apart from maps that it hands to Kubernetes."""
    found = passed_over(given, known(release), "secrets-operator")
    return [line for line in found if not OF_USERS & {*line.partition(":")[0].split(".")[:-1]}]


@pytest.mark.parametrize("release", CHARTS)
def test_the_chart_has_every_key_that_it_is_given(release: str) -> None:
    """It ignores any other without a word."""
    for section in ({}, SECTION):
        given = shape("installed", pods=section)[f"Release/{release}"]["values"]
        assert judged(given, release) == []


@pytest.mark.parametrize(
    ("release", "wrong"),
    [
        ("postgres-operator", {"configKubernetes": {"enable_secret_deletion": False}}),
        ("postgres-operator", {"configGeneral": {"kubernetes_use_configmap": False}}),
        ("postgres-operator", {"image": "a:b"}),
        ("redis-operator", {"redisOperator": {"image": "a"}}),
        ("cert-manager", {"webhook": {"img": {}}}),
    ],
)
def test_a_key_that_it_does_not_have_goes_red(release: str, wrong: dict[str, Any]) -> None:
    assert judged(wrong, release)


def pods_of(release: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod of each Deployment, as far as admission looks at what the chart takes from its values."""
    parts = [values] if release != "cert-manager" else [values, values["webhook"], values["cainjector"]]
    pod, container = _CONTEXTS[release]
    for part in parts:
        whole = {"name": "main", "resources": part["resources"], "securityContext": part[container]}
        yield {"spec": {"securityContext": part.get(pod, {}), "containers": [whole]}}


@pytest.mark.parametrize("release", CHARTS)
def test_its_pods_are_admitted_by_pod_security_and_by_a_quota(release: str) -> None:
    values = merged(known(release), shape("installed")[f"Release/{release}"]["values"])
    for pod in pods_of(release, values):
        assert refusals(pod) == []
        [container] = pod["spec"]["containers"]
        for kind in ("requests", "limits"):
            assert {*container["resources"][kind]} == {"cpu", "memory"}


@pytest.mark.parametrize("release", CHARTS)
def test_its_kinds_can_be_read_without_helm(release: str) -> None:
    read = OperatorChart.read(LocalChart(location=str(chart(release)), digest=""), Path("/"))
    assert len(read.kinds) == KINDS[release]
    for whole, terse in zip(read.kinds, read.terse_kinds, strict=True):
        assert len(str(terse)) < len(str(whole))
        assert {*terse["spec"]} == {*whole["spec"]}


@pytest.mark.parametrize("release", CHARTS)
def test_its_deployments_are_those_that_the_gate_waits_for(release: str) -> None:
    texts = [path.read_text() for path in (chart(release) / "templates").glob("*deployment*.yaml")]
    operator = {"postgres-operator": "postgres", "redis-operator": "redis", "cert-manager": "certManager"}[release]
    assert len(texts) == len(DEPLOYMENTS[operator])  # pyright: ignore[reportArgumentType]
