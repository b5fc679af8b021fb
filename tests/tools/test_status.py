"""`make status`: what runs, what expires, what is pending, on one screen; it only reads."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

import settings
from operations import doctor, status
from operations.checks import changes, expiry, running
from operations.checks.result import Level
from operations.errors import OperationError
from operations.plan import Change, planned
from operations.pulumi import Stack
from settings import Settings
from tests.tools.doctor.known import all_ok, ask, cluster, only, stack_settings
from tests.unit.harness import COMMANDS, ORGANIZATION, configuration, encrypted

SHOP_ALONE = {"shop": {"environments": {"prod": "P"}}}
APPS = "/apis/apps/v1/namespaces"
DATABASE = "/apis/acid.zalan.do/v1/namespaces/platform-db-pg/postgresqls/platform-db-cluster"
PRIMARY = (
    "/api/v1/namespaces/platform-db-pg/pods"
    "?labelSelector=cluster-name=platform-db-cluster,spilo-role=master,application=spilo"
)
JOBS = "/apis/batch/v1/namespaces/platform-db-pg/jobs"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/platform-db-pg/certificates"
URN = (
    "urn:pulumi:dev::infisical-platform::infisical-platform:components:PlatformKv$kubernetes:core/v1:ConfigMap::config"
)


def workload(name: str, ready: int, wanted: int = 2, **more: int) -> dict[str, Any]:
    container = {"name": "c", "image": f"registry.example.org/team/{name}:v7"}
    spec = {"replicas": wanted, "template": {"spec": {"containers": [container]}}}
    return {"metadata": {"name": name}, "spec": spec, "status": {"readyReplicas": ready, **more}}


def platform(infisical: Any, **changed: Any) -> dict[str, Any]:
    return {
        f"{APPS}/infisical/deployments": {"items": [infisical]},
        f"{APPS}/platform-db-pg/statefulsets": {"items": [workload("platform-db-cluster", 2)]},
        f"{APPS}/platform-kv-redis-cluster/statefulsets": {"items": [workload("platform-kv", 3, 3)]},
        DATABASE: {"spec": {"postgresql": {"version": "17"}}, "status": {"PostgresClusterStatus": "Running"}},
        PRIMARY: {"items": [{"metadata": {"name": "platform-db-cluster-0"}}]},
        **changed,
    }


def certificate(days: float, ready: str = "True", renew_in: float = 1) -> dict[str, Any]:
    now = datetime.now(UTC)
    end, renewal = (f"{now + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}" for number in (days, renew_in))
    conditions = [{"type": "Ready", "status": ready, "message": "why"}]
    moments = {"notAfter": end, "renewalTime": renewal} if days else {}
    return {"metadata": {"name": "leaf"}, "status": {"conditions": conditions, **moments}}


@dataclass(frozen=True)
class Previewed(Stack):
    """A stack whose preview finds these steps."""

    mine: Any = ()
    deployment_: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ran: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def settings(self) -> Settings:
        return stack_settings()

    def run(self, *arguments: str, input: str = "") -> str:
        self.ran.append(arguments)
        if arguments[:2] == ("stack", "export"):
            return json.dumps({"deployment": self.deployment_})
        assert arguments[:2] == ("preview", "--json"), "it only reads"
        if isinstance(self.mine, Exception):
            raise self.mine
        return json.dumps({"steps": [{"op": op, "urn": urn} for op, urn in self.mine]})


def told(stack: Previewed, **there: Any) -> dict[str, Any]:
    return ask(partial(changes.changes, stack), cluster({}, **there))


def test_what_runs_is_told_with_its_version() -> None:
    rows = ask(partial(running.workloads, COMMANDS), cluster(platform(workload("infisical", 2))))
    assert rows["infisical"].seen == "2 of 2 ready, infisical:v7"
    assert all_ok(rows)


@pytest.mark.parametrize(
    ("infisical", "level", "seen"),
    [
        (workload("infisical", 1), Level.WARN, "1 of 2 ready"),
        (workload("infisical", 0), Level.FAIL, "0 of 2 ready"),
        (workload("infisical", 2, updatedReplicas=1), Level.WARN, "and 1 of the new kind"),
    ],
)
def test_what_does_not_run_is_told_with_the_command_that_says_why(infisical: Any, level: Level, seen: str) -> None:
    row = only(ask(partial(running.workloads, COMMANDS), cluster(platform(infisical))))
    assert (row.level, seen in row.seen) == (level, True)
    assert "get pods -n infisical" in row.fix


def test_what_a_restore_has_left_stopped_is_a_failure_with_the_way_out() -> None:
    """The restore may be out of the stack file by then, so that no `up` starts Infisical again."""
    stopped = workload("infisical", 0, 0)
    stopped["metadata"]["annotations"] = {"infisical-platform/replicas": "3"}
    row = only(ask(partial(running.workloads, COMMANDS), cluster(platform(stopped))))
    assert (row.level, "0 of 3: a restore has stopped it" in row.seen) == (Level.FAIL, True)
    assert "infisical-platform/replicas" in row.seen
    assert "restore.id" in row.fix
    assert "scale deployment infisical -n infisical --replicas 3" in row.fix


def test_what_somebody_has_scaled_to_nothing_is_a_failure() -> None:
    row = only(ask(partial(running.workloads, COMMANDS), cluster(platform(workload("infisical", 0, 0)))))
    assert (row.level, "nothing is to run" in row.seen) == (Level.FAIL, True)


def test_a_namespace_in_which_nothing_runs_is_a_failure() -> None:
    rows = ask(partial(running.workloads, COMMANDS), cluster())
    assert {row.level for row in rows.values()} == {Level.FAIL}
    assert rows["platform-db-pg"].seen == "nothing runs there"


def test_the_operator_of_applications_runs_too() -> None:
    operator = f"{APPS}/infisical-secrets-operator/deployments"
    there = platform(workload("infisical", 2), **{operator: {"items": [workload("manager", 0, 1)]}})
    chart = {"path": "embedded/charts/secrets-operator"}
    row = only(ask(partial(running.workloads, COMMANDS), cluster(there), secretsOperator={"chart": chart}))
    assert row.subject == "manager"


def test_an_operator_of_the_clusters_own_is_not_looked_for_in_the_stacks_namespace() -> None:
    """There are the accounts alone by which the External Secrets Operator logs in."""
    there = cluster(platform(workload("infisical", 2)))
    rows = ask(partial(running.workloads, COMMANDS), there, secretsOperator={"kind": "externalSecrets"})
    assert all_ok(rows)
    assert "infisical-secrets-operator" not in rows


@pytest.mark.parametrize(
    ("changed", "level", "seen"),
    [
        ({}, Level.OK, "version 17, primary platform-db-cluster-0"),
        ({PRIMARY: {"items": []}}, Level.FAIL, "with no pod as primary"),
        ({PRIMARY: {"items": [{"metadata": {"name": n}} for n in "ab"]}}, Level.FAIL, "with a, b as primary"),
        ({DATABASE: {"spec": {"postgresql": {"version": "17"}}}}, Level.WARN, "the operator says nothing"),
        ({DATABASE: None}, Level.FAIL, "there is no database"),
    ],
)
def test_a_database_has_one_primary(changed: dict[str, Any], level: Level, seen: str) -> None:
    row = ask(running.database, cluster(platform(workload("infisical", 2), **changed)))["PostgreSQL"]
    assert (row.level, seen in row.seen) == (level, True), row


REDIS = f"/api/v1/namespaces/platform-kv-redis-cluster/pods?labelSelector={running.REDIS_SERVERS}"


@pytest.mark.parametrize(
    ("roles", "level", "seen"),
    [
        (("master", "slave", "slave"), Level.OK, "master platform-kv-0"),
        ((None, "slave", None), Level.FAIL, "of 3 servers none is the master"),
        (("master", "slave", "master"), Level.FAIL, "of 3 servers platform-kv-0, platform-kv-2 are masters"),
        ((None, None, None), Level.WARN, "no master yet"),
    ],
)
def test_redis_has_one_master(roles: tuple[str | None, ...], level: Level, seen: str) -> None:
    """Its servers are all ready without one."""
    pods = [
        {"metadata": {"name": f"platform-kv-{number}", "labels": {"redis-role": role} if role else {}}}
        for number, role in enumerate(roles)
    ]
    row = ask(running.redis, cluster({REDIS: {"items": pods}}))["Redis"]
    assert (row.level, seen in row.seen) == (level, True), row
    assert ("redis-has-no-master" in row.fix) == (level is Level.FAIL)


def test_a_redis_of_somebody_elses_is_not_looked_for() -> None:
    values = configuration("minimal", redis={"kind": "external", "host": "cache.example.org"}, redisPassword="p")
    stack = settings.load(COMMANDS, values, encrypted(values))
    assert [result.seen for result in running.redis(cluster(), stack)] == ["somebody else runs it"]


def job(name: str, began: str, condition: str) -> dict[str, Any]:
    owner = [{"kind": "CronJob", "name": "cert-sync"}]
    conditions = [{"type": condition, "status": "True"}] if condition else []
    return {
        "metadata": {"name": name, "ownerReferences": owner},
        "status": {"startTime": began, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("newest", "level", "seen"),
    [("Failed", Level.FAIL, "its newest Job failed: b"), ("Complete", Level.OK, "succeeded"), ("", Level.OK, "works")],
)
def test_a_cron_job_is_judged_by_its_newest_job(newest: str, level: Level, seen: str) -> None:
    others = [job("c", "2026-11-26T10:00:00Z", "Failed"), job("a", "2026-11-26T09:00:00Z", "Complete")]
    jobs = [others[1], job("b", "2026-11-26T11:00:00Z", newest), others[0], {"metadata": {"name": "of up"}}]
    row = ask(running.scheduled, cluster({JOBS: {"items": jobs}}))["CronJob cert-sync"]
    assert (row.level, seen in row.seen) == (level, True), row


@pytest.mark.parametrize(
    ("found", "level", "seen"),
    [
        (certificate(80.5), Level.OK, "80 days"),
        (certificate(-1), Level.FAIL, "expired on"),
        (certificate(80, ready="False"), Level.FAIL, "not ready: why"),
        (certificate(20, renew_in=-1), Level.WARN, "should have been renewed"),
        (certificate(0, ready="False"), Level.FAIL, "not issued: why"),
        ({"metadata": {"name": "leaf"}}, Level.FAIL, "not issued: cert-manager has not looked"),
    ],
)
def test_certificates_are_told_with_their_end(found: Any, level: Level, seen: str) -> None:
    row = ask(expiry.expiry, cluster({CERTIFICATES: {"items": [found]}}))["certificate leaf"]
    assert (row.level, seen in row.seen) == (level, True), row


def test_a_replacement_is_one_change_and_what_only_looks_is_none() -> None:
    other = URN.replace("::config", "::other")
    steps = [("create-replacement", URN), ("replace", URN), ("delete-replaced", URN), ("same", other), ("read", other)]
    assert planned(Previewed("dev", mine=steps)) == [Change("ConfigMap/config", "replace")]
    assert planned(Previewed("dev", mine=[("refresh", other), ("discard", other)])) == []


def test_what_the_stack_asks_for_and_what_others_changed_are_told_apart() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "infisical"}}
    made = {"type": "kubernetes:core/v1:ConfigMap", "inputs": {**config, "data": {"a": "1"}}}
    stack = Previewed("prod", mine=[("update", URN)], deployment_={"resources": [made]})
    rows = told(stack, live=[{**config, "data": {"a": "2"}}])
    assert rows["pending"].seen == "1 changes: ConfigMap/config (update)"
    assert rows["drift"].seen == "not as the stack made it: ConfigMap infisical/config"
    assert rows["drift"].fix.startswith("`make drift STACK=prod`")
    assert all_ok(told(Previewed("prod", mine=[("same", URN)])))


def test_an_invalid_stack_is_told_with_its_reason() -> None:
    reason = OperationError("`pulumi preview --json` on stack prod failed: redis.quorum: too high\n")
    row = only(told(Previewed("prod", mine=reason)))
    assert (row.level, row.seen) == (Level.FAIL, "can't be told: redis.quorum: too high")


def test_the_last_up_is_told_with_its_moment() -> None:
    ended = {"manifest": {"time": "2026-11-26T16:57:03.1234567+02:00"}}
    rows = ask(partial(changes.last_update, Previewed("prod", deployment_=ended)))
    assert rows["the last `up`"].seen == "changed the state on 2026-11-26 at 14:57 UTC"


def test_an_up_that_was_killed_is_told_with_its_repair() -> None:
    killed = {"pending_operations": [{"resource": {"urn": URN}, "type": "creating"}]}
    row = only(ask(partial(changes.last_update, Previewed("prod", deployment_=killed))))
    assert row.seen == "was killed while it worked on config"
    assert row.fix == "make repair STACK=prod, then `pulumi up --stack prod`"


def test_the_screen_ends_with_the_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(infisical: Any) -> tuple[int, list[str]]:
        there = cluster(platform(infisical))
        monkeypatch.setattr(doctor, "Cluster", lambda _context, _kubeconfig: there)
        code = status.run(Previewed("dev"), argparse.Namespace())
        return code, capsys.readouterr().out.splitlines()

    code, lines = shown(workload("infisical", 2))
    assert (code, lines[-1]) == (0, "stack dev, https://secrets.infisical.test: all is well"), lines
    assert len(lines) < 24, "one screen"
    code, lines = shown(workload("infisical", 0))
    assert (code, lines[-1].endswith(": 1 failure")) == (1, True), lines


def test_what_applications_wait_for_has_a_row() -> None:
    """Pending provisioning and drift were doctor's alone, though the screen is there to say what is pending."""
    drift = {"data": {"checked": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}", "drift": "shop: prod:/A waits"}}
    there = cluster({"/api/v1/namespaces/infisical/configmaps/infisical-drift": drift})
    check = status.checks(Previewed(name="dev"))["applications"]
    row = only(ask(check, there, applications=SHOP_ALONE, organization=ORGANIZATION))
    assert (row.level, row.seen) == (Level.FAIL, "shop: prod:/A waits")
