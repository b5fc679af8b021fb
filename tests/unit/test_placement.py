"""Section `pods`: every pod of the stack obeys it, whoever makes the pod, and without it nothing is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from settings import Settings
from settings.machinery.schema import fields, sections_in
from settings.machinery.types import IMAGE
from settings.redis import RedisSettings
from tests.unit.configurations import errors, load, with_
from tests.unit.harness import SHAPES, Graph, Resource, platform, shape

TAINT = {"key": "infra", "operator": "Equal", "value": "x", "effect": "NoSchedule"}
SECTION: dict[str, Any] = {
    "tolerations": [TAINT],
    "nodeSelector": {"disk": "ssd"},
    "priorityClassName": "urgent",
    "labels": {"cost": "security"},
    "spread": "required",
    "podSecurity": "restricted",
}
CREDENTIALS = json.dumps({"auths": {"registry.example.org": {"auth": "dTpw"}}})
LETS_ENCRYPT = {"issuer": {"kind": "letsEncrypt", "email": "ops@example.net"}}
REDIS = ("RedisReplication/platform-kv-replication", "RedisSentinel/platform-kv-sentinel")
SPREAD = "topologySpreadConstraints"
PULLS = [{"name": "registry-credentials"}]
WANTED: tuple[Any, ...] = ([TAINT], {"disk": "ssd"}, "urgent", PULLS)


# What each kind of resource says of its pods. The database's pods take the credentials from their ServiceAccount.
RELEASES: Mapping[str, Callable[[Any], Any]] = {
    # The chart of the secrets operator has no field for a priority class.
    "secrets-operator": lambda values: {"priorityClassName": "urgent", **values, **values["controllerManager"]},
    "postgres-operator": lambda values: values,
    "redis-operator": lambda values: {**values, **values["redisOperator"]},
    "cert-manager": lambda values: {**values, **values["global"]},
}
POD = ("tolerations", "nodeSelector", "priorityClassName", "imagePullSecrets")
MAKERS: Mapping[str, Callable[[Resource], Any]] = {
    "Job": lambda job: job["spec", "template", "spec"],
    "CronJob": lambda job: job["spec", "jobTemplate", "spec", "template", "spec"],
    "DeploymentPatch": lambda patch: patch["spec", "template", "spec"],
    "RedisReplication": lambda redis: {**redis["spec"], **redis["spec", "kubernetesConfig"]},
    "RedisSentinel": lambda sentinel: {**sentinel["spec"], **sentinel["spec", "kubernetesConfig"]},
    "postgresql": lambda database: {
        "tolerations": database["spec", "tolerations"],
        "nodeSelector": selected(database["spec", "nodeAffinity"]),
        "priorityClassName": database["spec", "podPriorityClassName"],
        "imagePullSecrets": PULLS,
    },
    "Release": lambda release: RELEASES[release.name](release["values"]),
    "Issuer": lambda issuer: issuer["spec", "acme", "solvers"][0]["http01"]["ingress"]["podTemplate"]["spec"],
}
PODLESS = (
    "Certificate ClusterIssuer ClusterRole ClusterRoleBinding ConfigMap CustomResourceDefinition Gateway HTTPRoute "
    "InfisicalAuth InfisicalConnection InfisicalStaticSecret "
    "Ingress IngressClass Namespace NetworkPolicy PersistentVolumeClaim PodDisruptionBudget RandomPassword RandomUuid "
    "ReferenceGrant Role RoleBinding Secret ServiceAccount ServiceAccountPatch StorageClass"
)


def selected(affinity: Any) -> dict[str, str]:
    [term] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return {each["key"]: each["values"][0] for each in term["matchExpressions"] if each["operator"] == "In"}


def makes_pods(resource: Resource) -> bool:
    """Infisical's own release says it through the patch, and other issuers than Let's Encrypt start no pods."""
    if resource.kind == "Release":
        return resource.name != "infisical"
    return resource.kind in MAKERS and (resource.kind != "Issuer" or "acme" in resource["spec"])


def placed(**section: Any) -> Graph:
    given = {"pods": section or SECTION, "registryCredentials": CREDENTIALS}
    return platform(infisical={"siteUrl": "https://a.example.net"}, ingress=LETS_ENCRYPT, **given)


def jobs(graph: Graph) -> list[Resource]:
    return [resource for resource in graph if resource.kind in ("Job", "CronJob")]


def template_of(job: Resource) -> Any:
    return job["spec", "jobTemplate", "spec", "template"] if job.kind == "CronJob" else job["spec", "template"]


@pytest.mark.parametrize("name", SHAPES)
def test_every_pod_of_every_shape_goes_where_it_may_and_pulls_with_the_credentials(name: str) -> None:
    """Each in the fields that its maker has for it."""
    graph = shape(name, pods=SECTION, registryCredentials=CREDENTIALS)
    makers = [resource for resource in graph if makes_pods(resource)]
    assert len(makers) >= 10
    for resource in makers:
        spec = MAKERS[resource.kind](resource)
        assert {key: spec.get(key) for key in POD} == dict(zip(POD, WANTED, strict=True)), resource


@pytest.mark.parametrize("name", SHAPES)
def test_the_credentials_are_wherever_pods_are(name: str) -> None:
    graph = shape(name, pods=SECTION, registryCredentials=CREDENTIALS)
    secrets = [secret for secret in graph if secret.kind == "Secret" and secret.name.startswith("pull-secrets-")]
    homes = {r["namespace"] if r.kind == "Release" else r["metadata", "namespace"] for r in graph if makes_pods(r)}
    assert {secret["metadata", "namespace"] for secret in secrets} == homes
    for secret in secrets:
        assert secret["metadata", "name"] == "registry-credentials"
        assert secret["type"] == "kubernetes.io/dockerconfigjson"
        assert graph.secret(str(secret), "stringData", ".dockerconfigjson")
        [namespace] = [
            r for r in graph if r.kind == "Namespace" and r["metadata", "name"] == secret["metadata", "namespace"]
        ]
        assert graph.waits(str(secret), for_=str(namespace))
    below = [*secrets, graph["ServiceAccountPatch/pull-secrets-postgres-pod"]]
    assert {resource.parent for resource in below} == {graph["PullSecrets/pull-secrets"].urn}
    assert graph.leaks() == []


def test_no_kind_of_resource_is_new_here() -> None:
    """A new one that makes pods would ignore the section in silence: it belongs into MAKERS, and into placement."""
    kinds = {resource.kind for name in SHAPES for resource in shape(name).objects}
    assert kinds - {*MAKERS} - {*PODLESS.split()} == set()


def test_the_databases_pods_pull_by_their_account() -> None:
    """The Zalando operator has no field for it, and keeps an account that is there."""
    account = placed()["ServiceAccountPatch/pull-secrets-postgres-pod"]
    assert (account["metadata", "name"], account["imagePullSecrets"]) == ("postgres-pod", PULLS)
    assert account["metadata", "namespace"] == "platform-db-pg"


def test_without_credentials_nothing_is_made_for_them() -> None:
    assert not [resource for resource in platform() if "pull-secrets" in resource.name]


def test_every_part_of_cert_manager_bears_the_taints() -> None:
    values = shape("installed", pods=SECTION)["Release/cert-manager"]["values"]
    assert [values[part]["tolerations"] for part in ("webhook", "cainjector")] == [[TAINT], [TAINT]]


def test_labels_are_for_infisical_and_the_jobs() -> None:
    """redis-operator copies labels into volume claims, which no update can change."""
    graph = placed()
    for job in jobs(graph):
        assert template_of(job)["metadata"]["labels"]["cost"] == "security"
    metadata = graph["DeploymentPatch/infisical-pods"]["spec", "template", "metadata"]
    assert metadata["labels"] == {"cost": "security"}
    assert metadata["annotations"].keys() == {"infisical-platform/sentinels"}
    for name in ("RedisReplication/platform-kv-replication", "postgresql/platform-db-cluster"):
        assert "labels" not in graph[name]["metadata"]


@pytest.mark.parametrize(("spread", "when"), [("preferred", "ScheduleAnyway"), ("required", "DoNotSchedule")])
def test_each_pod_of_a_part_gets_a_node_of_its_own(spread: str, when: str) -> None:
    graph = placed(spread=spread)
    found = {name: graph[name]["spec", SPREAD][0] for name in REDIS}
    [found["Infisical"]] = graph["DeploymentPatch/infisical-pods"]["spec", "template", "spec"][SPREAD]
    assert {each["whenUnsatisfiable"] for each in found.values()} == {when}
    assert {each["maxSkew"] for each in found.values()} == {1}
    apps = {name: each["labelSelector"]["matchLabels"]["app"] for name, each in found.items()}
    assert apps == {
        "RedisReplication/platform-kv-replication": "platform-kv",
        "RedisSentinel/platform-kv-sentinel": "platform-kv-sentinel-sentinel",
        "Infisical": "infisical-standalone",
    }


def test_restricted_namespaces_and_contexts() -> None:
    """Spilo needs more than level restricted admits, so the database's namespace has baseline."""
    graph = placed()
    enforced = {
        resource["metadata", "name"]: resource["metadata", "labels"]["pod-security.kubernetes.io/enforce"]
        for resource in graph
        if resource.kind == "Namespace"
    }
    assert enforced == {
        "platform-db-pg": "baseline",
        "platform-kv-redis-cluster": "restricted",
        "infisical": "restricted",
    }


