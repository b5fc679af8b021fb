"""A stack knows its cluster and its namespaces, and stops before the first resource where either is not its own."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from safeguards import Refusal
from safeguards.cluster import LiveCluster
from safeguards.identity import refuse_ending_namespaces
from settings.cluster import ClusterSettings
from tests.unit.harness import CLUSTER, State, platform, settings_of

OWN, OTHER = "11111111-own", "22222222-other"
NAMESPACES = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")
STACK = "organization/infisical-platform/dev"


def deployed(*, cluster: str | None = CLUSTER, id_: str = OWN, uid: str = "") -> State:
    """Return the state of a stack in `cluster`, or of one from before stacks knew theirs."""
    urn = "urn:pulumi:dev::infisical-platform::"
    state: dict[str, Any] = {
        f"{urn}provider::kubernetes": {
            "type": "pulumi:providers:kubernetes",
            "outputs": {"clusterIdentifier": cluster} if cluster else {},
        },
        f"{urn}id::stack-identity": {"type": "random:index/randomUuid:RandomUuid", "outputs": {"result": id_}},
    }
    if uid:
        outputs = {"metadata": {"name": "platform-db-pg", "uid": uid}}
        state[f"{urn}ns::platform-db-namespace"] = {"type": "kubernetes:core/v1:Namespace", "outputs": outputs}
    return state


def owned_by(id_: str, stack: str = STACK) -> dict[str, dict[str, str]]:
    annotations = {"infisical-platform/stack": stack, "infisical-platform/stack-id": id_}
    return dict.fromkeys(NAMESPACES, annotations)


def refusal(**given: Any) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        platform(**given)
    return str(caught.value)


# --- the cluster -----------------------------------------------------------------------------------------------------


def test_the_provider_knows_its_cluster_and_a_preview_the_one_of_the_last_update() -> None:
    """It replaces everything when the identifier changes, and nothing for another path, context or address."""

    def identifier(**given: Any) -> object:
        [provider] = platform(**given).of_type("pulumi:providers:kubernetes")
        return provider.inputs.get("clusterIdentifier")

    assert identifier() == CLUSTER
    assert identifier(preview=True) is None, "the first preview needs no cluster"
    assert identifier(preview=True, state=deployed()) == CLUSTER


def test_another_cluster_is_refused_with_both_and_both_ways_out() -> None:
    message = refusal(state=deployed(cluster="uid-of-old"))
    assert message.startswith("cluster.context: ")
    assert "uid-of-old" in message
    assert CLUSTER in message
    assert "pulumi config set --stack dev --path 'infisical-platform:cluster.context'" in message
    assert "make forget-cluster STACK=dev CLUSTER=uid-of-old" in message


def test_a_state_from_before_clusters_were_known_is_told_by_its_namespaces() -> None:
    mine = owned_by(OWN)
    assert platform(state=deployed(cluster=None, uid="uid-platform-db-pg"), namespaces=mine)
    assert "a different cluster" in refusal(state=deployed(cluster=None, uid="uid-platform-db-pg"))
    assert "a different cluster" in refusal(state=deployed(cluster=None, uid="another"), namespaces=mine)


# --- namespaces ------------------------------------------------------------------------------------------------------


def test_every_namespace_carries_the_stacks_name_and_id() -> None:
    graph = platform()
    id_ = graph["RandomUuid/stack-identity"]
    namespaces = graph.of_type("kubernetes:core/v1:Namespace")
    assert {namespace["metadata", "name"] for namespace in namespaces} == set(NAMESPACES)
    for namespace in namespaces:
        assert namespace["metadata", "annotations", "infisical-platform/stack"] == STACK
        assert id_.urn in namespace.dependencies


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_of_another_stack_is_refused_before_anything_is_made(namespace: str) -> None:
    theirs = {namespace: owned_by(OTHER, "organization/infisical-platform/prod")[namespace]}
    for state in ({}, deployed()):
        message = refusal(state=state, namespaces=theirs)
        assert f"namespaces {namespace} belong to stack organization/infisical-platform/prod: a stack needs" in message


def test_a_lost_state_of_the_same_stack_is_told_how_to_get_it_back() -> None:
    message = refusal(namespaces=owned_by(OTHER))
    assert "Bring that state back, from a copy as docs/runbooks/state-lost.md says" in message
    assert f"pulumi config set --stack dev --path 'infisical-platform:cluster.stackId' {OTHER}` has this" in message


def test_a_state_that_has_an_id_gives_it_to_the_namespaces() -> None:
    """As where the ids are of several states, of which one is taken over."""
    two = owned_by(OTHER) | {"infisical": owned_by("33333333-other")["infisical"]}
    for message in (refusal(namespaces=owned_by(OTHER), state=deployed()), refusal(namespaces=two)):
        kubectl = "kubectl --context=infisical-embedded annotate namespace"
        assert f"{kubectl} {' '.join(NAMESPACES)} infisical-platform/stack-id- infisical-platform/stack-" in message


# --- a stack that takes the place of one whose state is lost ---------------------------------------------------------

TAKEN = "11111111-2222-3333-4444-555555555555"
TAKES: dict[str, Any] = {"cluster": {"context": "infisical-embedded", "stackId": TAKEN}}


def test_the_id_of_a_lost_state_is_taken_over() -> None:
    graph = platform(namespaces=owned_by(TAKEN), **TAKES)
    for namespace in graph.of_type("kubernetes:core/v1:Namespace"):
        assert namespace["metadata", "annotations", "infisical-platform/stack-id"] == TAKEN
    assert graph["RandomUuid/stack-identity"], "which tells the state from the one that is lost"
    assert platform(namespaces=owned_by(TAKEN), state=deployed(), **TAKES)
    assert "a different state of it" in refusal(namespaces=owned_by(OTHER), **TAKES)


def test_a_copied_stack_file_takes_nobodys_place() -> None:
    """It brings the id along, and the namespaces say of which stack they are."""
    theirs = owned_by(TAKEN, "organization/infisical-platform/prod")
    assert "infisical-platform/prod: a stack needs names of its own" in refusal(namespaces=theirs, **TAKES)
    outputs = {"metadata": {"name": "infisical", "uid": "uid-infisical"}}
    own = {"type": "kubernetes:core/v1:Namespace", "outputs": outputs}
    state = {**deployed(), "urn:pulumi:dev::p::t::infisical-secrets-namespace": own}
    assert platform(namespaces=theirs, state=state, **TAKES), "one that was renamed has them in its state"


@pytest.mark.parametrize("stack", ["dev-eu", "dev2"])
def test_a_stack_whose_name_begins_alike_is_a_different_one(stack: str) -> None:
    """Its namespaces must not be offered to this one, least of all by a command that can be pasted."""
    message = refusal(namespaces=owned_by(OTHER, f"organization/infisical-platform/{stack}"))
    assert "annotate namespace" not in message
    assert "a stack needs names of its own in a cluster" in message


def test_an_id_without_a_name_is_somebodys() -> None:
    left = {name: {"infisical-platform/stack-id": OTHER} for name in NAMESPACES}
    assert "of which only the id is left: a stack needs" in refusal(namespaces=left)


def test_nothing_is_begun_in_a_namespace_that_is_being_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server takes the namespace's annotations, and refuses whatever is to be made inside."""
    ending = {"deletionTimestamp": "2026-11-27T07:00:00Z"}
    settings = settings_of("minimal")
    for name in NAMESPACES:
        with pytest.raises(Refusal, match=f"{name}: this cluster is deleting the namespace") as caught:
            refuse_ending_namespaces(settings, {name: ending})
        assert f"wait --for=delete namespace/{name} --timeout=10m`" in str(caught.value)
    refuse_ending_namespaces(settings, {name: {} for name in NAMESPACES})
    monkeypatch.setattr("safeguards.refuse_ending_namespaces", _refused)
    with pytest.raises(pulumi.RunError, match="asked"):
        platform(namespaces={"infisical": {"asked": "once"}})


