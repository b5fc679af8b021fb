"""Ask the cluster through `kubectl`. Questions name paths, not kinds, so that kubectl looks up nothing else."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from operations.bounded import SECONDS
from operations.errors import OperationError
from safeguards.kubectl import Kubectl

Object = dict[str, Any]

REVIEWERS = 4  # kubectl processes that ask for rights at the same time
REVIEW_SECONDS = 20  # for all the rights of a namespace
CHANGE_SECONDS = 30  # for one object, or the list of a namespace: what it belongs to is better slow than half done
ADMISSION_SECONDS = 35  # for an object that webhooks look at: Kubernetes gives up one of them after 30 s at the latest
EXECUTE_SECONDS = 15  # for a command in a pod, whose node may be gone
MANAGER = "infisical-platform"  # the field manager of what is saved and made again
_AUTHORIZATION = "authorization.k8s.io/v1"
# Nothing that an object says of itself: the API server has too much to do, or isn't there.
_TROUBLE = re.compile(
    r"\((TooManyRequests|ServiceUnavailable|Timeout|ServerTimeout)\)|^Unable to connect to the server"
    r"|connection to the server .* was refused",
    re.MULTILINE,
)
# conflict with "kubectl-edit" using v1: .data.a; several fields stand each in a line of their own.
_CONFLICT = re.compile(
    r'conflicts? with "([^"]+)"(?: with subresource "([^"]+)")?[^\n]*?:(?= \.|\n- )((?: [^\n]+)|(?:\n- [^\n]+)+)'
)


class Unanswered(Exception):
    """The cluster does not tell, for lack of a right to ask or of an answer in time. The message is the reason."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field manager that an apply would be in conflict with, and its fields."""

    manager: str
    subresource: str  # by which it has written them, mostly empty
    fields: str  # for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the caller may do in a namespace: rules of a SelfSubjectRulesReview."""

    rules: Sequence[Object]
    complete: bool  # otherwise some authorizer, for example a webhook, has no rules to show


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of a stack. Raises OperationError when there is no kubectl, or when it does not know the context."""

    context: str | None
    kubeconfig: str | None

    def get(self, path: str) -> Object | None:
        """Return the JSON at a path of the API, or None where there is nothing. Raises Unanswered."""
        done = self._run("get", "--raw", path)
        if "(NotFound)" in done.stderr:
            return None
        return json.loads(self._answer(done))

    def items(self, path: str) -> list[Object]:
        """Return the objects of a list; empty when the cluster has no such kind. Raises Unanswered."""
        listed = self.get(path)
        return listed["items"] if listed else []

    def exists(self, *selection: str) -> bool:
        """Return whether `kubectl get SELECTION` finds anything. Its data stays in the cluster. Raises Unanswered."""
        # Without `-o` the server sends a table: the data of a Secret does not leave it.
        done = self._run("get", *selection, "--ignore-not-found", "--no-headers")
        if "the server doesn't have a resource type" in done.stderr or "(NotFound)" in done.stderr:
            return False
        return bool(self._answer(done))

    def refusal(self, path: str, body: Object) -> str:
        """Return why the API server would not make `body`, empty when it would. Nothing is made. Raises Unanswered."""
        done = self._dry_create(path, body)
        return _judged(done) if done.returncode else ""

    def admitted(self, path: str, body: Object) -> Object | str:
        """Return what the API server and its webhooks would make of `body`, or why they would not. Nothing is made.

        Raises Unanswered.
        """
        done = self._dry_create(path, body)
        return _judged(done) if done.returncode else json.loads(done.stdout)

    def would_apply(self, manifest: Object) -> Object | str:
        """Return what an object would become by a server-side apply, or why it can't. Nothing changes.

        Raises Unanswered.
        """
        done = self._dry_run(manifest, "--force-conflicts")
        return _judged(done) if done.returncode else json.loads(done.stdout)

    def conflicts(self, manifest: Object) -> list[Conflict]:
        """Return who owns what a server-side apply would change, if it took nothing by force. Nothing changes.

        Raises Unanswered.
        """
        done = self._dry_run(manifest)
        said = _CONFLICT.findall(done.stderr)
        found = [
            Conflict(manager, through, ", ".join(re.findall(r" \.(\S.*)", fields))) for manager, through, fields in said
        ]
        if not found:
            self._answer(done)
        return found

    def _dry_create(self, path: str, body: Object) -> subprocess.CompletedProcess[str]:
        create = ("create", "--raw", f"{path}?dryRun=All", "-f", "-")
        return self._run(*create, stdin=json.dumps(body), seconds=ADMISSION_SECONDS)

    def _dry_run(self, manifest: Object, *options: str) -> subprocess.CompletedProcess[str]:
        apply = ("apply", "--server-side", *options, "--dry-run=server", "--validate=false")
        manager = "--field-manager=infisical-platform-plan"
        return self._run(*apply, manager, "-f", "-", "-o", "json", stdin=json.dumps(manifest), seconds=CHANGE_SECONDS)

    def rules(self, namespace: str) -> Rules:
        """Return what the caller may do in a namespace, as far as rules tell. Raises Unanswered."""
        review = {"apiVersion": _AUTHORIZATION, "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
        path = f"/apis/{_AUTHORIZATION}/selfsubjectrulesreviews"
        done = self._run("create", "--raw", path, "-f", "-", stdin=json.dumps(review))
        status = json.loads(self._answer(done))["status"]
        return Rules(rules=status.get("resourceRules") or [], complete=not status.get("incomplete", False))

    def allowed(self, questions: Sequence[Object]) -> list[bool]:
        """Return whether the caller may do each of `questions`, resourceAttributes of a review. Raises Unanswered.

        One kubectl asks its questions one after the other, so several processes share them.
        """
        kind = {"apiVersion": _AUTHORIZATION, "kind": "SelfSubjectAccessReview"}
        reviews = [kind | {"spec": {"resourceAttributes": question}} for question in questions]
        size = max(1, -(-len(reviews) // REVIEWERS))
        shares = [reviews[start : start + size] for start in range(0, len(reviews), size)]
        with ThreadPoolExecutor(REVIEWERS) as pool:
            return [allowed for answers in pool.map(self._reviewed, shares) for allowed in answers]

    def _reviewed(self, reviews: Sequence[Object]) -> list[bool]:
        batch = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
        arguments = ("create", "--validate=false", "-f", "-", "-o", "json")
        done = self._run(*arguments, stdin=batch, seconds=REVIEW_SECONDS)
        return [answer["status"]["allowed"] for answer in _documents(self._answer(done))]

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Object]:
        """Return the objects of some kinds (Job.v1.batch, Secret.v1.) with who owns their fields. Raises Unanswered."""
        where = ["-n", namespace] if namespace else []
        get = ("get", ",".join(kinds), *where, "--show-managed-fields", "-o", "json")
        return json.loads(self._answer(self._run(*get, seconds=CHANGE_SECONDS)))["items"]

    def patch(self, kind: str, name: str, namespace: str, operations: Sequence[Object]) -> None:
        """Apply a JSON patch (RFC 6902), which goes over a pipe. Raises Unanswered."""
        where = ["-n", namespace] if namespace else []
        patch = ("patch", kind, name, *where, "--type=json", "--patch-file=/dev/stdin")
        self._answer(self._run(*patch, stdin=json.dumps(operations), seconds=CHANGE_SECONDS))

    def create(self, manifest: Object) -> None:
        """Create an object, or make it what it was before, for a manifest that was saved. Raises Unanswered."""
        apply = ("apply", "--server-side", f"--field-manager={MANAGER}", "-f", "-")
        self._answer(self._run(*apply, stdin=json.dumps(manifest), seconds=CHANGE_SECONDS))

    def apply(self, manifest: Object, manager: str) -> None:
        """Apply an object under a field manager, and take from others the fields that it has. Raises Unanswered."""
        apply = ("apply", "--server-side", "--force-conflicts", "--validate=false", f"--field-manager={manager}")
        self._answer(self._run(*apply, "-f", "-", stdin=json.dumps(manifest), seconds=CHANGE_SECONDS))

    def log(self, namespace: str, pod: str) -> str:
        """Return the whole log of a pod, or of a Job's as job/NAME. Raises Unanswered."""
        return self._answer(self._run("logs", "-n", namespace, pod, "--tail=-1"))

    def execute(self, namespace: str, pod: str, container: str, *command: str, stdin: str = "") -> str:
        """Return what a command prints in a pod. Raises Unanswered."""
        inside = ("exec", "-i", "-n", namespace, pod, "-c", container, "--", *command)
        return self._answer(self._run(*inside, stdin=stdin, seconds=EXECUTE_SECONDS))

    def delete(self, *selection: str) -> list[str]:
        """Delete what `kubectl get SELECTION` finds, and return it as kind/name. Raises Unanswered."""
        printed = self._answer(self._run("delete", *selection, "--ignore-not-found", "-o", "name")).splitlines()
        return [line for line in printed if "/" in line]  # when there is none, it prints a sentence

    def _answer(self, done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode:
            raise Unanswered(_reason(done.stderr))
        return done.stdout

    def kubectl(self, command: str) -> str:
        """Return `kubectl COMMAND` on this cluster, for messages."""
        return self._kubectl.command(command)

    def helm(self, command: str) -> str:
        """Return `helm COMMAND` on this cluster, for messages."""
        return " ".join([shlex.join(["helm", *self._kubectl.options("kube-context")]), command])

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self.context, self.kubeconfig)

    def _run(self, *arguments: str, stdin: str = "", seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        limit = seconds or SECONDS + 2
        try:
            done = self._kubectl.run(*arguments, request_seconds=int(limit) - 2, seconds=limit, stdin=stdin)
        except FileNotFoundError:
            raise OperationError("`kubectl` is not on PATH: https://kubernetes.io/docs/tasks/tools/") from None
        except subprocess.TimeoutExpired:
            raise Unanswered(f"no answer within {limit} s") from None
        if re.search(r'context "[^"]*" does not exist', done.stderr):
            raise OperationError(
                f"cluster.context: kubectl knows no context {self.context}; `kubectl config get-contexts` lists those "
                "it knows, cluster.kubeconfig or KUBECONFIG names the file"
            )
        return done


def outcome_of(job: Object) -> str:
    """Return Complete or Failed for a Job that has ended, empty for one that has not."""
    conditions = (job.get("status") or {}).get("conditions") or []
    ends = [each["type"] for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"]
    return ends[0] if ends else ""


def _documents(text: str) -> Iterator[Object]:
    """Yield the JSON documents that kubectl prints one after the other."""
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].lstrip()


def _judged(done: subprocess.CompletedProcess[str]) -> str:
    """Return why the API server refuses an object. Raises Unanswered when it has not looked at it."""
    reason = _reason(done.stderr)
    if _TROUBLE.search(done.stderr):
        raise Unanswered(reason)
    return reason


def _reason(stderr: str) -> str:
    """Return kubectl's last line without its first words, which say no reason."""
    last = stderr.strip().rpartition("\n")[2]
    last = re.sub(r"^(error|Error from server( \(\w+\))?): ", "", last, flags=re.IGNORECASE)
    return re.sub(r"^\S+( \S+)? is forbidden: ", "", last)
