"""The whole graph: what waits for what, what is secret, and the rules which hold for every resource."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from unittest import mock

import pulumi
import pytest

from components.operator_values import RELEASES
from tests.unit.backup_order import BACKUPS, MOVES, RESTORES, backups_of, seconds_of_backups
from tests.unit.harness import SHAPES, Graph, Resource, platform, shape

INSTALLING = {f"{release}-gate" for release in RELEASES.values()}

JOB = "kubernetes:batch/v1:Job"
CRON_JOB = "kubernetes:batch/v1:CronJob"
# What a rotated password of the database waits for, before it is published.
ROTATED = {"platform-db-gate-operator", "platform-db-gate-login"}
OF_REDIS = {"platform-kv-rotation", "platform-kv-handover", "platform-kv-servers"}
# What takes more than a moment, with the seconds of an `up` on the embedded cluster, two cores.
SECONDS = {
    "Certificate/platform-db-leaf": 1,
    "postgresql/platform-db-cluster": 0.1,
    "Job/platform-db-gate-operator": 40,
    "Job/platform-db-gate-login": 4,
    "RedisReplication/platform-kv-replication": 0.1,
    "Job/platform-kv-handover": 4,
    "Job/platform-kv-servers": 30,
    "RedisSentinel/platform-kv-sentinel": 0.1,
    "Job/platform-kv-gate": 32,
    "Job/cert-sync": 4,
    "Job/infisical-migration": 5,
    "Release/infisical": 0.5,
    "Job/infisical-gate": 16,
    "Certificate/ingress-certificate": 1,
    "ingress-route": 0.5,
}


@pytest.fixture(params=SHAPES)
def graph(request: pytest.FixtureRequest) -> Graph:
    """Each rule holds whatever the stack."""
    return shape(request.param)


def _is_rotated(graph: Graph) -> bool:
    return any(job.name == "platform-kv-rotation" for job in graph.of_type(JOB))


# --- order -----------------------------------------------------------------------------------------------------------


def test_everything_waits_for_what_it_needs_and_for_nothing_else(graph: Graph) -> None:
    """The order of all that takes time, as its fewest waits: one too few is a race, one too many is time lost."""
    seconds = seconds_of_backups(graph)
    found = graph.order(SECONDS | seconds) - (BACKUPS if seconds else set())
    if "Job/restore" in seconds:
        # By way of the restore.
        found = (found - RESTORES - MOVES) | {("Release/infisical", "Job/platform-kv-gate")}
    if _is_rotated(graph):
        found -= {("Certificate/ingress-certificate", "Job/platform-db-gate-login")}  # by way of infisical-secrets
    assert found == {
        # later, earlier
        ("postgresql/platform-db-cluster", "Certificate/platform-db-leaf"),
        ("Job/platform-db-gate-operator", "postgresql/platform-db-cluster"),
        ("Job/platform-db-gate-login", "Job/platform-db-gate-operator"),
        ("RedisReplication/platform-kv-replication", "Job/platform-kv-handover"),
        ("Job/platform-kv-servers", "RedisReplication/platform-kv-replication"),
        ("RedisSentinel/platform-kv-sentinel", "Job/platform-kv-servers"),
        ("Job/platform-kv-gate", "RedisSentinel/platform-kv-sentinel"),
        ("Job/cert-sync", "Job/platform-db-gate-login"),
        ("Job/infisical-migration", "Job/cert-sync"),
        ("Release/infisical", "Job/infisical-migration"),
        ("Release/infisical", "Job/platform-kv-gate"),
        ("Job/infisical-gate", "Release/infisical"),
        ("ingress-route", "Job/infisical-gate"),
        ("ingress-route", "Certificate/ingress-certificate"),
    }


@pytest.mark.parametrize(
    ("name", "waits"), [("restored", RESTORES), ("moved-in", MOVES), ("backed-up", set()), ("bucket", set())]
)
def test_backups_wait_and_are_waited_for(name: str, waits: set[tuple[str, str]]) -> None:
    graph = shape(name)
    assert graph.order(SECONDS | seconds_of_backups(graph)) >= BACKUPS | waits


def test_redis_sets_the_time_of_the_whole() -> None:
    """Its operator makes five calls a second and waits longer after each that fails, as they do while pods start."""
    assert platform().critical_path(SECONDS) == [
        "Job/platform-kv-handover",
        "RedisReplication/platform-kv-replication",
        "Job/platform-kv-servers",
        "RedisSentinel/platform-kv-sentinel",
        "Job/platform-kv-gate",
        "Release/infisical",
        "Job/infisical-gate",
        "ingress-route",
    ]


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("Job/platform-db-gate-operator", "platform-db-leaf"),
        ("cert-sync", "platform-db"),
        ("cert-sync", "infisical-secrets"),
        ("infisical", "cert-sync"),
        ("infisical", "platform-db"),
        ("infisical", "infisical-secrets"),
        ("Release/infisical", "platform-kv"),
        ("ingress", "infisical-secrets"),
    ],
)
def test_whole_components_wait(graph: Graph, later: str, earlier: str) -> None:
    assert graph.waits(later, for_=earlier)
    assert graph.free(earlier, of=later)


def test_what_is_made_at_once_waits_for_nothing_that_takes_time(graph: Graph) -> None:
    """Namespaces, passwords, certificates and the environment are there while operators work.

    Only a rotation of a password, which its server has to know before anybody uses it, the backup before a change and
    the operators that the stack installs come first. Redis is handed over, and its Sentinels change once it has.
    """
    late = ROTATED if _is_rotated(graph) else set[str]()
    for name in ("platform-db", "platform-kv", "infisical-secrets", "ingress-certificate"):
        for resource in graph.made_by(name):
            for job in graph.of_type(JOB):
                if job.name in {*OF_REDIS, "backup-before", *INSTALLING}:
                    continue
                if job.name in late and resource.name in ("infisical-secrets", "ingress-certificate"):
                    continue
                assert resource.kind == "Job" or graph.free(str(resource), of=str(job))


# --- rules of every resource -----------------------------------------------------------------------------------------


def test_every_resource_has_an_explicit_provider(graph: Graph) -> None:
    """The default provider follows whatever context kubectl is in."""
    expected = {"kubernetes": "kubernetes", "random": "random"}
    wrong = [str(r) for r in graph.objects if expected[r.type.split(":")[0]] != r.provider.rpartition("::")[2]]
    assert wrong == []


# Where an object of Kubernetes names another one: the end of the path to it, and the kind.
REFERENCES: Mapping[tuple[str, ...], str] = {
    ("namespace",): "Namespace",
    ("secretName",): "Secret",
    ("secretKeyRef", "name"): "Secret",
    ("secretRef", "name"): "Secret",
    ("redisSecret", "name"): "Secret",
    ("kubeSecretRef",): "Secret",
    ("configMap", "name"): "ConfigMap",
    ("additionalRedisConfig",): "ConfigMap",
    ("serviceAccountName",): "ServiceAccount",
    ("roleRef", "name"): "Role",
    ("issuerRef", "name"): "Issuer",
    ("redisReplicationName",): "RedisReplication",
}


def test_who_names_an_object_waits_for_it(graph: Graph) -> None:
    """Whether by an Output or by `depends_on`: a name alone is no order."""
    made = {_object(r)[1:]: str(r) for r in graph.objects}
    found: dict[str, bool] = {}
    for resource in graph.objects:
        for leaf in resource.leaves():
            keys = tuple(key for key in leaf.path if isinstance(key, str))
            if leaf.value and (kind := REFERENCES.get(keys[-1:]) or REFERENCES.get(keys[-2:])):
                namespace = "" if kind == "Namespace" else _object(resource)[2]
                if named := made.get((kind, namespace, str(leaf.value))):
                    found[f"{resource}: {leaf.where} is {named}"] = bool(graph.waits(str(resource), for_=named))
    assert len(found) > 60
    assert [reference for reference, waits in found.items() if not waits] == []


def test_the_provider_changes_secrets_in_place() -> None:
    """Otherwise a changed value deletes infisical-secrets, and DB_ROOT_CERT with it."""
    [provider] = platform().of_type("pulumi:providers:kubernetes")
    assert provider["enableSecretMutable"] == "true"
    assert provider["context"] == "infisical-embedded"


def test_no_path_of_a_machine_ends_in_the_state() -> None:
    """Left out, the SDK writes the shell's KUBECONFIG there, and no other machine can read it."""
    with mock.patch.dict(os.environ, {"KUBECONFIG": "/home/somebody/.kube/config"}):
        [provider] = platform(database={"instances": 3}).of_type("pulumi:providers:kubernetes")
    assert "kubeconfig" not in provider.inputs or provider["kubeconfig"] == ""


