"""What is delivered where, as both scripts of a delivery are told it, and the objects that it concerns."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from job import ConfigError, parse
from kube import Api, Object

MARK = "infisical-platform/application"  # label of a Secret that a stack delivers
STACK = "infisical-platform/stack-id"  # annotation of it: whose
ADOPT = "infisical-platform/adopt"  # annotation by which people give a Secret to an application of a stack
DELIVERERS = ("InfisicalStaticSecret", "ExternalSecret")  # kinds that a stack makes, each with the Secret's name
HAS_NO_VALUE = "has no value in Infisical"  # as the template of a delivery ends where one is missing
_INFISICAL = "/apis/secrets.infisical.com/v1beta1"


@dataclass(frozen=True)
class Key:
    """A key of a Secret. secret: its name in Infisical; file: where its value is, when the stack owns it."""

    key: str
    secret: str
    owner: Literal["stack", "people"]
    file: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One Secret. restarts: workloads of its namespace, as deployment/name."""

    application: str
    environment: str
    path: str
    namespace: str
    secret: str
    type: str
    keys: tuple[Key, ...]
    restarts: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return f"Secret {self.namespace}/{self.secret}"

    @property
    def source(self) -> str:
        """Return where its values come from, as messages say it."""
        return f"application {self.application}, {self.environment}, {self.path}"


def deliveries_in(folder: str) -> tuple[Delivery, ...]:
    """Return what is delivered, from the file that a ConfigMap is mounted as. Raises ConfigError."""
    try:
        document = json.loads(Path(folder, "deliveries.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the wish in {folder} can't be read: {error}") from error
    return parse(tuple[Delivery, ...], document, "deliveries")


def said_missing(name: str, message: str) -> bool:
    """Return whether an operator says that this secret has no value, and not one whose name only ends like it."""
    return bool(re.search(rf"(?<![A-Za-z0-9._-]){re.escape(name)} {HAS_NO_VALUE}", message))


def find_secret(api: Api, delivery: Delivery) -> Object | None:
    """Return the Secret, or None where there is none."""
    return api.find(f"/api/v1/namespaces/{delivery.namespace}/secrets/{delivery.secret}")


def find_infisical(api: Api, kind: str, namespace: str, name: str) -> Object | None:
    """Return a custom resource of the operator, or None where there is none."""
    return api.find(f"{_INFISICAL}/namespaces/{namespace}/{kind}/{name}")


def workload_path(namespace: str, workload: str) -> str:
    """Return where deployment/name is."""
    kind, _, name = workload.partition("/")
    return f"/apis/apps/v1/namespaces/{namespace}/{kind}s/{name}"


def texts(found: Object, name: str) -> dict[str, str]:
    """Return labels, annotations or data of an object. The API server leaves out what is empty."""
    section: dict[str, str] | None = found.get(name)
    return section or {}