def test_no_sidecar_joins_a_job() -> None:
    """It would keep the Job from ending, whatever the stack says of pods."""
    for job in jobs(platform()):
        metadata = template_of(job)["metadata"]
        assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
        assert metadata["labels"]["istio.io/dataplane-mode"] == "none"
        assert metadata["annotations"]["linkerd.io/inject"] == "disabled"


def test_without_the_section_no_other_field_is_there() -> None:
    graph = platform()
    words = "tolerations nodeSelector nodeAffinity priorityClassName podPriorityClassName imagePullSecrets"
    new = {*words.split(), SPREAD, "securityContext"}
    for name in (*REDIS, "postgresql/platform-db-cluster"):
        assert not new & graph[name]["spec"].keys(), name
    for job in jobs(graph):
        assert not (new - {"securityContext"}) & template_of(job)["spec"].keys()
        assert "infisical-platform/pods" not in template_of(job)["metadata"]["annotations"]


def test_every_gate_runs_again_when_the_section_changes() -> None:
    before, after = platform(), platform(pods={"spread": "preferred"})
    for job in jobs(before):
        assert template_of(job)["metadata"] != template_of(after[str(job)])["metadata"]


# --- the mirror ------------------------------------------------------------------------------------------------------

MIRROR = "registry.example.org:5000/mirror"