def test_every_resource_stands_below_its_component(graph: Graph) -> None:
    components = {component.urn for component in graph.components}
    assert [str(r) for r in graph.objects if r.parent not in components] == []


def test_every_component_has_a_type_of_this_program_and_registers_its_outputs_once(graph: Graph) -> None:
    for component in graph.components:
        assert component.type.startswith("infisical-platform:components:")
        assert len(component.outputs) == 1, component


def test_the_parts() -> None:
    parts = Counter(component.kind for component in platform().components)
    assert parts == {
        "StackIdentity": 1,
        "Requirements": 1,
        "PlatformDb": 1,
        "PlatformKv": 1,
        "InfisicalSecrets": 1,
        "CertSync": 1,
        "InfisicalMigration": 1,
        "InfisicalRelease": 1,
        "Ingress": 1,
        "NetworkPolicies": 3,
        "Gate": 7,
    }


def test_names_which_users_clusters_already_have() -> None:
    named = {(_object(r)[1:]) for r in platform("prod").objects if r.type.startswith("kubernetes:")}
    assert named >= {
        ("Namespace", "", "infisical"),
        ("Namespace", "", "platform-db-pg"),
        ("Namespace", "", "platform-kv-redis-cluster"),
        ("postgresql", "platform-db-pg", "platform-db-cluster"),
        ("RedisReplication", "platform-kv-redis-cluster", "platform-kv"),
        ("RedisSentinel", "platform-kv-redis-cluster", "platform-kv-sentinel"),
        ("Secret", "infisical", "infisical-secrets"),
    }


