"""What stops `up` before the first resource. A stack's settings are compared with its last state and its cluster.

This package imports settings and components, and creates no resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

from components.helm_release import HelmRelease, deployed_chart
from components.operator_chart import OperatorChart
from safeguards.applications import refuse_dropped_applications, refuse_kept_value, refuse_other_operator
from safeguards.challenge import refuse_unanswered_challenge
from safeguards.cluster import LiveCluster, uid_of
from safeguards.database_address import refuse_other_address
from safeguards.database_version import refuse_downgrade
from safeguards.encryption_key import refuse_fips_on_an_empty_database, refuse_key_change
from safeguards.identity import (
    known_cluster,
    operator_namespaces,
    refuse_ending_namespaces,
    refuse_foreign_namespaces,
    refuse_other_cluster,
    refuse_other_names,
    refuse_taken_namespaces,
)
from safeguards.kind import refuse_other_kind
from safeguards.live_chart import refuse_second_infisical
from safeguards.live_key import refuse_other_live_key
from safeguards.live_redis import refuse_live_redis_change, refuse_other_files
from safeguards.network import refuse_cut_off
from safeguards.operators import refuse_second_operator, refuse_uninstalling
from safeguards.plain_http import refuse_plain_http
from safeguards.redis_address import refuse_other_redis
from safeguards.refusal import Refusal
from safeguards.rotation import refuse_first_password, refuse_rotation_in_a_roll
from safeguards.state import LastState, last_state
from safeguards.target_namespaces import refuse_missing_namespaces
from safeguards.volumes import refuse_volume_change
from settings import Commands, Settings, SettingsError, load, local_copy
from settings.secrets_operator import CHART as SECRETS_OPERATOR

__all__ = ["Admitted", "Found", "LastState", "Refusal", "admit", "check"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The stack's state and cluster, as they were before the program began."""

    state: LastState
    cluster: str | None  # its uid


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """A stack that `up` may begin with."""

    settings: Settings
    helm: HelmRelease
    operator_chart: OperatorChart | None  # of the secrets operator, where the stack installs it
    operator_charts: Mapping[str, OperatorChart]  # by name, of the operators that the stack installs
    found: Found


def admit(folder: Path) -> Admitted:
    """Return the engine's stack, whose charts are below `folder`. Raise pulumi.RunError for what stops it."""
    try:
        commands = Commands(pulumi.get_project(), pulumi.get_stack())
        settings = load(
            commands, get_config_env(), get_config_secret_keys_env(), folder / f"Pulumi.{commands.stack}.yaml"
        )
        state = last_state()
        found = [
            (wanted, local_copy(wanted, commands, folder, deployed_chart(wanted, state))) for wanted in settings.charts
        ]
        operators = {
            wanted.name: OperatorChart.read(chart, folder, wanted.key)
            for wanted, chart in found[1:]  # the first is Infisical's
        }
        return Admitted(
            settings=settings,
            helm=HelmRelease.of(settings, state, found[0][1]),
            operator_chart=operators.pop(SECRETS_OPERATOR, None),
            operator_charts=operators,
            found=check(settings, state, commands),
        )
    except (SettingsError, Refusal) as error:
        raise pulumi.RunError(str(error)) from None


def check(settings: Settings, state: LastState, commands: Commands) -> Found:
    """Return the state and the cluster that the settings were compared with. Raise the first Refusal.

    A preview compares with the state alone, so that it needs neither the cluster nor a network. It knows the cluster of
    the last update, if there was one.
    """
    refuse_other_names(settings, state, commands)
    refuse_key_change(settings, state, commands)
    refuse_fips_on_an_empty_database(settings, state, commands)
    refuse_other_kind(settings, state, commands)
    refuse_other_address(settings, state, commands)
    refuse_other_redis(settings, state, commands)
    refuse_downgrade(settings, state, commands)
    refuse_volume_change(settings, state, commands)
    refuse_first_password(settings, state, commands)
    refuse_rotation_in_a_roll(settings, state, commands)
    refuse_other_files(settings, state, commands)
    refuse_dropped_applications(settings, state, commands)
    refuse_kept_value(settings, commands)
    refuse_other_operator(settings, state, commands)
    refuse_uninstalling(settings, state, commands)
    if pulumi.runtime.is_dry_run():
        return Found(state=state, cluster=known_cluster(state))
    cluster = LiveCluster(settings.cluster)
    operators = (name for _, name in operator_namespaces(settings))
    namespaces = cluster.namespaces(*settings.target_namespaces, *operators)
    uid = uid_of(namespaces)
    refuse_other_cluster(settings, state, namespaces, uid, commands)
    refuse_foreign_namespaces(settings, state, namespaces, commands)
    refuse_missing_namespaces(settings, namespaces)
    refuse_ending_namespaces(settings, namespaces)
    refuse_other_live_key(settings, state, cluster, commands)
    refuse_live_redis_change(settings, cluster, commands)
    refuse_second_infisical(settings, state, cluster, commands)
    refuse_cut_off(settings, cluster, commands)
    refuse_second_operator(settings, state, namespaces, cluster, commands)
    refuse_taken_namespaces(settings, state, namespaces, commands)
    refuse_plain_http(settings, cluster, commands)
    refuse_unanswered_challenge(settings, cluster, commands)
    return Found(state=state, cluster=uid)
