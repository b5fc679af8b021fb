"""The policy pack under the real engine: the project's stacks break no rule, and a stack that breaks one is refused.

A preview needs neither a cluster nor a network.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from checkout import Checkout
from rules import RULES

from embedded.stack import PROJECT
from tests.unit.harness import THROW_AWAY

PACK = ("PulumiPolicy.yaml", "__main__.py", "declared.py", "rules.py")
PASSED = "✅ infisical-platform@v1.0.0"
PASSWORD = "throwAwayDatabasePassword"


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A change to the project, and what a user then reads."""

    rule: str
    message: str
    file: str = "__main__.py"
    text: str = ""  # of the file, in the place of which `other` comes
    other: str = ""
    program: str = ""  # runs after the project's own
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


BREACHES = [
    Breach(
        rule="data-services-are-private",
        message="postgresql/platform-db-cluster: spec.enableReplicaPoolerLoadBalancer is not false. Make it a "
        "ClusterIP Service, and set each load balancer of a postgresql to false.",
        file="components/database_spec.py",
        text='"enableReplicaPoolerLoadBalancer": False',
        other='"enableReplicaPoolerLoadBalancer": True',
    ),
    Breach(
        rule="no-sslmode",
        message="Secret/infisical-migration-uri: data.DB_CONNECTION_URI has a connection URI with sslmode. Remove it "
        "from the URI. DB_ROOT_CERT alone turns verification on.",
        file="components/platform_db.py",
        text='/{DATABASE}"',
        other='/{DATABASE}?sslmode=require"',
    ),
    Breach(
        rule="images-are-pinned",
        message="Release/infisical: values.infisical.image has no tag, or latest. Write repository:tag or "
        "repository@sha256:….",
        file="components/infisical_release.py",
        text='"tag": tag',
        other='"tag": "latest"',
    ),
    Breach(
        rule="providers-are-explicit",
        message="ConfigMap/stray: it has no provider of this program. Set parent= to a resource with a "
        "provider, or set provider=.",
        file="Pulumi.yaml",
        text='disable-default-providers: {value: ["*"]}',
        other='disable-default-providers: {value: ["aws"]}',
        program='import pulumi_kubernetes\npulumi_kubernetes.core.v1.ConfigMap("stray")',
    ),
    Breach(
        rule="data-is-protected",
        message="RandomPassword/infisical-secrets-encryption-key: it is not protected, and cluster.protect is on. Pass "
        "protect=, as the component's other data does.",
        file="components/infisical_secrets.py",
        text="encryption_key_name(name), 32, protected)",
        other="encryption_key_name(name), 32, ResourceOptions(parent=self))",
        settings={"cluster.protect": "true"},
    ),
    Breach(
        rule="jobs-end",
        message="CronJob/cert-sync-schedule: spec.jobTemplate.spec.activeDeadlineSeconds is not set. Set it, or make "
        "the Job with components.base.job.run_once.",
        file="components/base/job.py",
        text="active_deadline_seconds=deadline_seconds",
        other="ttl_seconds_after_finished=deadline_seconds",
    ),
    Breach(
        rule="ingresses-have-tls",
        message="Ingress/ingress-route: spec.rules.0.host has no certificate in spec.tls. Name the host in spec.rules "
        "and in spec.tls, with a secretName.",
        file="components/ingress.py",
        text="hosts=[args.host]",
        other="hosts=[]",
    ),
    Breach(
        rule="routes-name-their-listener",
        message="HTTPRoute/ingress-route: spec.parentRefs.0 names no listener. Set ingress.route.listener to a "
        "listener of protocol HTTPS.",
        settings={
            "ingress.route.kind": "gateway",
            "ingress.route.name": "public",
            "ingress.route.namespace": "ingress",
        },
    ),
    Breach(
        rule="redis-has-no-inline-comment",
        message="ConfigMap/platform-kv-config: data.redis-additional.conf, line 3 has a comment behind a directive. "
        "Put the comment on a line of its own.",
        file="components/platform_kv.py",
        text='"appendonly": "yes"',
        other='"appendonly": "yes # queues live here"',
    ),
    Breach(
        rule="secrets-are-in-secrets",
        message="ConfigMap/notes: data.smtp holds the value of a secret, databasePassword. Put the value into a "
        "Secret and refer to it (valueFrom, envFrom, a volume).",
        program="""
import pulumi
import pulumi_kubernetes

password = pulumi.Config().require("databasePassword")
provider = pulumi_kubernetes.Provider("notes")
notes = {"smtp": f"the database's password is {password}"}
pulumi_kubernetes.core.v1.ConfigMap("notes", data=notes, opts=pulumi.ResourceOptions(provider=provider))
""",
    ),
]