def test_no_two_resources_are_the_same_object(graph: Graph) -> None:
    """Since 4.29 the provider creates, and never takes over."""
    counted = Counter(_object(r) for r in graph.objects if r.type.startswith("kubernetes:") and _object(r)[3])
    assert [name for name, count in counted.items() if count > 1] == []


def test_custom_resources_with_fixed_names_are_deleted_before_they_are_replaced(graph: Graph) -> None:
    custom_resources = [r for r in graph.objects if _is_custom_resource(r)]
    assert len(custom_resources) >= 8
    assert [str(r) for r in custom_resources if not r.delete_before_replace and r["metadata", "name"]] == []


def test_a_job_is_tried_once_in_bounded_time_and_again_after_it_failed(graph: Graph) -> None:
    jobs = graph.of_type(JOB)
    rotation = [job for job in jobs if job.name == "platform-kv-rotation"]
    more = {"secrets-operator-gate", "bootstrap", "application-secrets", "secret-delivery-free", "secret-delivery-gate"}
    more |= {"operator-canary"}
    operator = [job for job in jobs if job.name in more | INSTALLING]
    asked = [job for job in jobs if job.name == "ingress-gate"]
    # six gates, one of two steps, certificate sync, migration
    assert len(jobs) - len(rotation) - len(operator) - len(backups_of(graph)) - len(asked) == 9
    for job in jobs:
        deadline = job["spec", "activeDeadlineSeconds"]
        assert job["spec", "backoffLimit"] == 0
        assert job["metadata", "annotations"] == {"pulumi.com/replaceUnready": "true"}
        assert job.delete_before_replace
        assert "ttlSecondsAfterFinished" not in job["spec"], "Pulumi would not notice the deletion"
        # Pulumi gives up after Kubernetes has said why.
        assert int(job.create_timeout.removesuffix("s")) == deadline + 60
        assert job.update_timeout == job.create_timeout
    for job in graph.of_type(CRON_JOB):
        assert job["spec", "jobTemplate", "spec", "backoffLimit"] == 0
        assert job["spec", "jobTemplate", "spec", "activeDeadlineSeconds"] > 0


def test_nothing_ignores_changes(graph: Graph) -> None:
    """A field that others write is a field that the program never sets."""
    assert [str(r) for r in graph if r.ignore_changes or r.replace_on_changes] == []


