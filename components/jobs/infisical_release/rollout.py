"""Watches a Deployment's rollout to its end and asks its URL; names the cause as soon as a container keeps failing."""

import http.client
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from job import Failed, Pending, Report, run, wait
from kube import Api, Object, path
from last_words import telling_lines
from pods import NEVER_STARTED, PodProblem, problems
from pulls import may_still_come
from redact import mounted_secret, redactor

REVISION = "deployment.kubernetes.io/revision"
NOBODY: Object = {"clientId": "00000000-0000-0000-0000-000000000000", "clientSecret": "nonsense"}
JSON = {"Content-Type": "application/json"}
OK = frozenset({200})
REFUSED = frozenset({400, 401, 403, 404})  # by version; not 422, which needs no database, nor 429


@dataclass(frozen=True)
class Config:
    """failure_grace_seconds: how long a container may keep failing before the rollout counts as failed."""

    namespace: str
    deployment: str
    url: str
    login_url: str
    deadline_seconds: float
    failure_grace_seconds: float = 20


class Rollout:
    """One wait: remembers since when each container fails."""

    def __init__(self, config: Config, api: Api, hide: Callable[[str], str]) -> None:
        self.config = config
        self.api = api
        self.hide = hide
        self.name = f"deployment {config.namespace}/{config.deployment}"
        self.failing_since: dict[tuple[str, str], float] = {}
        self.stalled_since: float | None = None

    def check(self) -> str:
        """Raises Pending until all pods are new and available and the URL answers; Failed when they cannot be."""
        deployment = self.api.find(path("deployments", self.config.namespace, self.config.deployment))
        if deployment is None:
            raise Failed(f"{self.name} does not exist: the release has not made it, or names it otherwise")
        wanted = deployment["spec"].get("replicas", 1)
        if wanted == 0:
            raise Failed(f"{self.name} is scaled to 0 replicas")
        status = deployment.get("status", {})
        if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
            raise Pending(f"{self.name}: generation not observed by the deployment controller yet")
        updated, available, total = (status.get(f"{kind}eplicas", 0) for kind in ("updatedR", "availableR", "r"))
        if not updated == available == total == wanted:
            seen = f"{self.name}: {wanted} wanted, {total} there, {updated} updated, {available} available"
            raise Pending(seen + self._causes(deployment, seen))
        return f"ready: {self.name}: {wanted} of {wanted} replicas, {self._ask()}"

    def _causes(self, deployment: Object, seen: str) -> str:
        """What holds the rollout up, as the tail of a sentence; raises Failed for what has lasted for the grace."""
        found = [problem for pod in self._new_pods(deployment) for problem in problems(pod)]
        self._fail_on_stubborn(found)
        conditions = {condition["type"]: condition for condition in deployment["status"].get("conditions", [])}
        causes = [str(problem) for problem in found]
        refused = conditions.get("ReplicaFailure", {})
        if refused.get("status") == "True":
            causes.append(f"{refused.get('reason')}: {refused.get('message')}")
        tail = "".join(f"; {cause}" for cause in causes)
        progressing = conditions.get("Progressing", {})
        if progressing.get("reason") != "ProgressDeadlineExceeded":
            self.stalled_since = None
        elif self._lasts(self._stalled_at()):
            raise Failed(f"ProgressDeadlineExceeded: {seen}{tail}")
        return tail

    def _new_pods(self, deployment: Object) -> list[Object]:
        """The pods of the newest ReplicaSet: the one which carries the Deployment's own revision."""
        namespace, metadata = self.config.namespace, deployment["metadata"]
        selector = label_selector(deployment["spec"]["selector"])
        revision = metadata.get("annotations", {}).get(REVISION)
        for replica_set in self.api.items(path("replicasets", namespace), labelSelector=selector):
            theirs = replica_set["metadata"]
            owned = any(owner["uid"] == metadata["uid"] for owner in theirs.get("ownerReferences", []))
            if owned and theirs.get("annotations", {}).get(REVISION) == revision:
                template = theirs["labels"]["pod-template-hash"]
                pods = self.api.items(path("pods", namespace), labelSelector=f"{selector},pod-template-hash={template}")
                return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return []

    def _fail_on_stubborn(self, found: list[PodProblem]) -> None:
        failing = {
            (problem.pod, problem.container): problem
            for problem in found
            if problem.failing and not may_still_come(self.api, self.config.namespace, problem)
        }
        now = time.monotonic()
        self.failing_since = {key: self.failing_since.get(key, now) for key in failing}
        for key, problem in failing.items():
            if self._lasts(self.failing_since[key]):
                raise Failed(f"{self.name}: {problem}{self._last_words(problem)}")

    def _last_words(self, problem: PodProblem) -> str:
        if problem.reason in NEVER_STARTED:
            return ""
        # A container which waits for its next start has its words in the log of the previous one.
        for previous in (problem.waiting, not problem.waiting):
            log = self.api.log(self.config.namespace, problem.pod, problem.container, previous=previous)
            if words := telling_lines(log, self.hide):
                return f"; its log ends with: {words}"
        return "; it logged nothing"

    def _stalled_at(self) -> float:
        self.stalled_since = self.stalled_since or time.monotonic()
        return self.stalled_since

    def _lasts(self, since: float) -> bool:
        return time.monotonic() - since >= self.config.failure_grace_seconds

    def _ask(self) -> str:
        """Ask for the status, then log in with nonsense: only that needs the database and Redis.

        The real /api/status says 200 while PostgreSQL is down. Raise Pending unless both answer as they should.
        """
        self._answer("GET", self.config.url, None, OK)
        refused = self._answer("POST", self.config.login_url, NOBODY, REFUSED)
        return f"GET {self.config.url} answers 200, and a log-in by nobody {refused}"

    def _answer(self, method: str, address: str, body: Object | None, expected: frozenset[int]) -> int:
        url = urlsplit(address)
        scheme = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = scheme(url.hostname or "", url.port, timeout=5)
        target = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        try:
            connection.request(method, target, json.dumps(body) if body else None, JSON)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Pending(f"{method} {address}: {error}") from error
        finally:
            connection.close()
        wanted = " or ".join(map(str, sorted(expected)))
        if response.status not in expected:
            raise Pending(f"{method} {address}: status {response.status}, wanted {wanted}")
        try:
            json.loads(content)
        except ValueError as error:
            raise Pending(f"{method} {address}: status {response.status}, but the body is not JSON") from error
        return response.status


def label_selector(selector: Object) -> str:
    """A LabelSelector as the API's query parameter."""
    terms = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for expression in selector.get("matchExpressions", []):
        key, values = expression["key"], ",".join(expression.get("values", []))
        match expression["operator"]:
            case "Exists":
                terms.append(key)
            case "DoesNotExist":
                terms.append(f"!{key}")
            case operator:
                terms.append(f"{key} {operator.lower()} ({values})")
    return ",".join(terms)


def main(config: Config, report: Report) -> str:
    if directory := os.environ.get("REDACT_DIR"):
        report.hide = redactor(mounted_secret(Path(directory)))
    return wait(Rollout(config, Api(), report.hide).check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("rollout", Config, main)