def images(settings: Any, above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, str) and IMAGE in field.metadata:
            found[f"{above}{name}"] = value
        elif hasattr(value, "model_fields_set"):
            found |= images(value, f"{above}{name}.")
    return found


def test_every_default_image_comes_from_the_mirror() -> None:
    plain, mirrored = load(with_()), load(with_(("pods.registry", MIRROR)))
    assert len(images(plain)) >= 5
    assert all(image.startswith(f"{MIRROR}/") for image in images(mirrored).values())
    assert images(mirrored)["jobs.python_image"] == f"{MIRROR}/library/python:3.13-slim"
    assert images(mirrored)["redis.image"] == f"{MIRROR}/opstree/redis:v7.0.15"


def test_an_image_that_the_stack_names_stays() -> None:
    settings = load(with_(("pods.registry", MIRROR), ("redis.image", "quay.io/opstree/redis:v7.0.15")))
    assert isinstance(settings.redis, RedisSettings)
    assert settings.redis.image == "quay.io/opstree/redis:v7.0.15"
    assert settings.redis.sentinel_image.startswith(MIRROR)


def test_every_image_of_the_settings_is_known_to_the_mirror() -> None:
    """By its type: a field of plain text would be left out in silence."""
    leaves = [(path, field) for path, field, _ in fields(Settings) if not sections_in(field)]
    named = {path: IMAGE in field.metadata for path, field in leaves if path[-1].lower().endswith("image")}
    assert len(named) >= 5
    assert all(named.values()), named


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pods.labels", {"app": "x"}, "app is taken"),
        ("pods.labels", {"infisical-platform/job": "x"}, "infisical-platform/job is taken"),
        ("pods.labels", {"a/b/c": "x"}, "pods.labels"),
        ("pods.nodeSelector", {"disk": "s s d"}, "pods.nodeSelector.disk"),
        ("pods.tolerations", [{"operator": "Equal"}], "key: required with operator Equal"),
        ("pods.tolerations", [{"key": "a", "operator": "Exists", "value": "x"}], "leave it out with operator Exists"),
        ("pods.tolerations", [{"key": "a", "effect": "NoRun"}], "pods.tolerations[0].effect"),
        ("pods.registry", "https://r.example.org", "pods.registry"),
        ("pods.registry", "r.example.org/", "pods.registry"),
        ("pods.registry", "mirror", "pods.registry"),
        ("pods.spread", "always", "pods.spread"),
        ("registryCredentials", "hunter2hunter2", "docker config.json"),
        ("registryCredentials", '{"auths": {}}', "docker config.json"),
        ("registryCredentials", '{"auths": {"r": {"username": "u"}}}', "docker config.json"),
    ],
)
def test_what_no_cluster_could_take_is_refused(key: str, value: Any, said: str) -> None:
    [line] = errors(with_((key, value)))
    assert said in line
    assert "hunter2" not in line
