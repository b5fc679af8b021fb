"""Say what neither chart can say about Infisical's pods: how they end, and where they run."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import apps, core, meta

from components.base.content import content_addressed
from settings.affinity import in_python
from settings.infisical import Flavour, InfisicalSettings

_READY_SECONDS = 5  # a new pod has answered for so long before an old one goes
_QUEUES_SECONDS = 50  # after the drain: a server waits for the queues' running jobs before it exits
_SENTINELS = "infisical-platform/sentinels"  # an annotation
_AUTHORITIES, _FOLDER = "authorities", "/etc/infisical-authorities"
_LABELS: Mapping[Flavour, Mapping[str, str]] = {
    "infisical": {"app": "infisical", "component": "backend"},
    "infisical-standalone": {"app": "infisical-standalone", "component": "infisical"},
}
_ANNOTATIONS = {
    # Kubernetes fills in a grace period for whoever creates a Deployment, so it belongs to Helm until this takes it.
    "pulumi.com/patchForce": "true",
    "pulumi.com/patchFieldManager": "infisical-platform-pods",
    "pulumi.com/skipAwait": "true",  # the gate follows the rollout, and says why one fails
}


def workload_name(flavour: Flavour) -> str:
    """Return the name of the chart's Deployment and Service. Those of both charts exist together during a switch."""
    return "infisical-backend" if flavour == "infisical" else "infisical"


def other_flavour(flavour: Flavour) -> Flavour:
    """Return the chart that is not this one."""
    return "infisical-standalone" if flavour == "infisical" else "infisical"


def labels(flavour: Flavour) -> Mapping[str, str]:
    """Return the labels that the chart gives to Infisical's pods, and to no others."""
    return _LABELS[flavour]


def authorities_of(name: str, namespace: Input[str], trusted: str, *, parent: Resource) -> Output[str] | None:
    """Return the name of a ConfigMap with the private authorities, None for a stack without any."""
    if not trusted:
        return None
    data = {f"{_AUTHORITIES}.pem": trusted}
    return content_addressed(f"{name}-authorities", namespace, data, parent=parent).metadata.name.apply(str)


def pod_fields(
    infisical: InfisicalSettings, authorities: Input[str] | None = None, sentinels: str = ""
) -> apps.v1.DeploymentSpecPatchArgsDict:
    """Return the part of the Deployment's spec that the program owns.

    A server that is told to end refuses new connections at once, while proxies still send them for a moment. So it is
    told only after every proxy has had `drainSeconds` to leave it. `authorities` names a ConfigMap. A different
    `sentinels` replaces the pods.
    """
    pod: core.v1.PodSpecPatchArgsDict = {"topology_spread_constraints": [_spread(infisical.chart.flavour)]}
    container: core.v1.ContainerPatchArgsDict = {}
    if infisical.affinity:
        pod["affinity"] = in_python(infisical.affinity.manifest)
    if infisical.drain_seconds:
        container["lifecycle"] = {"pre_stop": {"sleep": {"seconds": infisical.drain_seconds}}}
        pod["termination_grace_period_seconds"] = infisical.drain_seconds + _QUEUES_SECONDS
    if authorities is not None:
        # All three stand together: a variable that names no file makes Node warn at each start.
        pod["volumes"] = [{"name": _AUTHORITIES, "config_map": {"name": authorities}}]
        container["volume_mounts"] = [{"name": _AUTHORITIES, "mount_path": _FOLDER, "read_only": True}]
        container["env"] = [{"name": "NODE_EXTRA_CA_CERTS", "value": f"{_FOLDER}/{_AUTHORITIES}.pem"}]
    if container:
        pod["containers"] = [{"name": container_of(workload_name(infisical.chart.flavour)), **container}]
    template: core.v1.PodTemplateSpecPatchArgsDict = {"spec": pod}
    if sentinels:
        template["metadata"] = {"annotations": {_SENTINELS: sentinels}}
    return {"min_ready_seconds": _READY_SECONDS, "template": template}


def patched(
    name: str,
    namespace: Input[str],
    infisical: InfisicalSettings,
    fields: apps.v1.DeploymentSpecPatchArgsDict,
    release: Resource,
    *,
    parent: Resource,
) -> apps.v1.DeploymentPatch:
    """Set `fields` on the Deployment that the release has made. Helm keeps them in each later upgrade.

    They stay when the patch is deleted: to take them away would replace every pod just before `destroy` deletes it.
    """
    return apps.v1.DeploymentPatch(
        name,
        metadata=meta.v1.ObjectMetaPatchArgs(
            name=workload_name(infisical.chart.flavour), namespace=namespace, annotations=_ANNOTATIONS
        ),
        spec=fields,
        opts=ResourceOptions(parent=parent, depends_on=[release], retain_on_delete=True),
    )


def container_of(workload: str) -> str:
    """Return the name that the Deployment's chart gives to Infisical's container: its own, and that of its section."""
    return workload if workload == workload_name("infisical") else "infisical-standalone-infisical"


def _spread(flavour: Flavour) -> core.v1.TopologySpreadConstraintPatchArgsDict:
    """Ask for a node of its own for each pod. Pods of a revision that ends don't count."""
    return {
        "max_skew": 1,
        "topology_key": "kubernetes.io/hostname",
        "when_unsatisfiable": "ScheduleAnyway",
        "label_selector": {"match_labels": dict(labels(flavour))},
        "match_label_keys": ["pod-template-hash"],
    }
