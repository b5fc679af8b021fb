"""Watches a Deployment's rollout to its end and asks its URL; names the cause as soon as a container keeps failing."""

import http.client
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from job import Failed, Pending, Report, run, wait
from kube import Api, Object, path
from pods import NEVER_STARTED, Trouble, troubles
from pulls import may_still_come
from redact import mounted_secret, redactor

REVISION = "deployment.kubernetes.io/revision"
LOG_LINES = 3
LOG_CHARACTERS = 600
# Lines of a crash which do not say what went wrong: stack frames, carets, brackets, the runtime's own trailer.
NOISE = re.compile(
    r"""\s*$ | \s+at\s | \s*File\s" | Traceback\s | \s*[\^~]+\s*$ | [\s{}()\[\],;]*$ | Node\.js\sv | node:internal
    | goroutine\s\d | \s+throw\s | \S+:\d+$""",
    re.VERBOSE,
)
TELLING = re.compile(
    r"error|exception|fatal|panic|invalid|cannot|could not|failed|refused|denied|missing", re.IGNORECASE
)


@dataclass(frozen=True)
class Config:
    """failure_grace_seconds: how long a container may keep failing before the rollout counts as failed."""

    namespace: str
    deployment: str
    url: str
    deadline_seconds: float
    expect_status: int = 200
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
        found = [trouble for pod in self._new_pods(deployment) for trouble in troubles(pod)]
        self._fail_on_stubborn(found)
        conditions = {condition["type"]: condition for condition in deployment["status"].get("conditions", [])}
        causes = [str(trouble) for trouble in found]
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

    def _fail_on_stubborn(self, found: list[Trouble]) -> None:
        failing = {
            (trouble.pod, trouble.container): trouble
            for trouble in found
            if trouble.failing and not may_still_come(self.api, self.config.namespace, trouble)
        }
        now = time.monotonic()
        self.failing_since = {key: self.failing_since.get(key, now) for key in failing}
        for key, trouble in failing.items():
            if self._lasts(self.failing_since[key]):
                raise Failed(f"{self.name}: {trouble}{self._last_words(trouble)}")

    def _last_words(self, trouble: Trouble) -> str:
        if trouble.reason in NEVER_STARTED:
            return ""
        # A container which waits for its next start has its words in the log of the previous one.
        for previous in (trouble.waiting, not trouble.waiting):
            log = self.api.log(self.config.namespace, trouble.pod, trouble.container, previous=previous)
            if words := telling_lines(log, self.hide):
                return f"; its log ends with: {words}"
        return "; it logged nothing"

    def _stalled_at(self) -> float:
        self.stalled_since = self.stalled_since or time.monotonic()
        return self.stalled_since

    def _lasts(self, since: float) -> bool:
        return time.monotonic() - since >= self.config.failure_grace_seconds

    def _ask(self) -> str:
        """GET of the URL; raises Pending unless the answer is JSON with the expected status."""
        url = urlsplit(self.config.url)
        scheme = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = scheme(url.hostname or "", url.port, timeout=5)
        try:
            connection.request("GET", url._replace(scheme="", netloc="", fragment="").geturl() or "/")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Pending(f"GET {self.config.url}: {error}") from error
        finally:
            connection.close()
        if response.status != self.config.expect_status:
            raise Pending(f"GET {self.config.url}: status {response.status}, wanted {self.config.expect_status}")
        try:
            json.loads(body)
        except ValueError as error:
            raise Pending(f"GET {self.config.url}: status {response.status}, but the body is not JSON") from error
        return f"GET {self.config.url} answers {response.status}"


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


def telling_lines(log: str, hide: Callable[[str], str]) -> str:
    """The last lines which say what went wrong, joined; stack frames and brackets are left out."""
    lines = [_message(line) for line in log.splitlines()]
    lines = [line.strip() for line in lines if not NOISE.match(line)]
    errors = [line for line in lines if TELLING.search(line)]
    # Masked before it is cut: half a secret would not be recognized.
    return hide(" | ".join((errors or lines)[-LOG_LINES:]))[-LOG_CHARACTERS:]


def _message(line: str) -> str:
    """The text of a structured (JSON) log line, or the line itself."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    fields = cast(Object, entry)
    error = fields.get("err") or fields.get("error")
    texts = [fields.get("msg") or fields.get("message")]
    texts.append(cast(Object, error).get("message") if isinstance(error, dict) else error)
    return ": ".join(dict.fromkeys(str(text) for text in texts if text)) or line


def main(config: Config, report: Report) -> str:
    if directory := os.environ.get("REDACT_DIR"):
        report.hide = redactor(mounted_secret(Path(directory)))
    return wait(Rollout(config, Api(), report.hide).check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("rollout", Config, main)