def _refused(*_: object) -> None:
    raise Refusal("asked")


def test_own_namespaces_and_those_that_nobody_claims_are_taken() -> None:
    assert platform(state=deployed(), namespaces=owned_by(OWN))
    assert platform(namespaces={name: {} for name in NAMESPACES})


# --- the key in the cluster ------------------------------------------------------------------------------------------

KEY = "0123456789abcdef0123456789abcdef"


def test_a_key_in_the_cluster_that_the_state_does_not_know_is_taken_over_first() -> None:
    message = refusal(environment={"ENCRYPTION_KEY": KEY})
    assert KEY not in message
    assert (
        "kubectl --context=infisical-embedded get secret infisical-secrets --namespace infisical --output yaml | "
        "make import-secrets STACK=dev FILE=/dev/stdin"
    ) in message
    assert platform(environment={"ENCRYPTION_KEY": KEY}, encryptionKey=KEY)
    assert platform(environment={"ENCRYPTION_KEY": KEY}, infisical={"replaceEncryptionKey": message.split()[-1]})


def test_the_key_that_a_killed_first_update_has_generated_is_known() -> None:
    generated: Any = {"type": "random:index/randomPassword:RandomPassword", "outputs": {"result": KEY}}
    state = {"urn:pulumi:dev::infisical-platform::k::infisical-secrets-encryption-key": generated}
    assert platform(state=state, environment={"ENCRYPTION_KEY": KEY})


