"""Refuse what would harm the whole cluster: a second operator of a kind, and the end of one that others stand on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from components.operator_values import RELEASES, namespace_of
from safeguards import made
from safeguards.cluster import LiveCluster
from safeguards.identity import Metadata, is_own
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.operators import Operator

_RELEASE = "kubernetes:helm.sh/v3:Release"
# The image that each runs as, and a kind that comes with it.
_IMAGES: Mapping[Operator, str] = {
    "postgres": "postgres-operator",
    "redis": "redis-operator",
    "certManager": "cert-manager-controller",
}
_KINDS: Mapping[Operator, str] = {
    "postgres": "postgresqls.acid.zalan.do",
    "redis": "redisreplications.redis.redis.opstreelabs.in",
    "certManager": "certificates.cert-manager.io",
}
# What the cluster is without, once it is gone.
_LOSSES: Mapping[Operator, str] = {
    "postgres": "nothing would repair, resize or upgrade a database of the cluster then",
    "redis": "nothing would repair or resize a Redis of the cluster then",
    "certManager": "no certificate of the cluster would be renewed then, and the keys of its ClusterIssuers be gone",
}


def refuse_uninstalling(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when `up` would take an operator away that the last update has installed, or move it.

    One that the last update has kept stays in the cluster (components/cluster_operators.py), which is how a stack hands
    it over.
    """
    kept = state.outputs(*made.CLUSTER_OPERATORS).get("kept") is True
    lines: list[str] = []
    for operator, release in RELEASES.items():
        namespace = state.outputs(_RELEASE, release).get("namespace")
        if not namespace:
            continue
        if operator not in settings.operators.installed and not kept:
            lines.append(_uninstalled(operator, namespace, settings, commands))
        elif operator in settings.operators.installed and namespace != namespace_of(settings, operator):
            key = f"networkPolicies.operators.{operator}"
            lines.append(
                f"{key}: the stack has installed this operator in namespace {namespace}, and Helm moves no release: "
                f"two of the kind would undo each other's work. Set it back: {commands.set(key, namespace)}"
            )
    if lines:
        raise Refusal("\n".join(lines))


def _uninstalled(operator: Operator, namespace: str, settings: Settings, commands: Commands) -> str:
    protect = "" if settings.cluster.protect else f"{commands.set('cluster.protect', 'true')}, "
    return (
        f"operators.{operator}: the stack has installed it for the whole cluster, and `up` would uninstall it and "
        f"delete namespace {namespace} with all that is in it: {_LOSSES[operator]}. Set it back: "
        f"{commands.set(f'operators.{operator}', 'install')}. To leave it to the cluster: that, {protect}"
        f"{commands.pulumi('up')}, and then {commands.set(f'operators.{operator}', 'present')}. docs/clusters.md has "
        'the whole way (section "An operator leaves the stack")'
    )


def refuse_second_operator(
    settings: Settings, state: LastState, live: Metadata, cluster: LiveCluster, commands: Commands
) -> None:
    """Raise Refusal when the cluster has an operator that the stack would install, and that is not the stack's own.

    What runs in a namespace of the stack's own is, although a killed update has not written it down, or the state is
    lost.
    """
    wanted: list[Operator] = [
        each for each in settings.operators.installed if not state.outputs(_RELEASE, RELEASES[each])
    ]
    if not wanted:
        return
    places = (namespace_of(settings, each) for each in settings.operators.installed)
    own = [name for name in places if is_own(live.get(name, {}), settings, state, commands)]
    images = {image: {*places}.difference(own) for image, places in cluster.images().items()}
    lines = [
        f"operators.{each}: {reason}. Use what is there: {commands.set(f'operators.{each}', 'present')}"
        for each in wanted
        for reason in _there(each, cluster, images, own)
    ]
    if lines:
        raise Refusal("\n".join(lines))


def _there(
    operator: Operator, cluster: LiveCluster, images: Mapping[str, Collection[str]], own: Collection[str]
) -> Iterator[str]:
    image = _IMAGES[operator]
    if places := sorted(images.get(image, ())):
        yield f"an operator with image {image} runs in {' and '.join(places)}, and two undo each other's work"
    elif (release := cluster.helm_release(_KINDS[operator])) and release.partition("/")[0] not in own:
        yield f"Helm's release {release} owns {_KINDS[operator]}, and would take it back or away"
