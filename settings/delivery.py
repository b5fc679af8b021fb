"""Where an application's secrets are delivered in the cluster."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from settings.machinery.application_types import EnvironmentSlug, FolderPath, SecretName
from settings.machinery.broken_rule import broken_rule
from settings.machinery.forms import DNS_NAME
from settings.machinery.types import DnsLabel, DnsName, Form, Section

_TYPES = {
    "kubernetes.io/tls": frozenset({"tls.crt", "tls.key"}),
    "kubernetes.io/dockerconfigjson": frozenset({".dockerconfigjson"}),
}

LONGEST_RESTARTING = 48  # of a Secret's name: the operator puts `managed-secret.` before it, as an annotation's name


def _workload(value: str) -> str:
    kind, _, name = value.partition("/")
    if kind not in ("deployment", "statefulset", "daemonset") or not re.fullmatch(DNS_NAME, name):
        raise ValueError(_WORKLOAD)
    return value


_WORKLOAD = "Write a workload of the namespace as deployment/NAME, statefulset/NAME or daemonset/NAME"
Workload = Annotated[str, Form(_workload, _WORKLOAD, rf"^(deployment|statefulset|daemonset)/{DNS_NAME}$")]


class Delivery(Section):
    """A Secret of the cluster that the operator keeps equal to a folder of the application."""

    environment: EnvironmentSlug = Field(description="Environment that the values come from.")
    path: FolderPath = Field(default="/", description="Folder that the values come from, without those below it.")
    namespace: DnsLabel = Field(description="Namespace of the Secret. It has to exist.")
    secret: DnsName = Field(description="Name of the Secret.")
    type: Literal["Opaque", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson"] = Field(
        default="Opaque", description="Type of the Secret. Kubernetes never changes it afterwards."
    )
    keys: dict[SecretName, SecretName] = Field(
        default={},
        description="Keys of the Secret, each with the name that its value has in Infisical. Default: every secret of "
        "the folder that applications names, under its own name.",
    )
    restarts: tuple[Workload, ...] = Field(
        default=(), description="Workloads of the namespace that are restarted when a value changes."
    )

    @model_validator(mode="after")
    def _the_type_has_its_keys(self) -> Delivery:
        if self.keys and (lacking := _TYPES.get(self.type, frozenset()) - self.keys.keys()):
            raise broken_rule("keys", f"a Secret of type {self.type} needs {' and '.join(sorted(lacking))} too")
        return self

    @model_validator(mode="after")
    def _a_restart_can_be_noted(self) -> Delivery:
        if self.restarts and len(self.secret) > LONGEST_RESTARTING:
            raise broken_rule(
                "restarts",
                "the operator notes a restart under the Secret's name, and can't note one of more than "
                f"{LONGEST_RESTARTING} characters. Give the Secret a shorter name, or leave restarts out",
            )
        return self


def keys_of_type(kind: str) -> frozenset[str]:
    """Return the keys that a Secret of this type must have."""
    return _TYPES.get(kind, frozenset())
