"""Applications as the cluster sees them: the wish without values, the values, who may log in, and the delivery."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from components.application_wish import file_of, wishes
from components.base.content import digest
from settings.applications import secrets_of
from tests.unit.application_changes import WISHES, WITH_APPLICATIONS
from tests.unit.changes import Change
from tests.unit.configurations import complaint, with_
from tests.unit.harness import (
    BUCKET,
    ORGANIZATION,
    RECIPIENT,
    SHOP,
    Graph,
    made_name,
    platform,
    settings_of,
    shape,
    with_applications,
)
from tests.unit.network import Network, Pod

JOB, DRIFT = "Job/application-secrets", "CronJob/infisical-drift-schedule"
VALUES, WISH = "Secret/application-secrets-values", "ConfigMap/application-secrets-wish"
OPERATOR = "infisical-secrets-operator"
STATIC = "InfisicalStaticSecret/secret-delivery-shop-shop-env"
UNIVERSAL = ORGANIZATION | {"machineAuth": "universal"}
RETIRED = {"shop": {"retired": True}}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return shape("applications")


def config(graph: Graph, job: str = JOB) -> dict[str, Any]:
    [container] = graph[job]["spec", "template", "spec", "containers"]
    return json.loads(next(each["value"] for each in container["env"] if each["name"] == "CONFIG"))


def shop(**changes: Any) -> dict[str, Any]:
    return {"shop": copy.deepcopy(SHOP) | changes}


def applications() -> Any:
    beside: dict[str, Any] = {"organization": ORGANIZATION, "secretsOperator": {}}
    return settings_of(applications=shop(), shopDatabaseUrl="u", **beside).applications


def test_a_stack_without_applications_has_none_of_it() -> None:
    assert not [str(r) for r in shape("organization") if "application" in str(r) or "drift" in str(r)]


def test_what_they_need_is_asked_for_at_once() -> None:
    """Both sections, each with the command that sets it, before anything is created."""
    said = complaint(with_(("applications", {"shop": {"environments": {"prod": "P"}}})))
    assert "organization.name: required, but not set. The stack can make what shop gets only in" in said
    assert "secretsOperator" not in said, "nothing is delivered"
    plain = copy.deepcopy(SHOP) | {"secrets": {"prod": {"/": {"FEATURES": "x"}}}}
    said = complaint(with_(("applications", {"shop": plain})))
    assert {line.split(":")[0] for line in said.splitlines()[1:]} == {
        "- organization.name",
        "- organization.admin",
        "- secretsOperator",
    }


# --- the wish and the values -----------------------------------------------------------------------------------------


def test_the_wish_has_no_value() -> None:
    document = json.loads(wishes(applications())["shop.json"])
    assert document["slug"] == "shop-app"
    assert document["people"] == {"dev@example.org": ["viewer"]}
    owners = {each["place"][2]: (each["owner"], "file" in each) for each in document["secrets"]}
    assert owners == {
        "FEATURES": ("stack", True),
        "SESSION_KEY": ("stack", True),
        "DATABASE_URL": ("stack", True),
        "STRIPE_KEY": ("people", False),
    }
    assert "search,cart" not in json.dumps(document)


@pytest.mark.parametrize("change", WISHES, ids=[each.key for each in WISHES])
def test_what_concerns_infisical_alone_is_in_the_wish(change: Change) -> None:
    config = copy.deepcopy(WITH_APPLICATIONS)
    before = wishes(settings_of("prod", **config).applications)["shop.json"]
    change.apply(config)
    after = wishes(settings_of("prod", **config).applications)["shop.json"]
    assert before != after
    assert change.shown is None or after.count(change.shown) > before.count(change.shown)


def test_the_values_are_bytes_in_one_secret(graph: Graph) -> None:
    data: Any = graph[VALUES]["data"]
    named = {each.key: file_of("shop", each) for each in secrets_of(applications()["shop"])}
    assert base64.b64decode(data[named["DATABASE_URL"]]).decode() == "throw-away-shop-url"
    assert base64.b64decode(data[named["FEATURES"]]) == b"search,cart"
    assert named["STRIPE_KEY"] not in data
    assert graph.secret(VALUES, "data", named["DATABASE_URL"])
    assert graph.secret(VALUES, "data", named["SESSION_KEY"])


def test_a_changed_value_or_wish_makes_a_new_object_and_so_a_new_pod(graph: Graph) -> None:
    """Pulumi chooses the name of the Secret: a digest in a name would let a value be guessed."""
    assert "name" not in graph[VALUES].inputs["metadata"]
    assert graph[VALUES]["immutable"] is True
    names = [str(each[WISH]["metadata", "name"]) for each in (graph, with_applications(applications=shop(people={})))]
    assert names[0] != names[1]
    for pods in (graph[JOB]["spec", "template"], graph[DRIFT]["spec", "jobTemplate", "spec", "template"]):
        variables = {each["name"]: each.get("value") for each in pods["spec"]["containers"][0]["env"]}
        assert (variables["WISH"], variables["VALUES"]) == (names[0], made_name("application-secrets-values"))
        mounted = {each["secret"]["secretName"] for each in pods["spec"]["volumes"] if "secret" in each}
        assert mounted == {"infisical-bootstrap", made_name("application-secrets-values")}


def test_generated_values_are_protected_where_data_is() -> None:
    for protect in (True, False):
        graph = with_applications(cluster={"protect": protect})
        [made] = [r for r in graph if r.kind == "RandomPassword" and r.name.startswith("application-secrets")]
        assert made.protect is protect
        assert made["length"] == 64


def test_a_value_of_a_lost_state_takes_the_place_of_a_new_one(graph: Graph) -> None:
    secret = next(each for each in secrets_of(applications()["shop"]) if each.key == "SESSION_KEY")
    file = file_of("shop", secret)
    value = "throw-away-session-key".ljust(64, "-")
    given = with_applications(generatedValues={file: value})
    assert base64.b64decode(str(given[VALUES]["data", file])).decode() == value
    assert given[f"RandomPassword/application-secrets-{file}"], "it can't be taken out of the state again"
    wish = json.loads(wishes(applications())["shop.json"])
    assert [each["place"][2] for each in wish["secrets"] if each.get("generated")] == ["SESSION_KEY"]


def test_the_job_knows_the_state_from_the_stack_whose_place_it_takes() -> None:
    taken = "11111111-2222-3333-4444-555555555555"
    [container] = with_applications(cluster={"stackId": taken})[JOB]["spec", "template", "spec", "containers"]
    known = {each["name"]: each.get("value") for each in container["env"]}
    assert (known["STACK_ID"], known["STATE_ID"] in (None, taken)) == (taken, False)


# --- order -----------------------------------------------------------------------------------------------------------


def test_everything_is_there_before_the_job_which_comes_before_what_is_delivered(graph: Graph) -> None:
    for earlier in (
        "Job/bootstrap",
        "ConfigMap/application-secrets-drift",
        "RoleBinding/application-secrets",
        "RoleBinding/application-secrets-identities",
        "Secret/infisical-identity-shop",
        "ClusterRoleBinding/infisical-shop-token-review",
        VALUES,
        WISH,
    ):
        assert graph.waits(JOB, for_=earlier)
    assert graph.waits(DRIFT, for_=JOB), "two at once would see half of each other's work"
    for later in ("InfisicalConnection/secret-delivery-connection", STATIC):
        assert graph.waits(later, for_=JOB)
    assert graph.waits("Job/secret-delivery-gate", for_=STATIC)
    assert graph.free("ingress-route", of="application-secrets")


def test_targets_are_judged_while_infisical_is_provisioned(graph: Graph) -> None:
    assert graph.free("Job/secret-delivery-free", of=JOB)


def test_a_new_value_reaches_the_operator_and_the_gate_at_once(graph: Graph) -> None:
    """Both carry a digest of two names and the operator's log-in, which tells nothing about a value."""
    for each in (graph, with_applications(applications=shop(people={}))):
        wish = each[STATIC]["metadata", "annotations", "infisical-platform/wish"]
        assert wish == digest([each[WISH]["metadata", "name"], made_name("application-secrets-values"), "kubernetes"])
    gates = [
        each["Job/secret-delivery-gate"]["spec", "template", "metadata", "annotations"]
        for each in (graph, with_applications(applications=shop(people={})))
    ]
    assert gates[0] != gates[1]


