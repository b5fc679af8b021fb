"""Waits until every delivered Secret is what the stack asks for. The operator's own word for it is True in any case.

Bytes that are right may be those that another operator has left, so what this one says against itself counts as well.
It writes `<no value>` for a missing secret, empties a Secret whose folder is empty, and never looks at it again.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conditions import condition
from delivery_wish import (
    MARK,
    STACK,
    Delivery,
    Key,
    deliveries_in,
    find_infisical,
    find_secret,
    said_missing,
    texts,
)
from external_secret import external_says
from job import Pending, Report, run, secret, wait
from kube import Api, Object
from restarts import Restarts

READY = "secrets.infisical.com/IsReady"
SYNCED = "secrets.infisical.com/LastReconcileStatus"
LOGGED_IN_BY = "secrets.infisical.com/LastReconcileAuthMethod"
NO_VALUE = b"<no value>"


@dataclass(frozen=True)
class Operator:
    """Where the operator is, the connection that all of its log-ins use, and how it logs in."""

    namespace: str
    deployment: str
    connection: str
    method: Literal["kubernetes", "universal"]

    @property
    def restart(self) -> str:
        """Return the command that has it forget what it holds, and ask again at once."""
        return f"kubectl rollout restart deployment/{self.deployment} -n {self.namespace}"

    def advised(self, message: str) -> str:
        """Return what it says, with what that means where it is known."""
        for part, meaning in _MEANINGS:
            if part in message:
                return f"{message} ({meaning.format(restart=self.restart)})"
        return message


@dataclass(frozen=True)
class Config:
    """wish: folder with what is delivered; values: folder with the values that the stack owns.

    operator: none where the cluster's own one delivers. The environment has STACK_ID, which everything that the stack
    delivers carries.
    """

    wish: str
    deadline_seconds: float
    values: str
    operator: Operator | None = None


class Gate:
    """One wait over all deliveries."""

    def __init__(self, config: Config, api: Api) -> None:
        self.config, self.api, self.stack_id = config, api, secret("STACK_ID")
        self.deliveries = deliveries_in(config.wish)
        self.missing: dict[str, str] = {}  # what people have yet to write, by delivery
        self.restarts = Restarts(api)

    def check(self) -> str:
        """Return counts. Raise Pending with everything that is not delivered yet, and why.

        What gets the operator's annotation is looked at again, because it could have been passed over at that moment.
        """
        self.missing, self.restarts.annotated = {}, []
        open_, notes = list[str](), list[str]()
        for delivery in self.deliveries:
            found = find_secret(self.api, delivery)
            if problem := self._problem(delivery, found):
                open_.append(problem)
            elif self.config.operator:
                notes += self.restarts.follow(delivery, found)
        if open_:
            raise Pending("; ".join([*self._operator(), *open_]))
        if self.restarts.annotated:
            raise Pending(f"the operator is told to restart {', '.join(self.restarts.annotated)}")
        notes += [*self.restarts.begun, *(f"{name} waits for people: {keys}" for name, keys in self.missing.items())]
        done = len(self.deliveries) - len(self.missing)
        keys = sum(len(delivery.keys) for delivery in self.deliveries)
        return "; ".join([f"{done} of {len(self.deliveries)} Secrets with {keys} keys are delivered", *notes])

    def _problem(self, delivery: Delivery, found: Object | None) -> str:
        """Return what is wrong with a delivery, empty when nothing is or only people can mend it."""
        why = self._why_not(delivery)
        if self._waits_for_people(delivery, found, why):
            return ""
        wrong = list(_wrong(delivery, found, self.stack_id, self.config.values)) if found else ["it doesn't exist"]
        if not wrong and why:
            wrong = ["it was right before"]
        return f"{delivery.name} ({delivery.source}): {', '.join(wrong)}{why}" if wrong else ""

    def _waits_for_people(self, delivery: Delivery, found: Object | None, why: str) -> bool:
        """Return whether all that is missing is what people have to write. That must not hold up everything else."""
        theirs = [key for key in delivery.keys if key.owner == "people"]
        data = texts(found or {}, "data")
        lacking = [key.secret for key in theirs if not data.get(key.key)] or [key.secret for key in theirs]
        if not any(said_missing(key.secret, why) for key in theirs):
            return False
        self.missing[delivery.name] = ", ".join(lacking)
        return True

    def _why_not(self, delivery: Delivery) -> str:
        """Return what the operator says of a delivery, as the tail of a sentence; empty when it says it is well."""
        if not (operator := self.config.operator):
            return external_says(self.api, delivery)
        static = find_infisical(self.api, "infisicalstaticsecrets", delivery.namespace, delivery.secret)
        if static is None:
            return ", and its InfisicalStaticSecret is gone"
        synced = condition(static, SYNCED)
        if not synced:
            return ", and the operator has not looked at it yet"
        by = condition(static, LOGGED_IN_BY)
        if by and by["message"] != operator.method:  # what it said by another log-in holds no more
            return f", and the operator has not logged in by {operator.method} for it yet"
        return "" if synced["status"] == "True" else f", and the operator says: {operator.advised(synced['message'])}"

    def _operator(self) -> Iterator[str]:
        """Yield what is wrong with the operator itself, which says nothing of that in its custom resources."""
        if not (operator := self.config.operator):
            return
        path = f"/apis/apps/v1/namespaces/{operator.namespace}/deployments/{operator.deployment}"
        deployment = self.api.find(path)
        if not deployment or not deployment.get("status", {}).get("readyReplicas"):
            yield f"the operator doesn't run: deployment {operator.namespace}/{operator.deployment} has no ready pod"
        connection = find_infisical(self.api, "infisicalconnections", operator.namespace, operator.connection)
        ready = condition(connection or {}, READY)
        if ready.get("status") == "False":
            again = f"at the latest after 17 minutes; at once by `{operator.restart}`"
            yield f"{ready['message']} It asks ever more rarely, {again}"
        for application in sorted({each.application for each in self.deliveries}):
            auth = find_infisical(self.api, "infisicalauths", operator.namespace, f"infisical-{application}")
            ready = condition(auth or {}, READY)
            if ready.get("status") == "False":
                yield f"application {application}: {operator.advised(ready['message'])}"


_MEANINGS = (
    ("Local IPs", "set infisical.allowInternalIpConnections to true, or organization.machineAuth to universal"),
    ("Route GET:", "this Infisical has no /api/v4/secrets: use a newer image, or secretsOperator.kind externalSecrets"),
    (
        "project with slug",
        "this Infisical has no /api/v1/projects/slug: use a newer image, or secretsOperator.kind externalSecrets",
    ),
    (
        "Project with ",
        "that project is gone, and the operator keeps a slug's project for 30 minutes: it asks anew after `{restart}`",
    ),
    ("unknown namespace for the cache", "the operator is not told this namespace"),
    ("Unauthorized access", "its identity may not read this project"),
    ("field is immutable", "delete the Secret"),
)


def _wrong(delivery: Delivery, found: Object, stack_id: str, folder: str) -> Iterator[str]:
    """Yield what is wrong with a Secret that exists. It never says a value."""
    metadata: Object = found["metadata"]
    labels, annotations = texts(metadata, "labels"), texts(metadata, "annotations")
    if found.get("type") != delivery.type:
        yield f"it is of type {found.get('type')}, not {delivery.type}"
    if labels.get(MARK) != delivery.application or annotations.get(STACK) != stack_id:
        yield "it is not written yet"
    data = texts(found, "data")
    missing = [key.key for key in delivery.keys if key.key not in data]
    if missing:
        yield f"{', '.join(missing)} missing"
    for key in delivery.keys:
        if key.key in data:
            yield from _wrong_value(key, data[key.key], folder)


def _wrong_value(key: Key, encoded: str, folder: str) -> Iterator[str]:
    try:
        value = base64.b64decode(encoded or "", validate=True)
    except binascii.Error:
        value = b""
    if key.owner == "stack" and key.file:
        wanted = Path(folder, key.file).read_bytes()
        if hashlib.sha256(value).digest() == hashlib.sha256(wanted).digest():
            return
    if not value:
        yield f"{key.key} is empty"
    elif value == NO_VALUE:
        yield f"{key.key} is the text <no value>, which the operator writes for a secret that is not in Infisical"
    elif key.file:
        yield f"{key.key} is not what the stack says"


def main(config: Config, report: Report) -> str:
    """Wait for all of them."""
    gate = Gate(config, Api())
    return wait(gate.check, report, deadline_seconds=config.deadline_seconds, interval=1)


if __name__ == "__main__":
    run("delivered", Config, main)