# --- data ------------------------------------------------------------------------------------------------------------

DATA = {
    "Namespace/platform-db-namespace",
    "Secret/platform-db-credentials",
    "postgresql/platform-db-cluster",
    "Namespace/platform-kv-namespace",
    "Secret/platform-kv-auth",
    "RedisReplication/platform-kv-replication",
    "Namespace/infisical-secrets-namespace",
    "RandomPassword/infisical-secrets-encryption-key",
    "RandomPassword/infisical-secrets-auth-secret",
    "RandomPassword/infisical-secrets-cookie-secret",
    "Secret/infisical-secrets",
}


def test_data_is_protected_in_prod_and_free_in_dev() -> None:
    assert {str(r) for r in platform("prod") if r.protect} == DATA
    assert {str(r) for r in platform("dev") if r.protect} == set()


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_value_stands_anywhere_in_the_plain(graph: Graph) -> None:
    there = {job.name for job in graph.of_type(JOB)}
    # a passphrase, the admin's password, the shop's key
    more = bool(backups_of(graph)) + ("bootstrap" in there) + ("application-secrets" in there)
    assert len(graph.generated) == 7 + more  # two passwords, four keys, the name of a header
    assert graph.leaks() == []


def test_given_secrets_reach_infisical() -> None:
    graph = platform("prod")
    environment = graph["Secret/infisical-secrets"]["stringData"]
    assert graph.given <= set(environment.values())
    assert len(graph.given) == 5


def test_a_secret_value_is_in_secrets_alone(graph: Graph) -> None:
    """A mark protects Pulumi's state; in the cluster an annotation, an argument or a ConfigMap is for all to read."""
    holders = {r.kind for r in graph for leaf in r.leaves() if graph.reveals(leaf.value)}
    assert holders == {"Secret"}


def test_annotations_and_pods_carry_no_secret_mark(graph: Graph) -> None:
    """Neither a value nor a mark, which would hide the difference that `up` is asked to approve."""
    marked = [f"{r}: {leaf.where}" for r in graph.objects if r.kind != "Secret" for leaf in r.leaves() if leaf.secret]
    assert marked == []


# --- preview ---------------------------------------------------------------------------------------------------------


def test_the_first_preview_shows_everything_that_up_will_make() -> None:
    """Nothing generated is known yet; still no resource is missing, and none waits for less."""
    preview, up = platform(preview=True), platform()
    assert [str(r) for r in preview if "Secret/" in str(r)]
    assert {r.urn for r in preview} == {r.urn for r in up}
    assert {r.urn: r.dependencies for r in preview} == {r.urn: r.dependencies - set(up.reads) for r in up}
    assert preview.reads == {}, "it needs no cluster"


# --- settings -----------------------------------------------------------------------------------------------------


def test_wrong_settings_end_the_program_with_what_to_do() -> None:
    with pytest.raises(pulumi.RunError, match=r"redis\.sentinels: .*pulumi config set"):
        platform(redis={"sentinels": 4})


# --- helpers ---------------------------------------------------------------------------------------------------------


def _object(resource: Resource) -> tuple[str, str, str, str]:
    """API group and version, kind, namespace and name; the name is empty where Pulumi chooses it."""
    api, _, kind = resource.type.removeprefix("kubernetes:").rpartition(":")
    metadata = resource.inputs.get("metadata", resource.inputs)  # a Release has no metadata
    return api, kind, metadata.get("namespace", ""), metadata.get("name", "")


def _is_custom_resource(resource: Resource) -> bool:
    groups = ("acid.zalan.do", "redis.redis.opstreelabs.in", "cert-manager.io", "gateway.networking.k8s.io")
    return resource.type.startswith("kubernetes:") and resource.type.split(":")[1].split("/")[0] in groups


def test_scripts_config_is_json_and_free_of_secrets(graph: Graph) -> None:
    for job in graph.of_type(JOB):
        for container in job["spec", "template", "spec", "containers"]:
            for variable in container.get("env", []):
                if variable["name"] == "CONFIG":
                    assert isinstance(json.loads(variable["value"]), dict)
                assert not graph.reveals(variable)
