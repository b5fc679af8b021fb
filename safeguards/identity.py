"""Refuse a cluster that is not the stack's own, and namespaces that belong to a different stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.base.names import GIVEN_ANNOTATION, STACK_ANNOTATION, STACK_ID_ANNOTATION
from safeguards import made
from safeguards.kubectl import Kubectl
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.machinery.namespace_rules import made_for_operators
from settings.names import Names

_NAMELESS = "of which only the id is left"

Metadata = Mapping[str, Mapping[str, Any]]


def own_id(settings: Settings, state: LastState) -> str | None:
    """Return the id that the stack's namespaces carry; None before the first update of one that makes its own."""
    return settings.cluster.stack_id or _made_id(state)


def _made_id(state: LastState) -> str | None:
    return state.outputs(*made.STACK_ID).get("result")


def known_cluster(state: LastState) -> str | None:
    """Return the uid of the cluster that has the stack's resources according to the state."""
    return state.outputs(*made.KUBERNETES).get("clusterIdentifier") or None


def refuse_other_cluster(settings: Settings, state: LastState, live: Metadata, uid: str, commands: Commands) -> None:
    """Raise Refusal when the settings lead to a different cluster than the one that has the stack's resources."""
    known = known_cluster(state)
    if known == uid or (known is None and not _elsewhere(state, live)):
        return
    context = settings.cluster.context or "kubectl's current context"
    place = f"cluster {known}" if known else "a different cluster"
    forget = commands.make("forget-cluster", CLUSTER=known or "unknown")
    raise Refusal(
        f"cluster.context: this stack's resources are in {place}, and {context} leads to cluster {uid} (the uid of "
        "namespace kube-system). Choose the context of the stack's own cluster: "
        f"{commands.set('cluster.context', 'NAME')}. If that cluster is gone for good, `{forget}` takes what was in it "
        "out of the state and keeps the generated keys; docs/runbooks/cluster-moved.md says what comes before and after"
    )


def _elsewhere(state: LastState, live: Metadata) -> bool:
    """Return whether the state has a namespace that this cluster lacks or has with a different uid."""
    kept = [state.outputs(*namespace).get("metadata", {}) for namespace in made.NAMESPACES]
    return any(m.get("uid") and m["uid"] != live.get(m.get("name", ""), {}).get("uid") for m in kept)