# --- accounts --------------------------------------------------------------------------------------------------------


def test_each_application_has_an_account_that_the_job_may_name(graph: Graph) -> None:
    assert graph["ServiceAccount/infisical-shop"]["metadata", "namespace"] == OPERATOR
    kept = graph["Secret/infisical-identity-shop"]
    assert kept["metadata"] == {"name": "infisical-identity-shop", "namespace": OPERATOR}
    assert not {"data", "stringData"} & set(kept.inputs), "the Job fills it, and nothing is compared"
    [rule] = graph["Role/application-secrets-identities"]["rules"]
    names = ["infisical-identity-shop", "infisical-identity-operator-canary"]
    assert (rule["verbs"], rule["resourceNames"]) == (["get", "patch"], names)
    [subject] = graph["RoleBinding/application-secrets-identities"]["subjects"]
    assert (subject["name"], subject["namespace"]) == ("infisical-provisioner", "infisical")
    assert graph[JOB]["spec", "template", "spec", "serviceAccountName"] == "infisical-provisioner"


def test_universal_auth_asks_the_cluster_nothing() -> None:
    graph = with_applications(organization=UNIVERSAL)
    assert not [str(r) for r in graph if "shop-token-review" in str(r)]
    assert config(graph)["auth"] == "universal"
    assert graph["InfisicalAuth/secret-delivery-auth-shop"]["spec", "method"] == "universal"


