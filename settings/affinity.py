"""Which nodes and which neighbours a pod wants, in Kubernetes' own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from settings.machinery.broken_rule import broken_rule
from settings.machinery.cluster_types import LabelKey, LabelValue
from settings.machinery.types import DnsLabel, Section

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_COMPARES = ("Gt", "Lt")
_ASKS = ("Exists", "DoesNotExist")
Weight = Annotated[int, Field(ge=1, le=100)]


class _Words(BaseModel):
    """A part of Kubernetes' `affinity`: a value of a setting, and no section with settings of its own."""

    model_config: ClassVar[ConfigDict] = Section.model_config


class LabelRequirement(_Words):
    """What a label must be."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _operator_takes_its_values(self) -> LabelRequirement:
        _refuse_values(self.operator, self.values)
        return self


class NodeRequirement(_Words):
    """What a label of a node must be, which may be compared as a number too."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _operator_takes_its_values(self) -> NodeRequirement:
        if self.operator in _COMPARES and not (len(self.values) == 1 and self.values[0].isdigit()):
            raise broken_rule("values", f"give one number with operator {self.operator}")
        _refuse_values(self.operator, self.values)
        return self


def _refuse_values(operator: str, values: tuple[str, ...]) -> None:
    if operator in _ASKS and values:
        raise broken_rule(
            "values", f"leave them out with operator {operator}, because Kubernetes refuses both together"
        )
    if operator not in _ASKS and not values:
        raise broken_rule("values", f"give at least one with operator {operator}")


class NodeTerm(_Words):
    """Requirements that one node fulfils together."""

    match_expressions: tuple[NodeRequirement, ...] = ()

    @model_validator(mode="after")
    def _has_requirements(self) -> NodeTerm:
        if not self.match_expressions:
            raise broken_rule("matchExpressions", "give at least one, because no node fulfils an empty term")
        return self


class NodeTerms(_Words):
    """Terms, any one of which suffices."""

    node_selector_terms: tuple[NodeTerm, ...] = ()

    @model_validator(mode="after")
    def _has_terms(self) -> NodeTerms:
        if not self.node_selector_terms:
            raise broken_rule("nodeSelectorTerms", "give at least one, because Kubernetes refuses none")
        return self


class PreferredNodes(_Words):
    """Nodes that are better than others."""

    weight: Weight
    preference: NodeTerm


class NodeAffinity(_Words):
    """Which nodes a pod must have, and which it should."""

    required: NodeTerms | None = Field(default=None, alias=_REQUIRED)
    preferred: tuple[PreferredNodes, ...] = Field(default=(), alias=_PREFERRED)


class LabelSelector(_Words):
    """Which pods or namespaces are meant."""

    match_labels: dict[LabelKey, LabelValue] = {}
    match_expressions: tuple[LabelRequirement, ...] = ()


class PodTerm(_Words):
    """Pods, and the label of the nodes that have one of them in common."""

    topology_key: LabelKey
    label_selector: LabelSelector
    namespaces: tuple[DnsLabel, ...] = ()
    namespace_selector: LabelSelector | None = None


class PreferredPods(_Words):
    """Neighbours that are better than others, or worse."""

    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(_Words):
    """Which neighbours a pod must have or avoid, and which it should."""

    required: tuple[PodTerm, ...] = Field(default=(), alias=_REQUIRED)
    preferred: tuple[PreferredPods, ...] = Field(default=(), alias=_PREFERRED)


class Affinity(_Words):
    """Nodes and neighbours of a pod."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None

    @property
    def manifest(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


class DatabaseAffinity(_Words):
    """Nodes of the database. Its operator decides about neighbours."""

    node_affinity: NodeAffinity

    @model_validator(mode="before")
    @classmethod
    def _neighbours_are_left_to_the_operator(cls, given: object) -> object:
        keys: set[object] = {*cast("Mapping[object, object]", given)} if isinstance(given, dict) else set()
        for key in sorted(keys & {"podAffinity", "podAntiAffinity"}, key=str):
            raise broken_rule(
                str(key),
                "a postgresql resource has no field for it. The Zalando operator keeps servers apart by "
                "enable_pod_antiaffinity and pod_antiaffinity_topology_key of its configuration, its databases alike",
            )
        return cast("object", given)

    @property
    def manifest(self) -> dict[str, Any]:
        """Return it as the field `nodeAffinity` of a `postgresql` resource has it."""
        return self.node_affinity.model_dump(by_alias=True, exclude_defaults=True)


def in_python(manifest: Any) -> Any:
    """Return an affinity with the keys that Pulumi's types have for it. Names of labels stay as they are."""
    if isinstance(manifest, list | tuple):
        return [in_python(each) for each in cast("Sequence[Any]", manifest)]
    if not isinstance(manifest, dict):
        return manifest
    words = cast("Mapping[str, Any]", manifest)
    return {_snake(key): value if key == "matchLabels" else in_python(value) for key, value in words.items()}


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
