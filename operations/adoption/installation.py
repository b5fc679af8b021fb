"""Refuse to adopt an Infisical that is not the platform's: with a database of its own, or of a chart by other names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from components.base.names import DATABASE_CLUSTER, INFISICAL_SECRET, STACK_ID_ANNOTATION
from components.infisical_pods import labels, other_flavour, workload_name
from operations.cluster import Cluster, Object
from operations.field_managers import Key, key_of
from operations.pulumi import Stack
from operations.state import state_of
from safeguards.live_chart import Second, second_infisical
from settings import Settings
from settings.infisical import Flavour
from settings.names import Names

MOVES_IN = 'docs/moving-in.md, "From a plain Helm installation"'


def data_returns(settings: Settings) -> bool:
    """Return whether the stack brings the database's data from an archive or a backup, and so needs none there."""
    restore = settings.restore
    return bool(settings.data_from) and not (restore and restore.server)


def without_database(
    settings: Settings, made: Collection[Key], live: Collection[Key], chart: Sequence[Object]
) -> Iterator[str]:
    """Yield why what is there has its data elsewhere: `up` would make an empty database, and cut it off from its own.

    `made` are the objects that `up` makes, `live` those of them that are there.
    """
    names = settings.cluster.names
    database = [key for key in made if key.namespace == names.database and key.name == DATABASE_CLUSTER]
    if not database or database[0] in live or data_returns(settings):
        return
    found = [f"{each['kind']} {each['metadata']['name']}" for each in chart if each["kind"] == "Deployment"]
    found += [f"Secret {INFISICAL_SECRET}"] * (Key(names.infisical, "Secret.v1.", INFISICAL_SECRET) in live)
    if found:
        yield (
            f"{' and '.join(found)} in {names.infisical}: postgresql {names.database}/{DATABASE_CLUSTER} "
            "is not there. `up` would make an empty one, and cut this Infisical off from its own. Its data moves in "
            f"instead: {MOVES_IN}. What comes from a backup or an archive is named first: `restore`, `database.recover`"
        )


def elsewhere(
    stack: Stack, cluster: Cluster, settings: Settings, live: Collection[Key], chart: Sequence[Object]
) -> Iterator[str]:
    """Yield why a stack with a prefix adopts nothing: an Infisical of no stack is where it would be without one.

    `up` would make an empty platform beside it, which is not what somebody wants who adopts. Raises Unanswered.
    """
    names, plain = settings.cluster.names, Names()
    if not names.prefix or chart or any(key.namespace in names.namespaces for key in live):
        return
    namespace = cluster.get(f"/api/v1/namespaces/{plain.infisical}")
    if not namespace or (namespace["metadata"].get("annotations") or {}).get(STACK_ID_ANNOTATION):
        return
    if cluster.get(f"/api/v1/namespaces/{plain.infisical}/secrets/{INFISICAL_SECRET}"):
        yield (
            f"cluster.namePrefix: an Infisical is in namespace {plain.infisical}, this stack's in {names.infisical}, "
            "and no object changes its namespace. To take it over where it is, run this again without the prefix: "
            f"{stack.commands.remove('cluster.namePrefix')}. To bring its data here, leave it where it is: "
            f"docs/backup.md, or {MOVES_IN}"
        )


def of_other_chart(stack: Stack, cluster: Cluster, settings: Settings) -> Second | None:
    """Return the Infisical of the other chart that the stack's own would be put beside; None where there is none.

    Raises Unanswered.
    """
    own = labels(other_flavour(settings.infisical.chart.flavour))
    found = [
        live
        for live in cluster.objects(["Deployment.v1.apps"], settings.cluster.names.infisical)
        if own.items() <= (live["metadata"].get("labels") or {}).items()
    ]
    return second_infisical(settings, state_of(stack), found, stack.commands)


def strangers(cluster: Cluster, settings: Settings, chart: Sequence[Object], release: str) -> Mapping[Key, str]:
    """Return the Deployments and Services of the chart that Helm could not go on with as `release`, and why.

    Neither a name nor what a Deployment selects its pods by can be changed, and both charts select by the release too.
    """
    flavour = settings.infisical.chart.flavour
    found: dict[Key, str] = {}
    for live in chart:
        if live["kind"] in ("Deployment", "Service") and (reason := _stranger(live, flavour, release)):
            key = key_of(live)
            found[key] = f"{live['kind']} {key.namespace}/{key.name} {reason}. {_way_out(cluster, live)}"
    return found


def _stranger(live: Object, flavour: Flavour, release: str) -> str:
    name, own = workload_name(flavour), labels(flavour)
    if live["metadata"]["name"] != name:
        is_infisical = own.items() <= (live["metadata"].get("labels") or {}).items()
        return f"is Infisical's, and the stack's is called {name}" if is_infisical else ""
    selects = live["spec"]["selector"].get("matchLabels") or {} if live["kind"] == "Deployment" else None
    wanted = {**own, "release": release}
    if selects in (None, wanted):
        return ""
    return f"selects its pods by {_text(selects)} for good, and the stack's release by {_text(wanted)}"


def _way_out(cluster: Cluster, live: Object) -> str:
    metadata = live["metadata"]
    delete = cluster.kubectl(f"delete {live['kind'].lower()} {metadata['name']} -n {metadata['namespace']}")
    return (
        f"It holds no data: `{delete}`, then `--take` and `up`, which makes it anew. Infisical is away until then: "
        'docs/moving-in.md, "A release of a different name"'
    )


def _text(selector: Mapping[str, str]) -> str:
    return ",".join(f"{key}={selector[key]}" for key in sorted(selector))
