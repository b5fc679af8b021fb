"""What is there already."""

from __future__ import annotations

import functools
import json

import pytest

from operations.checks import clashes
from operations.checks.result import Level, Result
from operations.cluster import Cluster, Unanswered
from settings.backup import RestoreSettings
from tests.tools.doctor.known import (
    Exported,
    all_ok,
    ask,
    cluster,
    only,
    stack_settings,
)
from tests.unit.harness import platform

NAMESPACE = "/api/v1/namespaces/infisical"
ACTIVE = {"status": {"phase": "Active"}}
SECRET = ("secrets", "infisical-secrets", "-n", "infisical")
CREDENTIALS = "infisical-user.platform-db-cluster.credentials.postgresql.acid.zalan.do"
EXISTING = {
    "Secret infisical-secrets": SECRET,
    "Helm release infisical": ("secrets", "-l", "owner=helm,name=infisical", "-n", "infisical"),
    "postgresql platform-db-cluster": ("postgresqls.v1.acid.zalan.do", "platform-db-cluster", "-n", "platform-db-pg"),
    f"Secret {CREDENTIALS}": ("secrets", CREDENTIALS, "-n", "platform-db-pg"),
    "RedisReplication platform-kv": (
        "redisreplications.v1beta2.redis.redis.opstreelabs.in",
        "platform-kv",
        "-n",
        "platform-kv-redis-cluster",
    ),
}


def clashes_with(of: Cluster, *owned: tuple[str, str]) -> dict[str, Result]:
    return ask(functools.partial(clashes.clashes, Exported("dev", held=owned)), of)


def test_on_an_empty_cluster_nothing_clashes() -> None:
    assert all_ok(clashes_with(cluster()))


@pytest.mark.parametrize("subject", EXISTING)
def test_what_is_there_and_not_the_stacks_own_fails(subject: str) -> None:
    clash = only(clashes_with(cluster(existing=[EXISTING[subject]])))
    assert (clash.level, clash.subject) == (Level.FAIL, subject)


@pytest.mark.parametrize("subject", EXISTING)
def test_no_fix_takes_away_what_a_running_deployment_needs(subject: str) -> None:
    """Who moves in is sent to doctor, and pastes what it says."""
    fix = clashes_with(cluster(existing=EXISTING.values()))[subject].fix
    assert "make adopt STACK=dev" in fix
    assert "uninstall" not in fix
    assert fix.index("make adopt") < fix.find("delete secret") or "delete secret" not in fix


@pytest.mark.parametrize("subject", ["Secret infisical-secrets", "Helm release infisical"])
def test_a_plain_helm_installation_is_not_sent_to_adopt(subject: str) -> None:
    """Its chart's own database stays behind, and `up` would go on with an empty one."""
    fix = only(clashes_with(cluster(existing=[EXISTING[subject]]))).fix
    assert 'docs/moving-in.md, "From a plain Helm installation"' in fix
    assert "make adopt" not in fix


@pytest.mark.parametrize(
    ("restore", "adopted"),
    [
        ({"from": "latest"}, True),
        ({"server": {"host": "postgresql.old.svc", "name": "a", "user": "b", "tls": False}}, False),
    ],
)
def test_what_waits_for_its_own_backup_is_adopted(restore: dict[str, object], adopted: bool) -> None:
    """Its state and its database are lost, and the stack says where the data comes from."""
    back = RestoreSettings.model_validate({"id": "one", **restore})
    settings, of = stack_settings().model_copy(update={"restore": back}), cluster(existing=[SECRET])
    [found] = [each for each in clashes.clashes(Exported("dev"), of, settings) if each.level is Level.FAIL]
    assert ("make adopt" in found.fix) is adopted


def test_an_infisical_of_the_other_chart_fails_but_for_a_switch() -> None:
    labels = {"app": "infisical", "component": "backend"}
    about = {"name": "infisical-backend", "namespace": "infisical", "labels": labels}
    of = cluster(live=[{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about}])
    clash = only(clashes_with(of))
    assert (clash.level, clash.subject) == (Level.FAIL, "Infisical of the other chart")
    assert "Deployment infisical/infisical-backend is of chart infisical, and not of this stack" in clash.seen
    assert "'infisical-platform:infisical.chart.flavour' infisical && " in clash.fix
    first = {"urn": "urn:pulumi:dev::p::t::infisical", "type": "kubernetes:helm.sh/v3:Release", "id": "x"}
    left = json.dumps({"deployment": {"resources": [{**first, "outputs": {"values": {"backend": {}}}}]}})
    switching = Exported("dev")
    switching.__dict__["exported"] = left
    assert all_ok(ask(functools.partial(clashes.clashes, switching), of))


def test_a_namespace_that_is_there_is_a_warning_unless_it_is_going() -> None:
    assert only(clashes_with(cluster({NAMESPACE: ACTIVE}))).level is Level.WARN
    going = only(clashes_with(cluster({NAMESPACE: {"status": {"phase": "Terminating"}}})))
    assert (going.level, going.seen) == (Level.FAIL, "is being deleted")


def test_what_the_program_makes_is_known_by_type_and_id() -> None:
    """The state of a stack that is up: every id is namespace/name, or a name alone."""
    owned = set()
    for made in platform("dev").objects:
        metadata = made.inputs.get("metadata", made.inputs)
        path = [metadata.get("namespace"), metadata.get("name")]
        owned.add((made.type, "/".join(part for part in path if part)))
    namespaces = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")
    full = cluster({f"/api/v1/namespaces/{name}": ACTIVE for name in namespaces}, existing=EXISTING.values())
    results = clashes_with(full, *owned)
    assert results.pop("Infisical of the other chart").seen == "not there"
    assert {row.seen for row in results.values()} == {"this stack's"}


def test_what_may_not_be_seen_is_unknown_and_the_rest_is_told() -> None:
    results = clashes_with(cluster({NAMESPACE: Unanswered("no right")}, existing=[SECRET]))
    assert results["Namespace infisical"].seen == "unknown: no right"
    assert results["Secret infisical-secrets"].level is Level.FAIL
