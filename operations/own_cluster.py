"""Refuse to act on a cluster that is not the stack's own: a context is only a name in somebody's kubeconfig.

Every k3s calls its context `default`, and kubectl's current one changes with a command. Pulumi itself does not notice:
in a different cluster a refresh takes every object for deleted, and `destroy` deletes what has the same names there.
"""

from __future__ import annotations

from operations.cluster import Cluster
from operations.errors import OperationError
from operations.pulumi import Stack
from operations.state import PROVIDER, resources_of, state_of, way_of
from safeguards import Refusal
from safeguards.cluster import LiveCluster, uid_of
from safeguards.identity import known_cluster, refuse_foreign_namespaces, refuse_other_cluster, refuse_other_names
from settings.cluster import ClusterSettings


def own_cluster(stack: Stack) -> Cluster:
    """Return the stack's cluster. Raises OperationError when the settings lead to a different one.

    A stack that has made nothing yet is at home in every cluster, and none is asked.
    """
    settings, deployment = stack.settings().cluster, stack.deployment
    begun = [operation["resource"] for operation in deployment.get("pending_operations") or []]
    if any(resource["type"].startswith("kubernetes:") for resource in [*resources_of(deployment), *begun]):
        refuse_strange(stack)
    return Cluster(settings.context, settings.kubeconfig)


def refuse_last_context(stack: Stack) -> None:
    """Raise OperationError when Pulumi itself would go to a different cluster, by the context of the last update.

    A refresh and `destroy` take that, because they don't run the program, and `up --refresh` before the program begins.
    """
    for resource in resources_of(stack.deployment):
        if resource["type"] != PROVIDER:
            continue
        way, settings = way_of(resource.get("inputs") or {}), stack.settings().cluster
        if way == (settings.context, settings.kubeconfig):
            continue
        last = ClusterSettings(context=way[0], kubeconfig=way[1])
        try:
            uid = uid_of(LiveCluster(last).namespaces())
        except Refusal as reason:
            uid = str(reason)
        if uid != (resource.get("outputs") or {}).get("clusterIdentifier"):
            where = " of ".join(filter(None, way)) or "kubectl's current context"
            raise OperationError(
                f"cluster.context: Pulumi would take the way of the last `up` for this, {where}, and that does not "
                f"lead to the stack's cluster ({uid}). `{stack.commands.make('repair')}` writes that of the stack file "
                "into the state"
            )


def refuse_known_elsewhere(stack: Stack, context: str | None, kubeconfig: str | None) -> None:
    """Raise OperationError when a cluster answers and is not the one that the state knows.

    The settings may be incomplete, and the state may know no cluster yet.
    """
    known = known_cluster(state_of(stack))
    if not known:
        return
    try:
        uid = uid_of(LiveCluster(ClusterSettings(context=context, kubeconfig=kubeconfig)).namespaces())
    except Refusal:
        return  # what doesn't answer tells nothing wrong either
    if uid != known:
        raise OperationError(
            f"cluster.context: this stack's resources are in cluster {known}, and {context or 'kubectl'} leads to "
            f"cluster {uid}, whose backups are not this stack's. Choose the stack's own: "
            f"{stack.commands.set('cluster.context', 'NAME')}. If that is gone for good: "
            f"`{stack.commands.make('forget-cluster', CLUSTER=known)}`"
        )


def refuse_strange(stack: Stack) -> None:
    """Raise OperationError when the cluster, or a namespace in it, is not the stack's own, as `up` does."""
    settings, state = stack.settings(), state_of(stack)
    try:
        refuse_other_names(settings, state, stack.commands)
        live = LiveCluster(settings.cluster).namespaces()
        refuse_other_cluster(settings, state, live, uid_of(live), stack.commands)
        refuse_foreign_namespaces(settings, state, live, stack.commands)
    except Refusal as reason:
        raise OperationError(str(reason)) from None