GENERATED = """
import pulumi
import pulumi_random

generator = pulumi_random.Provider("generator")
made = pulumi_random.RandomPassword("made", length=32, opts=pulumi.ResourceOptions(provider=generator))
pulumi.export("made", made.result)
"""
LEAKED = """
import pulumi_kubernetes

labels = {"app": pulumi.Output.unsecret(made.result)}
pulumi_kubernetes.core.v1.ConfigMap(
    "labelled",
    metadata={"labels": labels},
    opts=pulumi.ResourceOptions(provider=pulumi_kubernetes.Provider("kubernetes")),
)
"""


@pytest.fixture
def guarded(checkout: Checkout) -> Checkout:
    """The project with its policy pack."""
    subprocess.run([PROJECT / "policy/sync.sh"], env={**checkout.environment, "PYTHON": sys.executable}, check=True)
    pack = checkout.folder / "policy"
    pack.mkdir()
    for name in PACK:
        shutil.copy(PROJECT / "policy" / name, pack)
    (pack / ".venv").symlink_to(PROJECT / "policy/.venv")
    return checkout


def preview(project: Checkout, stack: str, *, fails: bool = False) -> str:
    command = ("pulumi", "preview", "--stack", stack, "--non-interactive", "--policy-pack", "policy")
    printed = project(*command, fails=fails)
    assert "Traceback" not in printed
    assert "can't run policy" not in printed  # a rule that a preview's unknown values keep from running
    return printed


def violations(printed: str) -> Sequence[tuple[str, str]]:
    """Rule and message of each, as Pulumi prints them: below the rule's name its description, then the message."""
    return re.findall(r"- \[mandatory\] +(\S+) .*\n.*\n +(.+)\n", printed)


def test_the_embedded_stack_passes(guarded: Checkout) -> None:
    guarded("pulumi", "stack", "init", "dev")
    assert PASSED in preview(guarded, "dev")


def test_two_keys_pass(guarded: Checkout) -> None:
    guarded("pulumi", "stack", "init", "minimal")
    guarded.take_chart("minimal", "infisical-standalone")
    assert PASSED in preview(guarded, "minimal")


def test_production_passes(guarded: Checkout) -> None:
    guarded("pulumi", "stack", "init", "prod")
    for key, value in THROW_AWAY.items():
        guarded.set("prod", key, value)
    guarded.take_chart("prod", "infisical")
    assert PASSED in preview(guarded, "prod")


def breaks(project: Checkout, breach: Breach) -> None:
    file = project.folder / breach.file
    if breach.text:
        before = file.read_text()
        assert before.count(breach.text) == 1, f"{breach.file} has changed"
        file.write_text(before.replace(breach.text, breach.other))
    with (project.folder / "__main__.py").open("a") as program:
        program.write(breach.program)
    for key, value in breach.settings.items():
        project("pulumi", "config", "set", "--stack", "dev", "--path", f"infisical-platform:{key}", value)


@pytest.mark.parametrize("routed", [False, True], ids=["by an Ingress", "by a Gateway"])
def test_a_stack_that_breaks_rules_is_refused(guarded: Checkout, routed: bool) -> None:
    """All at once, since a preview takes its time. A site has a route or an Ingress."""
    breaches = [breach for breach in BREACHES if (breach.rule == "routes-name-their-listener") == routed]
    guarded("pulumi", "stack", "init", "dev")
    guarded.set("dev", "databasePassword", PASSWORD)  # a given one is known in a preview too
    for breach in breaches:
        breaks(guarded, breach)

    printed = preview(guarded, "dev", fails=True)
    assert sorted(violations(printed)) == sorted((breach.rule, breach.message) for breach in breaches)
    assert PASSWORD not in printed


def test_a_generated_secret_is_known_once_it_is_made(guarded: Checkout) -> None:
    program = guarded.folder / "__main__.py"
    program.write_text(GENERATED)
    guarded("pulumi", "stack", "init", "dev")
    guarded("pulumi", "up", "--stack", "dev", "--non-interactive", "--yes", "--skip-preview")
    value = guarded("pulumi", "stack", "output", "--stack", "dev", "--show-secrets", "made").strip()
    assert len(value) == 32

    program.write_text(GENERATED + LEAKED)
    printed = preview(guarded, "dev", fails=True)
    ((rule, message),) = violations(printed)
    assert rule == "secrets-are-in-secrets"
    assert message.startswith("ConfigMap/labelled: metadata.labels.app holds the value of a secret, RandomPassword/")
    assert value not in printed


def test_every_rule_has_a_stack_that_breaks_it() -> None:
    assert sorted(breach.rule for breach in BREACHES) == sorted(rule.name for rule in RULES)


def test_a_pack_without_its_environment_says_how_to_make_it(guarded: Checkout) -> None:
    (guarded.folder / "policy/.venv").unlink()
    guarded("pulumi", "stack", "init", "dev")
    command = ("pulumi", "preview", "--stack", "dev", "--non-interactive", "--policy-pack", "policy")
    assert "policy/.venv is missing: run policy/sync.sh" in guarded(*command, fails=True)