def refuse_other_names(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when the settings name the namespaces otherwise than the last update did.

    Pulumi would make all of them anew, with an empty database in one of them, and delete those that have the data.
    """
    names = settings.cluster.names
    deployed = state.outputs(*made.INFISICAL_NAMESPACE).get("metadata", {}).get("name", names.infisical)
    if deployed == names.infisical:
        return
    before = deployed.removesuffix(Names().infisical).rstrip("-")
    back = commands.set("cluster.namePrefix", before) if before else commands.remove("cluster.namePrefix")
    raise Refusal(
        f"cluster.namePrefix: this stack is in namespace {deployed}, and no namespace can be renamed: in "
        f"{names.infisical} it would begin with an empty database. Set it back: {back}. A new stack with that prefix "
        "gets the data by a backup and a restore: docs/backup.md"
    )


def refuse_ending_namespaces(settings: Settings, live: Metadata) -> None:
    """Raise Refusal when a namespace is being deleted: nothing can be made there, and `up` would end half-way."""
    wanted = (*settings.cluster.names.namespaces, *settings.target_namespaces)
    ending = [name for name in wanted if live.get(name, {}).get("deletionTimestamp")]
    if ending:
        names = " ".join(f"namespace/{name}" for name in ending)
        wait = Kubectl.of(settings.cluster).command(f"wait --for=delete {names} --timeout=10m")
        raise Refusal(
            f"cluster.context: {', '.join(ending)}: this cluster is deleting the namespace with all that is in it, and "
            f"takes nothing new there. Wait for its end: `{wait}`. What it had is gone then, and comes back from a "
            "backup: docs/runbooks/restore.md"
        )


def refuse_foreign_namespaces(settings: Settings, state: LastState, live: Metadata, commands: Commands) -> None:
    """Raise Refusal when a namespace has the id of a different stack, or of a lost state of this one.

    A namespace without an id is accepted. Somebody made it for the stack, or an earlier version of the program did.
    """
    own, same = own_id(settings, state), _short(commands)
    # A stack file that was copied brings the id of the stack along whose place it does not take.
    strange = settings.cluster.stack_id and not state.outputs(*made.INFISICAL_NAMESPACE)
    foreign: dict[str, tuple[str, str]] = {}
    for name in settings.cluster.names.namespaces:
        annotations: Mapping[str, str] = live.get(name, {}).get("annotations", {})
        id_, owner = annotations.get(STACK_ID_ANNOTATION), annotations.get(STACK_ANNOTATION, _NAMELESS)
        if id_ and (id_ != own or (strange and owner.partition("/")[2] != same)):
            foreign[name] = (owner, id_)
    if not foreign:
        return
    names, owners = " ".join(sorted(foreign)), sorted({owner for owner, _ in foreign.values()})
    message = f"this cluster's namespaces {names} belong to stack {' and '.join(owners)}"
    # Whole names: `prod` is not `prod-eu`. The stack's own may have organization and project before it.
    if any(owner.partition("/")[2] != same for owner in owners):
        raise Refusal(
            f"{message}: a stack needs names of its own in a cluster. Before its first update: "
            f"{commands.set('cluster.namePrefix', 'PREFIX')}"
        )
    take = _taking(settings, own, foreign, commands)
    raise Refusal(
        f"{message}, but to a different state of it than the one of this run. Bring that state back, from a copy as "
        f"docs/runbooks/state-lost.md says. When there is no copy, {take}; the same page says what else that takes"
    )


def _taking(settings: Settings, own: str | None, foreign: Mapping[str, tuple[str, str]], commands: Commands) -> str:
    """Return how a stack takes namespaces: by their id where it has none yet, otherwise by giving them its own."""
    ids = sorted({id_ for _, id_ in foreign.values()})
    if own is None and len(ids) == 1:
        return f"`{commands.set('cluster.stackId', ids[0])}` has this one take its place"
    marks = f"annotate namespace {' '.join(sorted(foreign))} {STACK_ID_ANNOTATION}- {STACK_ANNOTATION}-"
    return f"`{Kubectl.of(settings.cluster).command(marks)}` gives the namespaces to the stack that comes next"


def operator_namespaces(settings: Settings) -> list[tuple[str, str]]:
    """Return the setting and the name of each namespace that the stack makes for an operator."""
    policies = settings.network_policies
    return [*made_for_operators(settings.cluster, settings.operators, policies, settings.secrets_operator)]


def refuse_taken_namespaces(settings: Settings, state: LastState, live: Metadata, commands: Commands) -> None:
    """Raise Refusal when an operator would be installed into a namespace that is there and not the stack's.

    `up` would close it with NetworkPolicies, and `destroy` delete it with all that is in it. What the stack has made
    carries its id. What somebody has made for it carries its name.
    """
    lines: list[str] = []
    for key, name in operator_namespaces(settings):
        if not live.get(name, {}).get("uid") or is_own(live[name], settings, state, commands):
            continue
        marks = f"{GIVEN_ANNOTATION}={_short(commands)} {STACK_ID_ANNOTATION}- {STACK_ANNOTATION}-"
        give = Kubectl.of(settings.cluster).command(f"annotate namespace {name} {marks}")
        other = "NAME" if key != "operators.certManager" else "present"
        lines.append(
            f"{key}: namespace {name} is there, and this stack has not made it. `up` would close it to everything but "
            f"the operator, and `destroy` delete it with all that is in it. Choose a different one: "
            f"{commands.set(key, other)}. When nothing else is in it, `{give}` gives it to the stack"
        )
    if lines:
        raise Refusal("\n".join(lines))


def is_own(namespace: Mapping[str, Any], settings: Settings, state: LastState, commands: Commands) -> bool:
    """Return whether a namespace carries the stack's id, or none and is given to the stack by its name."""
    annotations: Mapping[str, str] = namespace.get("annotations", {})
    if id_ := annotations.get(STACK_ID_ANNOTATION):
        return id_ == own_id(settings, state)
    return annotations.get(GIVEN_ANNOTATION) == _short(commands)


def _short(commands: Commands) -> str:
    """Return project and stack without the organization, which not everybody knows."""
    return f"{commands.project}/{commands.stack.rpartition('/')[2]}"
