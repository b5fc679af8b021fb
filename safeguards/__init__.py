"""What stops `up` before the first resource. A stack's settings are compared with its last state and its cluster.

This package imports settings and components, and creates no resource.
"""

from dataclasses import dataclass

import pulumi

from safeguards.cluster import LiveCluster, uid_of
from safeguards.database_version import refuse_downgrade
from safeguards.encryption_key import refuse_key_change
from safeguards.identity import known_cluster, refuse_foreign_namespaces, refuse_other_cluster
from safeguards.live_key import refuse_other_live_key
from safeguards.refusal import Refusal
from safeguards.state import LastState, last_state
from safeguards.volumes import refuse_volume_change
from settings import Commands, Settings

__all__ = ["Found", "LastState", "Refusal", "check"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The stack's state and cluster, as they were before the program began."""

    state: LastState
    cluster: str | None  # its uid


def check(settings: Settings, commands: Commands) -> Found:
    """Return the state and the cluster that the settings were compared with. Raise the first Refusal.

    A preview compares with the state alone, so that it needs neither the cluster nor a network. It knows the cluster of
    the last update, if there was one.
    """
    state = last_state()
    refuse_key_change(settings, state, commands)
    refuse_downgrade(settings, state, commands)
    refuse_volume_change(settings, state, commands)
    if pulumi.runtime.is_dry_run():
        return Found(state=state, cluster=known_cluster(state))
    cluster = LiveCluster(settings.cluster)
    namespaces = cluster.namespaces()
    uid = uid_of(namespaces)
    refuse_other_cluster(settings, state, namespaces, uid, commands)
    refuse_foreign_namespaces(state, namespaces, commands)
    refuse_other_live_key(settings, state, cluster, commands)
    return Found(state=state, cluster=uid)