def test_a_secret_without_any_key_is_nobodys() -> None:
    assert platform(environment={"SITE_URL": "https://a.example.org"})


# --- kubectl ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a kubectl on PATH that runs these lines of shell and notes its arguments."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(lines: str) -> Path:
        program = tmp_path / "kubectl"
        program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n{lines}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return tmp_path / "asked"

    return put


def test_kubectl_is_asked_in_the_stacks_own_context(kubectl: Callable[[str], Path]) -> None:
    items = [{"metadata": {"name": name, "uid": name}} for name in ("kube-system", "infisical")]
    asked = kubectl(f"echo '{json.dumps({'kind': 'List', 'items': items})}'")
    live = LiveCluster(ClusterSettings(context="mine", kubeconfig="/a/config"))
    assert set(live.namespaces()) == {"kube-system", "infisical"}
    assert "--context=mine --kubeconfig=/a/config get namespaces kube-system" in asked.read_text()


@pytest.mark.parametrize(("answer", "found"), [("", {}), ('{"kind": "Secret", "data": {"A": "Yg=="}}', {"A": "b"})])
def test_one_object_or_none_is_an_answer_too(
    kubectl: Callable[[str], Path], answer: str, found: dict[str, str]
) -> None:
    kubectl(f"echo '{answer}'")
    assert LiveCluster(ClusterSettings()).environment() == found


def test_a_cluster_that_does_not_answer_stops_the_update_with_its_words(kubectl: Callable[[str], Path]) -> None:
    kubectl("echo 'error: context \"mine\" does not exist' >&2; exit 1")
    with pytest.raises(Refusal, match=r'cluster\.context: .*context "mine" does not exist'):
        LiveCluster(ClusterSettings(context="mine")).namespaces()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ('Error from server (Forbidden): deployments.apps is forbidden: User "ci" cannot list resource', True),
        ('error: the server doesn\'t have a resource type "gateways"', True),
        ("Error from server (TooManyRequests): the server has received too many requests", False),
        ("Error from server (ServiceUnavailable): apiserver not ready", False),
        ("Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded)", False),
    ],
)
def test_what_may_not_be_seen_is_no_proof_and_no_answer_stops_the_update(
    kubectl: Callable[[str], Path], words: str, *, shown: bool
) -> None:
    """A second operator was installed beside one that a slow API server didn't show."""
    kubectl(f"cat >&2 <<'WORDS'\n{words}\nWORDS\nexit 1")
    live = LiveCluster(ClusterSettings())
    if shown:
        assert (live.images(), live.api_server(), live.listeners("a", "b")) == ({}, set(), [])
    else:
        for ask in (live.images, live.api_server, lambda: live.helm_release("certificates.cert-manager.io")):
            with pytest.raises(Refusal, match="can't read the cluster"):
                ask()


def test_a_value_that_is_no_text_is_no_reason_to_fail(kubectl: Callable[[str], Path]) -> None:
    kubectl("""echo '{"kind": "Secret", "data": {"JKS": "/u0=", "A": "Yg=="}}'""")
    assert LiveCluster(ClusterSettings()).environment()["A"] == "b"


def test_without_kubectl_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refusal, match="`kubectl` is not on PATH"):
        LiveCluster(ClusterSettings()).namespaces()
