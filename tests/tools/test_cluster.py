"""The cluster as kubectl shows it: what is asked, and what its errors are taken for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from operations import cluster as module
from operations.cluster import Cluster, Conflict, Rules, Unanswered
from operations.errors import OperationError

HERE = Cluster("somewhere", "/etc/kubeconfig")
PATH = "/api/v1/namespaces/infisical"


class Kubectl:
    """A program of that name, alone on PATH, which says what it is told to and keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.says()

    def says(self, out: str = "", err: str = "", status: int = 0, prelude: str = "") -> None:
        (self._folder / "out").write_text(out)
        (self._folder / "err").write_text(err)
        script = self._folder / "kubectl"
        lines = ["#!/bin/sh", "PATH=/usr/bin:/bin", f'cd "{self._folder}"', prelude, 'printf "%s\\n" "$@" > asked']
        script.write_text("\n".join([*lines, "cat > stdin", "cat out", "cat err >&2", f"exit {status}"]))
        script.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return (self._folder / "asked").read_text().splitlines()

    @property
    def stdin(self) -> str:
        return (self._folder / "stdin").read_text()


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Kubectl(tmp_path)


def test_it_asks_the_stacks_own_cluster(kubectl: Kubectl) -> None:
    kubectl.says('{"kind": "Namespace"}')
    assert HERE.get(PATH) == {"kind": "Namespace"}
    assert kubectl.asked == [
        "--request-timeout=5s",
        "--context=somewhere",
        "--kubeconfig=/etc/kubeconfig",
        "get",
        "--raw",
        PATH,
    ]
    assert Cluster(None, None).get(PATH)
    assert kubectl.asked == ["--request-timeout=5s", "get", "--raw", PATH]


def test_commands_in_messages_act_on_the_stacks_own_cluster() -> None:
    assert HERE.kubectl("get pods") == "kubectl --context=somewhere --kubeconfig=/etc/kubeconfig get pods"
    assert HERE.helm("list") == "helm --kube-context=somewhere --kubeconfig=/etc/kubeconfig list"
    assert Cluster("my own", None).kubectl("get pods") == "kubectl '--context=my own' get pods"
    assert Cluster(None, None).helm("list") == "helm list"


def test_what_is_not_there_is_none(kubectl: Kubectl) -> None:
    kubectl.says(err='Error from server (NotFound): namespaces "infisical" not found\n', status=1)
    assert HERE.get(PATH) is None
    assert HERE.items(PATH) == []
    assert HERE.exists("secrets", "x") is False


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            'Error from server (Forbidden): deployments.apps is forbidden: User "guest" cannot list',
            'User "guest" cannot list',
        ),
        (
            'Error from server (Forbidden): secrets "infisical-secrets" is forbidden: User "guest" cannot get',
            'User "guest" cannot get',
        ),
        (
            "error: You must be logged in to the server (Unauthorized)",
            "You must be logged in to the server (Unauthorized)",
        ),
        ("W1124 old api\nUnable to connect to the server: EOF", "Unable to connect to the server: EOF"),
    ],
)
def test_every_other_error_is_no_answer_and_the_reason(kubectl: Kubectl, said: str, reason: str) -> None:
    kubectl.says(err=f"{said}\n", status=1)
    for ask in (HERE.get, HERE.exists, HERE.items):
        with pytest.raises(Unanswered) as caught:
            ask(PATH)
        assert str(caught.value) == reason
    with pytest.raises(Unanswered):
        HERE.allowed([{}])
    if "Unable to connect" not in said:
        assert HERE.refusal(PATH, {}) == reason


def test_no_answer_in_time_is_none(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", -1.9)
    kubectl.says(prelude="exec tail -f /dev/null")
    with pytest.raises(Unanswered, match="no answer within"):
        HERE.get(PATH)


def test_nobody_is_asked_for_a_password(kubectl: Kubectl) -> None:
    kubectl.says("{}")
    HERE.get(PATH)
    assert kubectl.stdin == ""


def test_without_kubectl_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationError, match="`kubectl` is not on PATH"):
        HERE.get(PATH)


def test_an_unknown_context_is_named(kubectl: Kubectl) -> None:
    kubectl.says(err='error: context "somewhere" does not exist\n', status=1)
    with pytest.raises(OperationError, match="kubectl knows no context somewhere"):
        HERE.get(PATH)


def test_a_secret_is_looked_for_in_a_table(kubectl: Kubectl) -> None:
    """In no other form does the server keep its data back."""
    kubectl.says("infisical-secrets   Opaque   9   3d\n")
    assert HERE.exists("secrets", "infisical-secrets", "-n", "infisical")
    assert not any(argument.startswith(("-o", "--output")) for argument in kubectl.asked)
    kubectl.says("")
    assert not HERE.exists("secrets", "infisical-secrets", "-n", "infisical")


def test_a_kind_that_is_not_there_has_no_objects(kubectl: Kubectl) -> None:
    kubectl.says(err='error: the server doesn\'t have a resource type "postgresqls"\n', status=1)
    assert HERE.exists("postgresqls.v1.acid.zalan.do", "x") is False


@pytest.mark.parametrize(
    "words",
    [
        "Error from server (TooManyRequests): the server has received too many requests and has asked us to try again",
        "Error from server (ServiceUnavailable): apiserver not ready",
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?",
    ],
)
def test_an_api_server_that_is_busy_or_away_has_refused_nothing(kubectl: Kubectl, words: str) -> None:
    """An object that would be lost, and a cluster that has too much to do, are told apart."""
    kubectl.says(err=f"{words}\n", status=1)
    for ask in (HERE.would_apply, lambda body: HERE.refusal(PATH, body)):
        with pytest.raises(Unanswered):
            ask({"kind": "ConfigMap"})


