"""The pods of our Jobs: what Pod Security's "restricted" level asks, and nothing that a Job could run on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.base import scripts
from components.base.content import digest
from components.base.job import run_once
from components.base.pod import SecretFiles, SecretKey, Step, pod_template
from components.base.scripts import scripts_map, with_imports
from tests.unit.harness import Graph, platform, run

PLAIN = Step(name="plain", image="i:1", script="true.sh")


def job(step: Step, **options: Any) -> dict[str, Any]:
    """The pod of a Job with this step."""

    def make(opts: pulumi.ResourceOptions) -> None:
        parent = pulumi.ComponentResource("test:index:Parent", "parent", None, opts)
        run_once("job", "ns", pod_template(step, job="job", scripts_map="map", **options), 100, parent=parent)

    return run(make)["Job/job"]["spec", "template"]


def every_pod(graph: Graph) -> list[dict[str, Any]]:
    return [job["spec", "template", "spec"] for job in graph.of_type("kubernetes:batch/v1:Job")]


# --- kubernetes.io/docs/concepts/security/pod-security-standards, level restricted -----------------------------------


def test_pods_are_restricted() -> None:
    for spec in every_pod(platform()):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {next(iter(set(v) - {"name"})) for v in spec["volumes"]} <= {"emptyDir", "secret", "configMap"}
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_pods_end_and_say_why() -> None:
    for spec in every_pod(platform()):
        assert spec["restartPolicy"] == "Never"
        assert spec["enableServiceLinks"] is False, "a Service named like a variable of Infisical would set it"
        for container in spec["containers"]:
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
            assert container["resources"]["limits"]["memory"]


def test_every_mount_has_its_volume() -> None:
    for spec in every_pod(platform()):
        volumes = [volume["name"] for volume in spec["volumes"]]
        assert len(volumes) == len(set(volumes))
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)


# --- steps -----------------------------------------------------------------------------------------------------------


def test_a_pod_has_one_container_since_pulumi_shows_the_message_of_no_other() -> None:
    for spec in every_pod(platform()):
        assert len(spec["containers"]) == 1
        assert "initContainers" not in spec


def test_variables_are_values_or_references() -> None:
    step = Step(
        name="step",
        image="i:1",
        script="true.sh",
        env={"PLAIN": "value", "SECRET": SecretKey(secret="s", key="k")},
        env_from="all",
        config={"b": 1, "a": [2]},
    )
    [container] = job(step)["spec"]["containers"]
    assert container["env"] == [
        {"name": "PLAIN", "value": "value"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "CONFIG", "value": '{"a": [2], "b": 1}'},
    ]
    assert container["envFrom"] == [{"secretRef": {"name": "all"}}]


def test_a_step_may_have_a_memory_limit_of_its_own() -> None:
    [container] = job(Step(name="step", image="i:1", script="true.sh", memory_limit="2Gi"))["spec"]["containers"]
    assert container["resources"] == {"limits": {"memory": "2Gi"}}


def test_files_are_read_only_and_of_the_keys_asked_for() -> None:
    files = [
        SecretFiles(secret="one", folder="/one", keys=["ca.crt"]),
        SecretFiles(secret="two", folder="/two", optional=True),
    ]
    spec = job(Step(name="step", image="i:1", script="true.sh", files=files))["spec"]
    mounts = {m["mountPath"]: m for m in spec["containers"][0]["volumeMounts"]}
    assert mounts["/one"]["readOnly"] is mounts["/two"]["readOnly"] is True
    volumes = {v["name"]: v for v in spec["volumes"]}
    one, two = (volumes[mounts[folder]["name"]]["secret"] for folder in ("/one", "/two"))
    assert one == {"secretName": "one", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert two == {"secretName": "two", "optional": True}


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("platform_kv/redis_ready.py", ["python3", "-u", "/job/redis_ready.py"]),
        ("platform_db/database_login.sh", ["sh", "/job/database_login.sh"]),
        ("infisical_migration/migrate.mjs", ["node", "/job/migrate.mjs"]),
    ],
)
def test_a_script_runs_from_its_config_map(script: str, command: list[str]) -> None:
    spec = job(Step(name="step", image="i:1", script=script))["spec"]
    [container] = spec["containers"]
    assert container["command"] == command
    assert {"name": "scripts", "mountPath": "/job", "readOnly": True} in container["volumeMounts"]
    assert {"name": "scripts", "configMap": {"name": "map"}} in spec["volumes"]


def test_a_token_needs_an_account() -> None:
    assert job(PLAIN)["spec"]["automountServiceAccountToken"] is False
    assert job(PLAIN, service_account="sa")["spec"]["automountServiceAccountToken"] is True


# --- content addressing ----------------------------------------------------------------------------------------------


def test_a_script_brings_exactly_the_modules_that_it_imports() -> None:
    """A missing one would be seen only in the cluster; one too many, and an edit re-runs other gates."""
    brought = {c.name: set(c["data"]) for c in platform().of_type("kubernetes:core/v1:ConfigMap")}
    del brought["platform-kv-config"]
    as_asked_for = {"as_asked_for.py", "events.py", "workloads.py", "job.py", "kube.py", "pods.py", "tls.py"}
    assert brought == {
        "platform-db-gate-scripts": {
            "database_ready.py",
            "database_login.sh",
            "database_gate.sh",
            "database_workloads.py",
            "events.py",
            "workloads.py",
            "job.py",
            "kube.py",
            "pods.py",
            "tls.py",
        },
        "platform-kv-handover-scripts": {
            *("redis_handover.py", "redis_failover.py", "redis_connection.py"),
            *("job.py", "kube.py", "pods.py", "redact.py", "tls.py"),
        },
        "platform-kv-servers-scripts": {"redis_rolled.py", *as_asked_for},
        "platform-kv-gate-scripts": {"redis_ready.py", "redis_connection.py", "redact.py", *as_asked_for},
        "infisical-migration-scripts": {"migrate.mjs"},
        "cert-sync-scripts": {
            *("cert_sync.py", "cert_observe.py", "cert_decide.py", "cert_act.py"),
            *("job.py", "kube.py", "tls.py", "x509.py"),
        },
        "infisical-gate-scripts": {
            "rollout.py",
            "last_words.py",
            "pulls.py",
            "job.py",
            "kube.py",
            "pods.py",
            "tls.py",
            "redact.py",
        },
        "ingress-issued-scripts": {"issued.py", "conditions.py", "job.py", "kube.py", "tls.py"},
        "ingress-gate-scripts": {"way_in.py", "job.py", "kube.py", "tls.py", "x509.py"},
    }


def test_imports_are_followed_into_the_own_folder_and_the_shared_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "SCRIPTS", tmp_path)
    files = {
        "part/mine.py": "import json\nfrom mate import x\n",
        "part/mate.py": "import one as two\n",
        "other/one.py": "",
        "shared/one.py": "def f():\n    from late import y\n",
        "shared/late.py": "import mate\n",
        "shared/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {str(path.relative_to(tmp_path)) for path in with_imports(["part/mine.py"])}
    assert found == {"part/mine.py", "part/mate.py", "shared/one.py", "shared/late.py"}


def test_a_shell_script_brings_what_it_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "SCRIPTS", tmp_path)
    for name, text in {"one.sh": 'set -u\n. "${0%/*}/two.sh"\n', "two.sh": "true\n", "other.sh": "true\n"}.items():
        (tmp_path / name).write_text(text)
    assert {path.name for path in with_imports(["one.sh"])} == {"one.sh", "two.sh"}


def test_no_two_scripts_have_one_name() -> None:
    """In a pod they lie in one folder."""
    names = [path.name for path in scripts.SCRIPTS.rglob("*.*") if path.suffix in {".py", ".sh"}]
    assert len(names) == len(set(names)) > 10


def test_a_changed_script_is_another_config_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "SCRIPTS", tmp_path)
    names: set[str] = set()
    for content in ("print(1)", "print(2)", "print(1)"):
        (tmp_path / "mine.py").write_text(content)
        config_map = run(_scripts)["ConfigMap/scripts"]
        assert config_map["data", "mine.py"] == content
        names.add(config_map["metadata", "name"])
    assert len(names) == 2


def _scripts(options: pulumi.ResourceOptions) -> None:
    parent = pulumi.ComponentResource("test:index:Parent", "parent", None, options)
    scripts_map("scripts", "ns", ["mine.py"], parent=parent)


def test_config_maps_are_immutable_and_named_by_their_content() -> None:
    for config_map in platform().of_type("kubernetes:core/v1:ConfigMap"):
        assert config_map["immutable"] is True
        assert config_map["metadata", "name"] == f"{config_map.name}-{digest(config_map['data'])}"


PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=25)
@given(
    value=st.dictionaries(st.text(), PLAIN_DATA, max_size=3), other=st.dictionaries(st.text(), PLAIN_DATA, max_size=3)
)
def test_a_digest_depends_on_the_data_alone(value: dict[str, object], other: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))
    assert (digest(value) == digest(other)) == (_canonical(value) == _canonical(other))


def _canonical(value: object) -> object:
    """Equal exactly for what JSON tells apart: to Python, True is 1."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return (type(value), value)
