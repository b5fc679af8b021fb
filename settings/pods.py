"""Where the stack's pods run, and what the cluster asks of them."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.cluster_types import LabelKey, LabelValue, Registry
from settings.machinery.types import DnsName, Section

# Labels by which charts, operators, Services and policies find pods. A different value would hide a pod from them.
_TAKEN = re.compile(
    r"app|application|cluster-name|component|connection-pooler|controller-uid|job-name|pod-template-hash|redis-role"
    r"|redis_setup_type|release|role|spilo-role|team|infisical-platform/.*"
)


class Toleration(Section):
    """A taint of nodes that pods bear, as in a pod's own `tolerations`."""

    key: LabelKey | None = Field(default=None, description="Key of the taint. Without one, `operator` is Exists.")
    operator: Literal["Equal", "Exists"] = Field(
        default="Equal", description="Equal compares the taint's value. Exists takes any value."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint, with Equal alone.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: every effect."
    )

    @model_validator(mode="after")
    def _operator_takes_its_value(self) -> Toleration:
        if self.operator == "Exists" and self.value:
            raise broken_rule("value", "leave it out with operator Exists, because Kubernetes refuses both together")
        if self.operator == "Equal" and not self.key:
            raise broken_rule("key", "required with operator Equal. Set operator to Exists to bear every taint")
        return self


class PodSettings(Section):
    """Where every pod of the stack runs, and with what. Without this section the cluster and the operators decide."""

    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="Taints of nodes that the pods bear, so that they may run on tainted nodes."
    )
    node_selector: dict[LabelKey, LabelValue] = Field(
        default={}, description="Labels that a node must have. A pod stays Pending while no node has them."
    )
    priority_class_name: DnsName | None = Field(
        default=None,
        description="PriorityClass of the pods, so that others make room for them. The Zalando operator has no field "
        "for the pooler's, which keep the cluster's default.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default={},
        description="More labels for the pods of Infisical and of the Jobs. The databases' pods have their operators' "
        "labels alone, because redis-operator would put new ones into volume claims, which can't change.",
    )
    spread: Literal["preferred", "required"] | None = Field(
        default=None,
        description="Whether each pod of a part gets a node of its own. `required` leaves a pod Pending when there are "
        "not enough nodes. PostgreSQL's spread is a setting of its operator (enable_pod_antiaffinity), which "
        "`make doctor` checks. Without a value, the scheduler prefers to spread and nothing restarts.",
    )
    registry: Registry | None = Field(
        default=None,
        description="Registry and folder that mirror the public ones. Every image that the stack does not name itself "
        "is pulled from there: docker.io/library/python becomes REGISTRY/library/python. The operators' own images are "
        "settings of the operators.",
    )
    pod_security: Literal["restricted"] | None = Field(
        default=None,
        description="`restricted` labels the namespaces for Pod Security and gives Redis and Infisical a context that "
        "level restricted admits. The database's namespace gets level baseline, because Spilo needs more.",
    )

    @model_validator(mode="after")
    def _labels_are_free(self) -> PodSettings:
        if taken := sorted(filter(_TAKEN.fullmatch, self.labels)):
            raise broken_rule("labels", f"{taken[0]} is taken. Charts, operators and policies find pods by it")
        return self
