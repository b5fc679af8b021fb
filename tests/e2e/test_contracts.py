"""What the program emits, before a real API server: strict field validation, Pod Security, and rights.

Everything goes into namespaces of its own, so that a deployed stack neither helps nor suffers.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator

import pytest
from views import Kubectl
from waits import DELETION, eventually, kubectl_timeout

from settings.names import Names
from tests.contract.manifests import Json, manifests, pods
from tests.contract.rights import Right, accounts, cells, written
from tests.unit.harness import SHAPES, Graph, shape

PREFIX = "contract-"
OPERATORS = ("cert-manager", "postgres-operator", "redis-operator")
OURS = (*Names().namespaces, "infisical-secrets-operator", "shop")
NAMESPACES = (*OURS, *OPERATORS)
CLUSTER_SCOPED = ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")


def moved(manifest: Json) -> Json:
    """The same in the namespaces of this test."""
    done = copy.deepcopy(manifest)
    if done["kind"] == "Namespace":
        done["metadata"]["name"] = PREFIX + done["metadata"]["name"]
    elif done["kind"] not in CLUSTER_SCOPED:
        done["metadata"]["namespace"] = PREFIX + done["metadata"]["namespace"]
    for subject in done.get("subjects", []):
        subject["namespace"] = PREFIX + subject["namespace"]
    return done


def listed(items: list[Json]) -> str:
    """Not as a List: the API server has no fields of one to validate, and kubectl falls back to less."""
    return "\n---\n".join(map(json.dumps, items))


def refusal(kubectl: Kubectl, verb: str, items: list[Json]) -> str:
    """What the API server says against them."""
    command = [str(kubectl.programs.path("kubectl")), f"--kubeconfig={kubectl.instance.kubeconfig}"]
    command += [verb, "--dry-run=server", "--validate=strict", "-f", "-"]
    done = subprocess.run(command, input=listed(items), capture_output=True, text=True)
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    return done.stderr


@pytest.fixture(scope="module", autouse=True)
def namespaces(kubectl: Kubectl, cluster: object) -> Iterator[None]:
    """Empty ones, which admit what Pod Security's level restricted admits; ready for pods."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PREFIX + n, "labels": label}} for n in NAMESPACES
    ]
    kubectl(
        "delete", "namespace", *(PREFIX + name for name in NAMESPACES), "--ignore-not-found", kubectl_timeout(DELETION)
    )
    kubectl("apply", "-f", "-", stdin=listed(made))  # not create: a later apply would have something to remark
    for name in NAMESPACES:
        account = ("get", "serviceaccount/default", "-n", PREFIX + name, "--ignore-not-found", "-o", "name")
        eventually(lambda account=account: kubectl(*account) or None, f"{PREFIX}{name} has its default account")
    yield
    kubectl("delete", "namespace", *(PREFIX + name for name in NAMESPACES), kubectl_timeout(DELETION))


# --- fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_the_api_server_takes_every_object_and_every_field(kubectl: Kubectl, name: str) -> None:
    """But for the secrets operator's: their kinds come with the stack, and tests/contract knows their schemas.

    The kinds themselves are here already, and kubectl remarks on what others applied.
    """
    made = [
        each
        for each in manifests(shape(name))
        if each["kind"] != "CustomResourceDefinition" and not each["apiVersion"].startswith("secrets.infisical.com/")
    ]
    assert refusal(kubectl, "apply", [moved(manifest) for manifest in made]) == ""


def test_a_field_that_does_not_exist_is_refused(kubectl: Kubectl) -> None:
    job = next(moved(manifest) for manifest in manifests(shape("dev")) if manifest["kind"] == "Job")
    job["spec"]["template"]["spec"]["restartsPolicy"] = "Never"
    assert 'unknown field "spec.template.spec.restartsPolicy"' in refusal(kubectl, "apply", [job])


# --- Pod Security ----------------------------------------------------------------------------------------------------


def pods_of(graph: Graph) -> list[Json]:
    """As the Job controller would make them, but for an account which need not exist here."""
    made: list[Json] = []
    for namespace, kind, template in pods(graph):
        name = kind.lower().replace("/", "-")
        spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
        metadata = {**template.get("metadata", {}), "name": name, "namespace": PREFIX + namespace}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return made


@pytest.mark.parametrize("name", SHAPES)
def test_every_pod_of_ours_is_admitted_at_level_restricted(kubectl: Kubectl, name: str) -> None:
    made = pods_of(shape(name))
    assert made, "tests/contract/test_pod_security.py knows which"
    assert refusal(kubectl, "create", made) == ""


def test_a_pod_with_more_than_that_is_not(kubectl: Kubectl) -> None:
    pod = pods_of(shape("dev"))[0]
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert 'violates PodSecurity "restricted' in refusal(kubectl, "create", [pod])


# --- rights ----------------------------------------------------------------------------------------------------------


def rules(kubectl: Kubectl, account: str) -> set[Right]:
    """All that an account may do in each namespace, as the API server tells the account itself."""
    home, name = account.split("/")
    places = {"default": "default", "kube-system": "kube-system", **{PREFIX + each: each for each in OURS}}
    reviews = [
        {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": place}}
        for place in places
    ]
    login = f"--as=system:serviceaccount:{PREFIX}{home}:{name}"
    line = 'jsonpath={.status}{"\\n"}'
    answers = kubectl("create", "--validate=false", login, "-o", line, "-f", "-", stdin=listed(reviews)).splitlines()
    found = set[Right]()
    for place, answer in zip(places.values(), map(json.loads, answers), strict=True):
        assert not answer["incomplete"]
        for rule in answer["resourceRules"]:
            found |= {*cells(account, place, rule)}
    return found


@pytest.mark.parametrize("name", ["dev", "everything", "rotated", "applications"])
def test_a_job_may_do_what_is_written_down_and_nothing_else(kubectl: Kubectl, name: str) -> None:
    graph = shape(name)
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    kubectl("apply", "-f", "-", stdin=listed([moved(m) for m in manifests(graph) if m["kind"] in kinds]))
    everybody = {right._replace(account="") for right in rules(kubectl, "infisical/nobody")}
    for account in accounts(graph):
        expected = {right for right in written(graph) if right.account == account}
        allowed = {right for right in rules(kubectl, account) if right._replace(account="") not in everybody}
        assert {"not written down": sorted(allowed - expected), "not granted": sorted(expected - allowed)} == {
            "not written down": [],
            "not granted": [],
        }
