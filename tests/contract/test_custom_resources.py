"""The custom resources that the program emits, against the operators' own schemas: pinned ones, and newer ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from jsonschema import Draft7Validator

from components.operator_chart import OperatorChart
from settings import LocalChart
from tests.contract.crds import Release, faults, releases, strict
from tests.contract.manifests import Json, is_custom, manifests
from tests.contract.stacks import Config, stacks
from tests.unit.harness import OUTSIDE, ROOT, SHAPES, Graph, platform, shape
from tests.unit.test_secret_delivery import Wanted, delivered
from tests.unit.test_wal_archive import PEM, RECOVER, archived

RELEASES = releases()
KINDS = {
    "postgresql",
    "RedisReplication",
    "RedisSentinel",
    "Certificate",
    "Issuer",
    "HTTPRoute",
    "ReferenceGrant",
}


def custom(graph: Graph) -> list[Json]:
    """Those of operators that the cluster has. The secrets operator's kinds come with the stack itself."""
    return [each for each in manifests(graph) if is_custom(each) and not delivers(each)]


def delivers(manifest: Json) -> bool:
    return manifest["apiVersion"].startswith("secrets.infisical.com/")


def home(manifest: Json) -> list[Release]:
    """The releases which define the group, whatever their versions of it."""
    group = manifest["apiVersion"].partition("/")[0]
    return [r for r in RELEASES if any(version.partition("/")[0] == group for version, _ in r.schemas())]


def refused(graph: Graph) -> list[str]:
    return [fault for manifest in custom(graph) for release in home(manifest) for fault in faults(release, manifest)]


@pytest.mark.parametrize("name", [*SHAPES, *OUTSIDE])
def test_every_custom_resource_of_every_shape_is_accepted(name: str) -> None:
    graph = shape(name)
    assert [str(manifest["kind"]) for manifest in custom(graph) if not home(manifest)] == []
    assert refused(graph) == []


def test_a_database_with_an_archive_is_accepted() -> None:
    assert refused(archived({"authority": PEM, "prefix": "prod/"}, recover=RECOVER)) == []


def test_the_shapes_have_every_kind_that_the_program_knows() -> None:
    assert {manifest["kind"] for name in SHAPES for manifest in custom(shape(name))} == KINDS


# Infisical's own settings reach no custom resource, and a chart would have to be there.
SECTIONS = ("database", "redis", "certificates", "ingress", "pods")


