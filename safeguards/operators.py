"""Refuse to install an operator into a cluster that has it: two of a kind undo each other's work."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from components.operator_values import RELEASES, namespace_of
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
