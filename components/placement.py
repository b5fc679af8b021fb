"""Have every pod of the stack obey section `pods`, whoever makes it: this program, an operator or a chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pulumi import CustomTimeouts, ResourceOptions, ResourceTransformationArgs, ResourceTransformationResult
from pulumi_kubernetes import batch, core, meta

from components.base.content import digest
from components.base.job import START_SECONDS
from components.base.names import REDIS_REPLICATION, SENTINEL_STATEFUL_SET
from components.infisical_pods import container_of
from components.placed_charts import CHARTS, merged
from settings import Settings
from settings.affinity import in_python
from settings.cluster import JobSettings
from settings.names import Names
from settings.pods import PodSettings
from settings.resources import resources_of

PULLS = "registry-credentials"
# A proxy beside a Job would keep it from ending. Istio looks at the first label, and in ambient mode, where it would
# send what the Job says to a port that policies close, at the second. Linkerd looks at the annotation.
_NO_SIDECAR_LABELS = {"sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none"}
_NO_SIDECAR_ANNOTATIONS = {"linkerd.io/inject": "disabled"}
_WHEN = {"preferred": "ScheduleAnyway", "required": "DoNotSchedule"}
_POD_CONTEXT = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER_CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
_SERVER = 1001  # the user of Infisical's image, as a number because the kubelet can't judge a name

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

Json = dict[str, Any]
Change = Callable[["Placement", Json], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """What sections `pods` and `jobs` ask of every pod, in the words of Kubernetes."""

    pods: PodSettings
    pulls: bool  # with the credentials of a registry
    jobs: JobSettings = field(default_factory=JobSettings)
    names: Names = field(default_factory=Names)

    @classmethod
    def of(cls, settings: Settings) -> Placement:
        """Return the placement that a stack's settings make."""
        pulls, names = settings.registry_credentials is not None, settings.cluster.names
        return cls(pods=settings.pods, jobs=settings.jobs, pulls=pulls, names=names)

    def __call__(self, args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
        """Return the resource with what it says of its pods. A resource without pods is left as it is."""
        change = _CHANGES.get(args.type_)
        if not change:
            return None
        props: Json = dict(args.props)
        change(self, props)
        if args.type_ == _JOB:
            _await_longer(args.opts, self.starts_later)
        return ResourceTransformationResult(props, args.opts)

    @property
    def starts_later(self) -> int:
        """Return the seconds that a Job's pod may take to start, beyond what every Job has."""
        return self.jobs.start_minutes * 60 - START_SECONDS

    @property
    def tolerations(self) -> list[Json]:
        """Return the tolerations as a pod has them."""
        return [each.model_dump(exclude_none=True) for each in self.pods.tolerations]

    @property
    def pull_secrets(self) -> list[Json]:
        """Return the references to the Secret that PullSecrets makes in each namespace."""
        return [{"name": PULLS}] if self.pulls else []

    @property
    def fields(self) -> Json:
        """Return the fields of a pod that say where it runs, as Kubernetes has them."""
        return _given(
            tolerations=self.tolerations,
            nodeSelector=dict(self.pods.node_selector),
            priorityClassName=self.pods.priority_class_name,
            imagePullSecrets=self.pull_secrets,
        )


def _given(**fields: object) -> Json:
    """Return the fields that say something: an empty one would change what is deployed."""
    return {name: value for name, value in fields.items() if value}


def _job(placement: Placement, props: Json) -> None:
    props["spec"] = _spec(placement, props["spec"])


def _cron_job(placement: Placement, props: Json) -> None:
    template = props["spec"].job_template
    template.spec = _spec(placement, template.spec)


def _spec(placement: Placement, spec: batch.v1.JobSpecArgs) -> batch.v1.JobSpecArgs:
    """Return a Job that may start as late as the stack says, a copy because its CronJob may share the template."""
    assert isinstance(spec.template, core.v1.PodTemplateSpecArgs)
    _template(placement, spec.template)
    deadline = spec.active_deadline_seconds
    if isinstance(deadline, int):  # policy jobs-end speaks of one that has none
        deadline += placement.starts_later
    return batch.v1.JobSpecArgs(
        backoff_limit=spec.backoff_limit,
        active_deadline_seconds=deadline,
        template=spec.template,
    )


def _await_longer(opts: ResourceOptions, seconds: int) -> None:
    """Have `up` wait for a Job as long as the cluster lets it run."""
    limits = opts.custom_timeouts
    assert limits
    create, update = (f"{int(str(limit).removesuffix('s')) + seconds}s" for limit in (limits.create, limits.update))
    opts.custom_timeouts = CustomTimeouts(create=create, update=update)


def _template(placement: Placement, template: core.v1.PodTemplateSpecArgs) -> None:
    """Place a Job's pod. The digest has every gate run again when the section changes."""
    pods = placement.pods
    pod, metadata = template.spec, template.metadata
    assert isinstance(pod, core.v1.PodSpecArgs)
    assert isinstance(metadata, meta.v1.ObjectMetaArgs)
    said = {"infisical-platform/pods": digest(pods.model_dump())} if pods != PodSettings() else {}
    metadata.labels = _with(metadata.labels, {**pods.labels, **_NO_SIDECAR_LABELS})
    metadata.annotations = _with(metadata.annotations, {**said, **_NO_SIDECAR_ANNOTATIONS})
    if pods.tolerations:
        pod.tolerations = [core.v1.TolerationArgs(**each) for each in placement.tolerations]
    if pods.node_selector:
        pod.node_selector = dict(pods.node_selector)
    if pods.priority_class_name:
        pod.priority_class_name = pods.priority_class_name
    if placement.jobs.affinity:
        pod.affinity = in_python(placement.jobs.affinity.manifest)
    for container in cast("list[core.v1.ContainerArgs]", pod.containers):
        container.resources = _job_resources(placement.jobs, container)
    if placement.pulls:
        pod.image_pull_secrets = [core.v1.LocalObjectReferenceArgs(name=PULLS)]


def _job_resources(jobs: JobSettings, container: core.v1.ContainerArgs) -> core.v1.ResourceRequirementsArgs:
    """Return what the stack gives to each Job. One that has a memory limit of its own keeps it."""
    own = cast("core.v1.ResourceRequirementsArgs | None", container.resources)
    wanted = resources_of(jobs)
    limits = {**wanted["limits"], **cast("Mapping[str, str]", own.limits if own else {})}
    return core.v1.ResourceRequirementsArgs(requests=wanted["requests"], limits=limits)


def _with(given: object, more: Mapping[str, str]) -> Json:
    return {**cast("Mapping[str, str]", given or {}), **more}


def _infisical(placement: Placement, props: Json) -> None:
    """Say of Infisical's pods, through the patch of their Deployment, what no chart can say."""
    pods, spec = placement.pods, props["spec"]
    template: Json = spec["template"]
    pod: Json = {
        **template["spec"],
        **_given(
            tolerations=placement.tolerations,
            node_selector=dict(pods.node_selector),
            priority_class_name=pods.priority_class_name,
            image_pull_secrets=placement.pull_secrets,
        ),
    }
    if pods.spread:
        constraints: list[Json] = pod["topology_spread_constraints"]
        pod["topology_spread_constraints"] = [
            {**each, "when_unsatisfiable": _WHEN[pods.spread]} for each in constraints
        ]
    if pods.pod_security:
        pod["security_context"] = {**_POD_CONTEXT, "runAsUser": _SERVER, "runAsGroup": _SERVER, "fsGroup": _SERVER}
        named = pod.get("containers") or [{"name": container_of(props["metadata"].name)}]
        pod["containers"] = [{**each, "security_context": _CONTAINER_CONTEXT} for each in named]
    labels = {"metadata": {**template.get("metadata", {}), "labels": dict(pods.labels)}} if pods.labels else {}
    props["spec"] = {**spec, "template": {**template, **labels, "spec": pod}}


def _release(placement: Placement, props: Json) -> None:
    """Say it of an operator, in its chart's values. Infisical's own release has a patch instead."""
    if place := CHARTS.get(props["name"]):
        props["values"] = merged(props["values"], place(placement.fields))


def _redis(placement: Placement, props: Json) -> None:
    """Say it of Redis or Sentinel, in the fields that redis-operator has for it."""
    pods, spec = placement.pods, props["spec"]
    workload = REDIS_REPLICATION if props["kind"] == "RedisReplication" else SENTINEL_STATEFUL_SET
    kubernetes: Json = {**spec["kubernetesConfig"], **_given(imagePullSecrets=placement.pull_secrets)}
    spec = {
        **spec,
        "kubernetesConfig": kubernetes,
        **_given(
            tolerations=placement.tolerations,
            nodeSelector=dict(pods.node_selector),
            priorityClassName=pods.priority_class_name,
            topologySpreadConstraints=[_spread(_WHEN[pods.spread], workload)] if pods.spread else [],
        ),
    }
    if pods.pod_security:
        spec["podSecurityContext"] = {**spec["podSecurityContext"], **_POD_CONTEXT}
        spec["securityContext"] = _CONTAINER_CONTEXT
        # The context of the operator's own init container is read from here, whether or not there is one of ours.
        none = {"enabled": False, "image": kubernetes["image"]}
        spec["initContainer"] = {**spec.get("initContainer", none), "securityContext": _CONTAINER_CONTEXT}
    props["spec"] = spec


def _spread(when: str, workload: str) -> Json:
    selector = {"matchLabels": {"app": workload}}
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": when,
        "labelSelector": selector,
    }


