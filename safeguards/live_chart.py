"""Refuse to install Infisical beside one that the other chart has deployed. Both would work off the same queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.helm_release import has_release
from components.infisical_pods import labels, other_flavour
from safeguards.cluster import LiveCluster
from safeguards.kubectl import Kubectl
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.infisical import Flavour

_KEY = "infisical.chart"
# A version that the flavour has, because no stack may name the one without the other.
_LAST: Mapping[Flavour, str] = {"infisical": "0.4.2", "infisical-standalone": "1.10.0"}


@dataclass(frozen=True, slots=True)
class Second:
    """An Infisical that the stack's own would be put beside."""

    reason: str
    way_out: str

    def __str__(self) -> str:
        return f"{_KEY}.flavour: {self.reason}. {self.way_out}"


def refuse_second_infisical(settings: Settings, state: LastState, cluster: LiveCluster, commands: Commands) -> None:
    """Raise Refusal when the other chart's Infisical is there, and no release of it is the stack's."""
    found = cluster.deployments(
        settings.cluster.names.infisical, labels(other_flavour(settings.infisical.chart.flavour))
    )
    if second := second_infisical(settings, state, found, commands):
        raise Refusal(str(second))


def second_infisical(
    settings: Settings, state: LastState, deployments: Iterable[Mapping[str, Any]], commands: Commands
) -> Second | None:
    """Return why `up` would make a second Infisical beside `deployments`, which the other chart has made.

    None for a switch of charts, which has the release of before in the state until it is gone.
    """
    flavour = other_flavour(settings.infisical.chart.flavour)
    found = [each["metadata"] for each in deployments if not each["metadata"].get("deletionTimestamp")]
    if not found or has_release(flavour, state):
        return None
    name, namespace = found[0]["name"], found[0]["namespace"]
    chart = {"flavour": flavour, "version": _LAST[flavour]}
    take = " && ".join(commands.set(f"{_KEY}.{key}", value) for key, value in chart.items())
    delete = Kubectl.of(settings.cluster).command(f"delete deployment {name} -n {namespace}")
    return Second(
        f"Deployment {namespace}/{name} is of chart {flavour}, and not of this stack. Beside it, `up` would start a "
        f"second Infisical by chart {settings.infisical.chart.flavour}",
        f"Take over what is there first: {take}, then {commands.make('adopt')}; a later `up` may change the chart. "
        f"When nobody needs it: `{delete}`",
    )
