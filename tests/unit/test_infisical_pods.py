"""Infisical's pods: they leave every proxy before they end, and their nodes one at a time."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from components.infisical_pods import pod_fields
from settings.infisical import Flavour
from tests.jobs.job_pki import authority
from tests.unit.harness import ROOT, SHAPES, Graph, everything, platform, settings_of, shape

PATCH = "DeploymentPatch/infisical-pods"
FLAVOURS: tuple[Flavour, ...] = ("infisical", "infisical-standalone")


def of(flavour: Flavour) -> Graph:
    return everything() if flavour == "infisical" else platform()


def pod(graph: Graph) -> dict[str, Any]:
    return graph[PATCH]["spec", "template", "spec"]


def rendered_names(flavour: Flavour) -> str:
    """Return the name that the chart's templates give to the container: that of the chart, and of its section."""
    chart = ROOT / "embedded" / "charts" / flavour
    values = yaml.safe_load((chart / "values.yaml").read_text())
    section = values["backend" if flavour == "infisical" else "infisical"]["name"]
    return f"{yaml.safe_load((chart / 'Chart.yaml').read_text())['name']}-{section}"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_pod_serves_on_while_proxies_leave_it(flavour: Flavour) -> None:
    [container] = pod(of(flavour))["containers"]
    assert container == {"name": rendered_names(flavour), "lifecycle": {"preStop": {"sleep": {"seconds": 10}}}}


@pytest.mark.parametrize("seconds", [1, 10, 300])
def test_a_server_has_time_for_its_queues_after_the_drain(seconds: int) -> None:
    """Kubernetes counts the drain against the grace period, and kills at its end."""
    fields = pod_fields(settings_of(infisical={"drainSeconds": seconds}).infisical)
    assert fields["template"]["spec"]["termination_grace_period_seconds"] == seconds + 50  # type: ignore[index,typeddict-item]


def test_without_a_drain_no_container_is_named() -> None:
    """A chart of somebody's own may name it otherwise, and the API server would take it for a second container."""
    graph = platform(infisical={"drainSeconds": 0})
    assert pod(graph).keys() == {"topologySpreadConstraints"}
    assert graph[PATCH]["spec", "minReadySeconds"] == 5


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_private_authorities_are_mounted_and_named_by_their_content(flavour: Flavour) -> None:
    """No chart before 1.4.1 can mount, so both get them by the patch."""
    pem = authority("corp").pem
    version = "0.4.2" if flavour == "infisical" else "1.10.0"
    chart = {"flavour": flavour, "version": version, "path": f"embedded/charts/{flavour}"}
    shown = {"authorities": pem, "chart": chart}
    graph = platform(infisical=shown)
    [config_map] = [each for each in graph if str(each) == "ConfigMap/infisical-authorities"]
    assert config_map["data"] == {"authorities.pem": pem}
    name = config_map["metadata", "name"]
    assert name.startswith("infisical-authorities-")
    fields = pod(graph)
    assert fields["volumes"] == [{"name": "authorities", "configMap": {"name": name}}]
    [container] = fields["containers"]
    assert container["name"] == rendered_names(flavour)
    [mount], [variable] = container["volumeMounts"], container["env"]
    assert variable == {"name": "NODE_EXTRA_CA_CERTS", "value": f"{mount['mountPath']}/authorities.pem"}
    assert graph.waits(PATCH, for_="ConfigMap/infisical-authorities")
    other = platform(infisical=shown | {"authorities": authority("other").pem})
    assert pod(other)["volumes"] != fields["volumes"], "a changed authority makes new pods"
    triggers = ("spec", "template", "metadata", "annotations")
    assert graph["Job/infisical-gate"][triggers] != other["Job/infisical-gate"][triggers]


def test_authorities_are_mounted_without_a_drain_too() -> None:
    graph = platform(infisical={"authorities": authority("corp").pem, "drainSeconds": 0})
    [container] = pod(graph)["containers"]
    assert "lifecycle" not in container


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_level_restricted_admits_a_server_that_has_no_drain_too(flavour: Flavour) -> None:
    """Before Kubernetes 1.30 there is none, and then nothing else of the stack names the container."""
    version = "0.4.2" if flavour == "infisical" else "1.10.0"
    chart = {"flavour": flavour, "version": version, "path": f"embedded/charts/{flavour}"}
    graph = platform(infisical={"chart": chart, "drainSeconds": 0}, pods={"podSecurity": "restricted"})
    [container] = pod(graph)["containers"]
    assert container["name"] == rendered_names(flavour)
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_patch_takes_the_fields_and_leaves_them_when_it_goes() -> None:
    """Helm owns the grace period that Kubernetes filled in; and a destroy need not replace pods that it deletes."""
    patch = platform()[PATCH]
    assert patch["metadata", "annotations"] == {
        "pulumi.com/patchForce": "true",
        "pulumi.com/patchFieldManager": "infisical-platform-pods",
        "pulumi.com/skipAwait": "true",
    }
    assert patch.retain_on_delete


@pytest.mark.parametrize("name", SHAPES)
def test_the_gate_proves_the_patched_pods(name: str) -> None:
    graph = shape(name)
    assert graph.waits(PATCH, for_="Release/infisical")
    assert graph.waits("Job/infisical-gate", for_=PATCH)


def test_the_gate_runs_again_when_the_pods_change() -> None:
    template = ("Job/infisical-gate", "spec", "template", "metadata")
    before, after = platform(), platform(infisical={"drainSeconds": 20})
    assert before[template[0]][template[1:]] != after[template[0]][template[1:]]


def test_a_switch_of_charts_leaves_the_other_charts_pods_alone() -> None:
    """The patch of the new release is a resource of its own, and names the new Deployment."""
    urn = "urn:pulumi:dev::infisical-platform::kubernetes:helm.sh/v3:Release::infisical"
    state = {
        urn: {"type": "kubernetes:helm.sh/v3:Release", "name": "infisical", "outputs": {"values": {"backend": {}}}}
    }
    graph = platform(state=state)
    assert graph["DeploymentPatch/infisical-standalone-pods"]["metadata", "name"] == "infisical"
    assert PATCH not in {str(resource) for resource in graph}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_budget_and_the_spread_are_of_the_charts_pods(flavour: Flavour) -> None:
    graph = of(flavour)
    labels = {"app": flavour, "component": "backend" if flavour == "infisical" else "infisical"}
    [spread] = pod(graph)["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": labels}
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    budget = graph["PodDisruptionBudget/infisical-budget"]
    assert budget["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": labels},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    assert budget["metadata"] == {"name": graph[PATCH]["metadata", "name"], "namespace": "infisical"}


def test_the_poolers_budget_is_of_its_pods() -> None:
    budget = platform()["PodDisruptionBudget/platform-db-pooler-budget"]
    assert budget["spec", "selector"] == {"matchLabels": {"connection-pooler": "platform-db-cluster-pooler"}}
    assert budget["metadata", "namespace"] == "platform-db-pg"


def test_pods_are_replaced_after_the_sentinels() -> None:
    """Their client of Redis tries the address of each Sentinel that it has ever seen, 10 s long."""

    def remembered(**redis: Any) -> object:
        return platform(redis=redis)[PATCH]["spec", "template", "metadata", "annotations"]

    assert remembered(memoryLimit="300Mi") != remembered()
    assert remembered(sentinel={"memoryLimit": "300Mi"}) != remembered()
    assert remembered(storage="2Gi") == remembered()
    assert platform().waits(PATCH, for_="Job/platform-kv-gate")
    external = shape("sentinels")[PATCH]["spec", "template"]
    assert "metadata" not in external