def _database(placement: Placement, props: Json) -> None:
    """Say it of PostgreSQL and its pooler. The Zalando operator knows no nodeSelector, so a node affinity says that."""
    pods = placement.pods
    selected = [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(pods.node_selector.items())]
    props["spec"] = {
        **props["spec"],
        **_given(
            tolerations=placement.tolerations,
            nodeAffinity=_selecting(props["spec"].get("nodeAffinity", {}), selected),
            podPriorityClassName=pods.priority_class_name,
        ),
    }


def _selecting(affinity: Json, selected: Sequence[Json]) -> Json:
    """Return a node affinity whose every term asks for the selected labels too, because one term is enough."""
    if not selected:
        return affinity
    terms = affinity.get(_REQUIRED, {}).get("nodeSelectorTerms", [{"matchExpressions": []}])
    both = [{"matchExpressions": [*term["matchExpressions"], *selected]} for term in terms]
    return {**affinity, _REQUIRED: {"nodeSelectorTerms": both}}


def _solver(placement: Placement, props: Json) -> None:
    """Say it of the pods that answer Let's Encrypt's challenges."""
    spec, pod = props["spec"], placement.fields
    if "acme" in spec and pod:
        [solver] = spec["acme"]["solvers"]
        [(kind, way)] = solver["http01"].items()  # through an Ingress or a Gateway
        http01 = {kind: {**way, "podTemplate": {"spec": pod}}}
        props["spec"] = {**spec, "acme": {**spec["acme"], "solvers": [{"http01": http01}]}}


def _namespace(placement: Placement, props: Json) -> None:
    names, metadata = placement.names, props["metadata"]
    levels = {names.infisical: "restricted", names.redis: "restricted", names.database: "baseline"}
    if placement.pods.pod_security and metadata.name in levels:
        metadata.labels = _with(metadata.labels, {"pod-security.kubernetes.io/enforce": levels[metadata.name]})


_JOB = "kubernetes:batch/v1:Job"
_CHANGES: Mapping[str, Change] = {
    _JOB: _job,
    "kubernetes:batch/v1:CronJob": _cron_job,
    "kubernetes:apps/v1:DeploymentPatch": _infisical,
    "kubernetes:helm.sh/v3:Release": _release,
    "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication": _redis,
    "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisSentinel": _redis,
    "kubernetes:acid.zalan.do/v1:postgresql": _database,
    "kubernetes:cert-manager.io/v1:Issuer": _solver,
    "kubernetes:core/v1:Namespace": _namespace,
}