_ADVICE = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            'error: Apply failed with 3 conflicts: conflicts with "Mozilla" using acid.zalan.do/v1:\n'
            '- .spec.numberOfInstances\nconflicts with "helm":\n- .metadata.labels.x\n- .spec.volume.size',
            [
                Conflict("Mozilla", "", "spec.numberOfInstances"),
                Conflict("helm", "", "metadata.labels.x, spec.volume.size"),
            ],
        ),
        (
            'error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: '
            ".spec.replicas",
            [Conflict("kubectl", "scale", "spec.replicas")],
        ),
    ],
)
def test_it_is_said_who_an_apply_would_be_in_conflict_with(kubectl: Kubectl, words: str, found: list[Conflict]) -> None:
    """As API server and kubectl 1.36 word it."""
    kubectl.says(err=words + _ADVICE, status=1)
    assert HERE.conflicts({"kind": "ConfigMap"}) == found
    assert "--dry-run=server" in kubectl.asked
    assert "--force-conflicts" not in kubectl.asked


def test_no_conflict_is_none_and_any_other_failure_is_no_answer(kubectl: Kubectl) -> None:
    assert HERE.conflicts({"kind": "ConfigMap"}) == []
    kubectl.says(err="error: configmaps is forbidden\n", status=1)
    with pytest.raises(Unanswered):
        HERE.conflicts({"kind": "ConfigMap"})


def test_nothing_is_made_to_hear_a_refusal(kubectl: Kubectl) -> None:
    assert HERE.refusal("/apis/x", {"kind": "Certificate"}) == ""
    assert "--request-timeout=33s" in kubectl.asked, "a webhook that nobody reaches is given up after 30 s"
    assert kubectl.asked[3:] == ["create", "--raw", "/apis/x?dryRun=All", "-f", "-"]
    assert json.loads(kubectl.stdin) == {"kind": "Certificate"}


def test_what_a_webhook_makes_of_an_object_is_heard(kubectl: Kubectl) -> None:
    kubectl.says('{"kind": "Pod", "spec": {}}')
    assert HERE.admitted("/api/v1/x", {"kind": "Pod"}) == {"kind": "Pod", "spec": {}}
    assert kubectl.asked[3:] == ["create", "--raw", "/api/v1/x?dryRun=All", "-f", "-"]


_REVIEWER = f"""#!{sys.executable}
import json, os, sys, time
asked = json.load(sys.stdin)["items"]
open(f"reviewer-{{os.getpid()}}", "w").close()
limit = time.monotonic() + 10
while sum(name.startswith("reviewer-") for name in os.listdir(".")) < 4:
    assert time.monotonic() < limit, "the others wait for this one"
for review in asked:
    allowed = review["spec"]["resourceAttributes"]["verb"] == "get"
    print(json.dumps(review | {{"status": {{"allowed": allowed}}}}, indent=4))
"""


def test_several_ask_for_rights_at_once_and_the_answers_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kubectl").write_text(_REVIEWER)
    (tmp_path / "kubectl").chmod(0o755)
    questions = [{"verb": verb, "resource": str(number)} for number in range(7) for verb in ("get", "create", "get")]
    assert HERE.allowed(questions) == [question["verb"] == "get" for question in questions]
    assert HERE.allowed([]) == []


def test_the_limit_of_time_for_rights_is_said(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REVIEW_SECONDS", 0.2)
    kubectl.says(prelude="exec tail -f /dev/null")
    with pytest.raises(Unanswered, match=r"^no answer within 0\.2 s$"):
        HERE.allowed([{"verb": "get"}])


def test_rules_are_told_with_whether_they_are_all(kubectl: Kubectl) -> None:
    rule = {"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}
    kubectl.says(json.dumps({"status": {"resourceRules": [rule], "incomplete": False}}))
    assert HERE.rules("infisical") == Rules(rules=[rule], complete=True)
    assert kubectl.asked[3:] == [
        "create",
        "--raw",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "-f",
        "-",
    ]
    assert json.loads(kubectl.stdin)["spec"] == {"namespace": "infisical"}
    kubectl.says(json.dumps({"status": {"resourceRules": None, "incomplete": True, "evaluationError": "webhook"}}))
    assert HERE.rules("infisical") == Rules(rules=[], complete=False)


def test_what_is_deleted_is_named(kubectl: Kubectl) -> None:
    kubectl.says("secret/one\nsecret/two\n")
    assert HERE.delete("secrets", "-l", "owner=helm") == ["secret/one", "secret/two"]
    assert kubectl.asked[3:] == ["delete", "secrets", "-l", "owner=helm", "--ignore-not-found", "-o", "name"]
    kubectl.says(err='Error from server (Forbidden): User "guest" cannot delete\n', status=1)
    with pytest.raises(Unanswered, match="cannot delete"):
        HERE.delete("secrets", "x")


def test_a_command_runs_in_a_container_of_a_pod(kubectl: Kubectl) -> None:
    kubectl.says("on\n")
    assert HERE.execute("platform-db-pg", "server-0", "postgres", "psql", "-f", "-", stdin="show x") == "on\n"
    assert kubectl.asked[3:] == [
        "exec",
        "-i",
        "-n",
        "platform-db-pg",
        "server-0",
        "-c",
        "postgres",
        "--",
        "psql",
        "-f",
        "-",
    ]
    assert kubectl.stdin == "show x"
    kubectl.says(
        err='Error from server (Forbidden): pods "server-0" is forbidden: User "guest" cannot create\n', status=1
    )
    with pytest.raises(Unanswered, match=r'^User "guest" cannot create$'):
        HERE.execute("platform-db-pg", "server-0", "postgres", "true")
