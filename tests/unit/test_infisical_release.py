"""InfisicalRelease: migrations, a chart that brings nothing of its own, and the proof that Infisical answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap

from components.base.references import Endpoint, SecretRef
from components.infisical_release import HelmRelease, InfisicalRelease, InfisicalReleaseArgs
from settings import LocalChart
from tests.unit.harness import Graph, everything, platform, run, settings_of

RELEASE = "Release/infisical"
IMAGE = "registry.example.org:5000/infisical:v1"


@dataclass(frozen=True)
class Database:
    """What InfisicalRelease needs of one."""

    primary = Endpoint(host="primary", role="primary")

    password: str = "p"

    def uri(self, endpoint: Endpoint) -> str:
        return f"postgresql://infisical_user:{self.password}@{endpoint.host}:5432/infisical"


@dataclass(frozen=True)
class Secrets:
    """What InfisicalRelease needs of them."""

    fingerprint: str
    ref = SecretRef(namespace="infisical", name="infisical-secrets")


class Redis(ConfigMap):
    """What InfisicalRelease needs of it."""

    sentinels = "digest"


def released(fingerprint: str = "f1", helm: tuple[str, str] = ("infisical", "sha256:0"), **infisical: Any) -> Graph:
    """Return the component alone, of stack dev with changed keys of section `infisical`."""

    def make(opts: ResourceOptions) -> None:
        secrets: Any = Secrets(fingerprint)
        migration: Any = ConfigMap("migration", opts=opts)
        redis: Any = Redis("redis", opts=opts)
        settings = settings_of(infisical={"image": IMAGE, **infisical})
        release = HelmRelease(name=helm[0], chart=LocalChart(location="charts/chart.tgz", digest=helm[1]))
        InfisicalRelease("infisical", InfisicalReleaseArgs.of(settings, release, migration, redis, secrets), opts)

    return run(make)


@cache
def unchanged() -> Graph:
    return released()


def test_what_it_creates() -> None:
    graph = platform()
    assert {str(r) for r in graph.made_by("infisical")} == {
        RELEASE,
        "DeploymentPatch/infisical-pods",
        "PodDisruptionBudget/infisical-budget",
        "ConfigMap/infisical-gate-scripts",
        "ServiceAccount/infisical-gate",
        "Role/infisical-gate",
        "RoleBinding/infisical-gate",
        "Job/infisical-gate",
    }
    assert {r.inputs.get("metadata", r.inputs)["namespace"] for r in graph.made_by("infisical")} == {"infisical"}


def test_migration_then_release_then_gate() -> None:
    graph = platform()
    assert graph.waits(RELEASE, for_="Job/infisical-migration")
    assert graph.waits("Job/infisical-gate", for_=RELEASE)


def test_the_release_alone_waits_for_migrations_and_for_redis() -> None:
    graph = unchanged()
    for before in ("migration", "redis"):
        assert graph.waits(RELEASE, for_=before)
        assert graph.free("ConfigMap/infisical-gate-scripts", of=before)


# --- chart -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["infisical", "infisical-standalone"])
def test_neither_chart_brings_databases_or_an_ingress(flavour: str) -> None:
    """Both are on by default; a bundled Redis sets REDIS_URL, which wins over Sentinel."""
    values = _values(flavour)
    assert values["redis"] == {"enabled": False}
    assert values["ingress"] == {"enabled": False, "nginx": {"enabled": False}}
    bundled = {"infisical": ["mongodb", "mailhog"], "infisical-standalone": ["postgresql"]}
    assert [values[name] for name in bundled[flavour]] == [{"enabled": False}] * len(bundled[flavour])


@pytest.mark.parametrize(("flavour", "section"), [("infisical", "backend"), ("infisical-standalone", "infisical")])
def test_the_environment_stands_where_the_chart_looks_for_it(flavour: str, section: str) -> None:
    """A misplaced kubeSecretRef is ignored, and the older chart makes up an encryption key on every render."""
    values = _values(flavour)
    workload = values.pop(section)
    assert workload["kubeSecretRef"] == "infisical-secrets"
    assert workload["replicaCount"] == 2
    assert workload["image"] == {
        "repository": "registry.example.org:5000/infisical",
        "tag": "v1",
        "pullPolicy": "IfNotPresent",
    }
    assert workload["podAnnotations"] == {
        "infisical-platform/environment": "f1",
        "infisical-platform/chart": "sha256:0",
    }
    assert workload["fullnameOverride"] == ("infisical" if flavour == "infisical-standalone" else "infisical-backend")
    assert "kubeSecretRef" not in json.dumps(values)
    assert not {"backend", "infisical"} & set(values)


def test_the_chart_does_not_migrate() -> None:
    """Before 1.7 it does by default, through the pooler."""
    assert _values("infisical-standalone")["infisical"]["autoDatabaseSchemaMigration"] is False


def test_another_archive_of_the_same_name_is_installed() -> None:
    before, after = unchanged(), released(helm=("infisical", "sha256:1"))
    assert before[RELEASE]["chart"] == after[RELEASE]["chart"]
    assert before[RELEASE]["values"] != after[RELEASE]["values"]
    template = ("spec", "template", "metadata")
    assert before["Job/infisical-gate"][template] != after["Job/infisical-gate"][template]


@pytest.mark.parametrize(
    "image", ["infisical/infisical:v1", f"infisical@sha256:{'0' * 64}", f"r.example.org:5000/i:v1@sha256:{'a' * 64}"]
)
def test_the_charts_put_every_image_together_again(image: str) -> None:
    """Both render {{ repository }}:{{ tag }}."""
    rendered = released(image=image)[RELEASE]["values", "infisical", "image"]
    assert f"{rendered['repository']}:{rendered['tag']}" == image


def test_the_chart_is_the_copy_on_this_machine() -> None:
    """Helm loads it in previews too, where there may be no network; and nobody checks what a repository serves."""
    release = unchanged()[RELEASE]
    assert release["chart"] == "charts/chart.tgz"
    assert not {"repositoryOpts", "version"} & set(release.inputs)


def test_helm_only_applies() -> None:
    """While it waits, a kill leaves the release locked for good."""
    release = platform()[RELEASE]
    assert (release["name"], release["namespace"], release["skipAwait"]) == ("infisical", "infisical", True)
    assert "atomic" not in release.inputs


def test_the_second_release_has_a_name_of_its_own_for_pulumi_and_for_helm() -> None:
    release = released(helm=("infisical-standalone", "sha256:0"))["Release/infisical-standalone"]
    assert release["name"] == "infisical-standalone"
    assert release["values", "infisical", "fullnameOverride"] == "infisical"


# --- gate ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("graph", "name"), [(platform, "infisical"), (everything, "infisical-backend")])
def test_the_gate_watches_what_the_chart_made(graph: Any, name: str) -> None:
    [container] = graph()["Job/infisical-gate"]["spec", "template", "spec", "containers"]
    config = json.loads(next(v["value"] for v in container["env"] if v["name"] == "CONFIG"))
    assert config["deployment"] == name
    assert config["url"] == f"http://{name}.infisical.svc:8080/api/status"
    assert config["login_url"] == f"http://{name}.infisical.svc:8080/api/v1/auth/universal-auth/login"
    assert config["deadline_seconds"] == 900  # a server verifies its relay of mail before it listens, for up to 120 s
    assert graph()["Role/infisical-gate"]["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": [name]},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    ]
    assert graph()["infisical"].outputs == [{"service": name}]


@pytest.mark.parametrize("change", [{"replicas": 3}, {"image": "r.example.org/i:v2"}, {"fingerprint": "f2"}])
def test_the_gate_runs_again_when_pods_are_replaced(change: dict[str, Any]) -> None:
    before, after = (g["Job/infisical-gate"]["spec", "template", "metadata"] for g in (unchanged(), released(**change)))
    assert before != after


def test_a_log_line_is_redacted_with_the_values_themselves() -> None:
    pod = platform()["Job/infisical-gate"]["spec", "template", "spec"]
    [container] = pod["containers"]
    folder = next(v["value"] for v in container["env"] if v["name"] == "REDACT_DIR")
    mount = next(m for m in container["volumeMounts"] if m["mountPath"] == folder)
    volume = next(v for v in pod["volumes"] if v["name"] == mount["name"])
    assert volume["secret"] == {"secretName": "infisical-secrets"}


def _values(flavour: str) -> dict[str, Any]:
    version = "0.4.2" if flavour == "infisical" else "1.10.0"
    chart = {"flavour": flavour, "version": version, "path": "chart.tgz"}
    return dict(released(chart=chart)[RELEASE]["values"])