@budget(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(config=stacks())
def test_every_custom_resource_of_every_stack_that_is_accepted_is_accepted_too(config: Config) -> None:
    told = {key: config[key] for key in SECTIONS if key in config}
    told["infisical"] = {"siteUrl": config["infisical"]["siteUrl"], "readReplicas": "none"}
    assert refused(platform("dev", **told)) == []


def test_what_is_delivered_is_what_the_operators_kinds_take() -> None:
    """Its chart has the kinds. What they don't take would be refused, or dropped without a word."""
    location = str(ROOT / "embedded/charts/secrets-operator")
    kinds = OperatorChart.read(LocalChart(location=location, digest=""), ROOT).kinds
    schemas = {
        (f"{kind['spec']['group']}/{version['name']}", kind["spec"]["names"]["kind"]): strict(
            {**version["schema"]["openAPIV3Schema"]}
        )
        for kind in kinds
        for version in kind["spec"]["versions"]
    }
    graphs = delivered(), delivered(Wanted(machine_auth="universal", keep=False)), shape("applications")
    emitted = [each for graph in graphs for each in manifests(graph) if delivers(each)]
    assert {manifest["kind"] for manifest in emitted} == {
        "InfisicalAuth",
        "InfisicalConnection",
        "InfisicalStaticSecret",
    }
    for manifest in emitted:
        schema = schemas[manifest["apiVersion"], manifest["kind"]]["properties"]["spec"]
        assert [error.message for error in Draft7Validator(schema).iter_errors(manifest["spec"])] == []
        broken = {**manifest["spec"], "sourcez": []}
        assert list(Draft7Validator(schema).iter_errors(broken)), "a misspelt field goes red"


# --- what goes red ---------------------------------------------------------------------------------------------------


def example(kind: str) -> Json:
    """A sound one, to be broken."""
    for name in ("everything", "gateway"):
        for manifest in custom(shape(name)):
            if manifest["kind"] == kind:
                return copy.deepcopy(manifest)
    raise AssertionError(kind)


def put(path: str, value: object) -> Callable[[Json], None]:
    *parents, last = path.split(".")

    def change(manifest: Json) -> None:
        section: Any = manifest
        for parent in parents:
            section = section[int(parent)] if isinstance(section, list) else section[parent]
        section[last] = value

    return change


BROKEN: list[tuple[str, str, object, str]] = [
    # kind, field, another value, what is said of it
    ("postgresql", "apiVersion", "acid.zalan.do/v2", "is not served by"),
    ("postgresql", "specs", {}, "allowed: apiVersion, kind, metadata, spec, status"),
    ("postgresql", "metadata.anotations", {}, "metadata: Additional properties"),
    ("postgresql", "metadata.annotations", {"a": 1}, "metadata.annotations.a: 1 is not of type 'string'"),
    ("postgresql", "spec.numberOfInstance", 3, "spec: Additional properties"),
    ("postgresql", "spec.connectionPooler.instances", 3, "spec.connectionPooler: Additional properties"),
    ("postgresql", "spec.connectionPooler.mode", "statement", "is not one of ['session', 'transaction']"),
    ("postgresql", "spec.connectionPooler.numberOfInstances", 0, "less than the minimum of 1"),
    ("postgresql", "spec.numberOfInstances", "3", "is not of type 'integer'"),
    ("postgresql", "spec.enableMasterLoadBalancer", "false", "is not of type 'boolean'"),
    ("postgresql", "spec.postgresql", {}, "'version' is a required property"),
    ("postgresql", "spec.postgresql.version", "9.6", "is not one of"),
    ("postgresql", "spec.volume.size", "ten", "does not match"),
    ("postgresql", "spec.resources.limits", {"cpu": "two"}, "does not match"),
    ("postgresql", "spec.users.infisical_user", ["superman"], "is not valid under any of"),
    ("postgresql", "spec.users.infisical_user", None, ""),  # nullable
    ("RedisReplication", "spec.clusterSize", 3.5, "is not of type 'integer'"),
    ("RedisReplication", "spec.storage.keepAfterDeletion", True, "spec.storage: Additional properties"),
    ("RedisReplication", "spec.kubernetesConfig.imagePullPolicy", 1, "is not of type 'string'"),
    ("RedisReplication", "spec.storage.volumeClaimTemplate.spec.resources.requests.storage", 5, ""),  # int-or-string
    ("RedisReplication", "spec.storage.volumeClaimTemplate.spec.resources.requests.storage", 0.5, "is not of type"),
    ("RedisSentinel", "spec.redisSentinelConfig.quorum", 2, "is not of type 'string'"),
    ("RedisSentinel", "spec.redisSentinelConfig.groupName", "x", "Additional properties"),
    ("RedisSentinel", "spec.clusterSize", 0, "less than the minimum"),
    ("Certificate", "spec.privateKey.rotationPolicy", "Sometimes", "is not one of ['Never', 'Always']"),
    ("Certificate", "spec.usages", ["sign anything"], "is not one of"),
    ("Certificate", "spec.issuerRef", {}, "'name' is a required property"),
    ("Certificate", "spec.dnsNames", "a.example.org", "is not of type 'array'"),
    ("Issuer", "spec.acme", {"server": "https://a", "solvers": []}, "'privateKeySecretRef' is a required property"),
    ("HTTPRoute", "spec.hostnames", ["https://a.example.org"], "does not match"),
    ("HTTPRoute", "spec.rules.0.backendRefs.0.port", 70000, "greater than the maximum of 65535"),
    ("HTTPRoute", "spec.rules.0.backendRefs.0.service", "x", "spec.rules[0].backendRefs[0]: Additional properties"),
    ("HTTPRoute", "spec.parentRefs.0.sectionName", "", "allowed: minLength 1"),
    ("ReferenceGrant", "spec.to", [], "allowed: minItems 1"),
]


@pytest.mark.parametrize(("kind", "field", "value", "said"), BROKEN)
def test_a_broken_one_is_refused_and_says_where(kind: str, field: str, value: object, said: str) -> None:
    manifest = example(kind)
    put(field, value)(manifest)
    release = home(example(kind))[0]
    found = faults(release, manifest)
    if not said:
        assert found == []
    else:
        assert any(said in fault and fault.startswith(f"{kind}/") and str(release) in fault for fault in found), found


def test_unknown_fields_are_kept_where_a_schema_says_so() -> None:
    free = {"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-preserve-unknown-fields": True}
    assert "additionalProperties" not in strict(free)


def test_what_has_a_default_need_not_be_given() -> None:
    schema = {"type": "object", "required": ["a", "b"], "properties": {"a": {"default": 1}, "b": {}}}
    assert strict(schema)["required"] == ["b"]