def test_external_secrets_operator_logs_in_by_a_client_secret_whatever_the_stack_itself_does() -> None:
    plain = shop(deliver=[{"environment": "prod", "namespace": "shop", "secret": "shop-env"}])
    graph = with_applications(applications=plain, secretsOperator={"kind": "externalSecrets"})
    assert config(graph)["auth"] == "universal"
    assert config(graph, "Job/bootstrap")["machine_auth"] == "kubernetes"
    assert graph.waits("ClusterSecretStore/secret-delivery-store-shop-shop-env", for_=JOB)


def test_what_nobody_delivers_needs_no_operator() -> None:
    """People may have an application's secrets in Infisical alone."""
    graph = platform(organization=ORGANIZATION, applications={"cart": {"environments": {"prod": "Production"}}})
    assert "operator_namespace" not in config(graph)
    assert not [str(r) for r in graph if "infisical-cart" in str(r) or "secret-delivery" in str(r)]
    assert {r["metadata", "namespace"] for r in graph if r.kind == "Role"} >= {"infisical"}


def test_drift_is_looked_for_every_hour_and_told_in_a_config_map(graph: Graph) -> None:
    assert graph[DRIFT]["spec", "schedule"] == "23 * * * *"
    drift = graph["ConfigMap/application-secrets-drift"]
    assert drift["metadata"] == {"name": "infisical-drift", "namespace": "infisical"}
    assert "data" not in drift.inputs
    assert config(graph)["drift"] == "infisical-drift"


def test_a_run_of_the_schedule_is_told_from_the_job_of_an_up(graph: Graph) -> None:
    """An `up` that has begun keeps it from putting back what the `up` changes."""
    [hourly] = graph[DRIFT]["spec", "jobTemplate", "spec", "template", "spec", "containers"]
    told = json.loads(next(each["value"] for each in hourly["env"] if each["name"] == "CONFIG"))
    assert (config(graph)["run"], told["run"]) == ("up", "schedule")
    assert config(graph) | {"run": "schedule"} == told


# --- paths -----------------------------------------------------------------------------------------------------------


def test_they_are_provisioned_and_judged_from_infisicals_namespace(graph: Graph) -> None:
    network = Network(graph)
    provision, *gates = (
        Pod("infisical", {"infisical-platform/job": name})
        for name in ("application-secrets", "secret-delivery-free", "secret-delivery-gate")
    )
    for pod in (provision, *gates):
        assert network.allows(pod, "10.0.0.1", 6443)
        assert network.allows(pod, Pod("kube-system", {"k8s-app": "kube-dns"}), 53, "UDP")
        assert network.allows(pod, Pod("infisical", {"component": "infisical"}), 8080) == (pod is provision)
        assert not network.allows(Pod("default"), pod, 8080)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_retired_application_has_nothing_but_its_end() -> None:
    graph = platform(applications=RETIRED, organization=ORGANIZATION)
    assert not [each for each in graph if "infisical-shop" in str(each) or "secret-delivery" in str(each)]
    assert json.loads(graph[WISH]["data", "shop.json"])["retired"]
    assert graph[VALUES]["data"] == {}
    assert graph["application-secrets"].outputs == [{"applications": []}]


def test_what_was_generated_is_unprotected_before_it_goes() -> None:
    """Pulumi deletes nothing that is protected. The key of the stack file goes with the `up` after this one."""
    graph = with_applications("prod", applications=shop(retired=True))
    [made] = [r for r in graph if r.kind == "RandomPassword" and r.name.startswith("application-secrets")]
    assert made.protect is False


def test_a_living_application_is_remembered_so_that_it_is_not_dropped(graph: Graph) -> None:
    assert graph["application-secrets"].outputs == [{"applications": ["shop"]}]


BACKUPS: dict[str, Any] = {"backup": {"target": BUCKET | {"pointInTime": True}, "recipients": [RECIPIENT]}}
BACKUPS |= {"backupAccessKey": "access", "backupSecretKey": "secret"}


@pytest.mark.parametrize(
    "came",
    [
        {"restore": {"id": "one", "from": "latest"}},
        {"database": {"recover": {"archive": "0123abcd", "time": "2026-11-26T11:20:00+00:00"}}},
    ],
    ids=["restored", "recovered"],
)
def test_what_was_proven_of_other_data_is_proven_again(came: dict[str, Any]) -> None:
    """A database of before has log-ins, members and values of before, and perhaps open sign-up: no Job may believe."""
    before, after = with_applications("prod", **BACKUPS), with_applications("prod", **BACKUPS, **came)
    changed = {str(r) for r in before if str(r) in {str(a) for a in after} and r.inputs != after[str(r)].inputs}
    assert changed >= {"Job/bootstrap", JOB, STATIC, "Job/secret-delivery-gate", "Job/operator-canary"}
