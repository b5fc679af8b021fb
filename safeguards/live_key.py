"""Refuse a key other than the one in the cluster's `infisical-secrets`, when the state has no such Secret."""

from __future__ import annotations

from components.base.names import INFISICAL_SECRET
from safeguards.cluster import LiveCluster
from safeguards.encryption_key import lost_keys, wanted_keys
from safeguards.kubectl import Kubectl
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.machinery.encryption_keys import encryption_keys, key_label


def refuse_other_live_key(settings: Settings, state: LastState, cluster: LiveCluster, commands: Commands) -> None:
    """Raise Refusal when the cluster has a different key than the stack, and the state has none.

    The state was lost then, or something else deployed Infisical. The message says how to take the key over.
    """
    if state.outputs("kubernetes:core/v1:Secret", INFISICAL_SECRET):
        return
    live = encryption_keys(cluster.environment())
    lost = lost_keys(live, wanted_keys(settings, state), settings)
    if not lost:
        return
    label = key_label(lost[0], live[lost[0]])
    kubectl = Kubectl.of(settings.cluster)
    source = kubectl.command(
        f"get secret {INFISICAL_SECRET} --namespace {settings.cluster.names.infisical} --output yaml"
    )
    raise Refusal(
        f"encryptionKey: the cluster has a Secret {INFISICAL_SECRET} that this stack's state does not know, with a "
        f"{lost[0]} (label {label}) that the stack does not have. Nobody can read what is stored under that key "
        f"without it. Take it over: `{source} | {commands.make('import-secrets', FILE='/dev/stdin')}`. If the data may "
        f"go: {commands.set('infisical.replaceEncryptionKey', label)}"
    )
