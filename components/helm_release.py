"""Tell a stack's Helm releases apart: a switch of charts makes a second release beside the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from settings import Chart, LocalChart, Settings
from settings.infisical import Flavour

FIRST = "infisical"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_LATER: Mapping[Flavour, str] = {"infisical": "infisical-backend", "infisical-standalone": "infisical-standalone"}
_SECTION: Mapping[Flavour, str] = {"infisical": "backend", "infisical-standalone": "infisical"}


class Deployed(Protocol):
    """What the last update left in the state."""

    def outputs(self, type_: str, name: str) -> Mapping[str, Any]:
        """Return the outputs of the resource with this Pulumi type and logical name; empty when there is none."""
        ...


def release_name(flavour: Flavour, deployed: Deployed) -> str:
    """Return the name of the flavour's release, which is its logical name and Helm's.

    A stack's first release is called `infisical`, whichever its flavour is, and keeps that name. The release of a
    different flavour is called by its flavour: Pulumi makes it before it deletes the first one.
    """
    first = deployed.outputs(_RELEASE, FIRST)
    switched = any(deployed.outputs(_RELEASE, name) for name in _LATER.values())
    if first:
        return FIRST if _SECTION[flavour] in first.get("values", {}) else _LATER[flavour]
    return _LATER[flavour] if switched else FIRST


def has_release(flavour: Flavour, deployed: Deployed) -> bool:
    """Return whether the state has a release of the flavour, be it one that this update leaves."""
    first = deployed.outputs(_RELEASE, FIRST)
    return _SECTION[flavour] in first.get("values", {}) or bool(deployed.outputs(_RELEASE, _LATER[flavour]))


def deployed_chart(chart: Chart, deployed: Deployed) -> str:
    """Return the path that the chart's release was made from, empty when there is no release."""
    name = chart.name  # the release of any other chart has the chart's name
    if name in ("infisical", "infisical-standalone"):
        name = release_name(name, deployed)
    return str(deployed.outputs(_RELEASE, name).get("chart", ""))


@dataclass(frozen=True, kw_only=True, slots=True)
class HelmRelease:
    """What a release needs that is neither in the settings nor in a different component."""

    name: str
    chart: LocalChart  # its digest is in the pods' annotations, so a different archive of the same name is installed

    @classmethod
    def of(cls, settings: Settings, deployed: Deployed, chart: LocalChart) -> HelmRelease:
        """Return the release that a stack's settings ask for, given what the last update left."""
        return cls(name=release_name(settings.infisical.chart.flavour, deployed), chart=chart)
