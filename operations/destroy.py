"""Destroy a stack, unless its namespaces hold what is not its own: Kubernetes would delete that with them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from components.base.names import DATABASE_CLUSTER, REDIS_REPLICATION
from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from operations.own_cluster import own_cluster, refuse_last_context
from operations.pulumi import Stack
from operations.state import resources_of

# Kinds that people put into a namespace. Objects with an owner go with it; controllers make all other kinds for these.
_KINDS = (
    *("Secret.v1.", "ConfigMap.v1.", "PersistentVolumeClaim.v1.", "Pod.v1.", "Service.v1."),
    *("Deployment.v1.apps", "StatefulSet.v1.apps", "DaemonSet.v1.apps", "Job.v1.batch", "CronJob.v1.batch"),
    *("Ingress.v1.networking.k8s.io",),
)
# The operators, cert-manager and Kubernetes give one of these names to what they make there for the stack. What Helm
# makes says of which release it is.
_OURS = re.compile(
    r"infisical|platform-(db|kv)|cert-sync|kube-root-ca\.crt|istio-ca-root-cert"
    r"|^(sh\.helm\.release\.v1\.)?(postgres-operator|redis-operator|cert-manager)"
)
# Of a volume it has to be the whole name: a second database beside the stack's, or a dump, may be called alike.
_VOLUMES = re.compile(rf"(pgdata-{DATABASE_CLUSTER}|{REDIS_REPLICATION}-{REDIS_REPLICATION})-\d+")
_NAMESPACE = "kubernetes:core/v1:Namespace"
_DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Check the stack's namespaces, then run `pulumi destroy`. Return 0. Raises OperationError."""
    cluster = own_cluster(stack)
    refuse_last_context(stack)
    _refuse_protected(stack)
    try:
        if foreign := _foreign(stack, cluster):
            lines = "\n".join(f"  {line}" for line in foreign)
            raise OperationError(
                f"the namespaces of stack {stack.name} hold what is not its own and would take it along:\n{lines}\n"
                "move it elsewhere or delete it, and run this again"
            )
        if others := [*_of_kinds(stack, cluster)]:
            lines = "\n".join(f"  {line}" for line in others)
            raise OperationError(
                f"kinds that go with stack {stack.name} have objects that are not its own, and would take them along:\n"
                f"{lines}\n"
                "Destroy the stack that delivers by them first, or take its deliveries out, and run this again. The "
                "kinds stay with a stack that has a cluster.namePrefix"
            )
    except Unanswered as reason:
        raise OperationError(
            f"the cluster does not tell what the stack's namespaces hold, and who has objects of its kinds: {reason}"
        ) from None
    stack.show("destroy", *(["--yes", "--skip-preview"] if arguments.yes else []))
    return 0


def _refuse_protected(stack: Stack) -> None:
    """Raise OperationError for a stack with protected resources.

    Pulumi refuses these alone, each when its turn comes: without a preview, Infisical and its way in are gone by then.
    """
    protected = [each["urn"].rpartition("::")[2] for each in resources_of(stack.deployment) if each.get("protect")]
    if protected:
        commands = stack.commands
        raise OperationError(
            f"stack {stack.name} protects its data ({', '.join(protected[:3])}, …): nothing was destroyed. Where none "
            f"of it is needed any more: `{commands.set('cluster.protect', 'false')}`, `{commands.pulumi('up')}`, and "
            "run this again"
        )


def _foreign(stack: Stack, cluster: Cluster) -> list[str]:
    """Return, as namespace/kind/name, the objects that are neither in the state nor made for one that is.

    All namespaces of the stack count: whoever makes a ClusterIssuer keeps its key in cert-manager's.
    """
    resources = resources_of(stack.deployment)
    known = {resource.get("id", "") for resource in resources}
    namespaces = [resource["id"] for resource in resources if resource["type"] == _NAMESPACE and resource.get("id")]
    return [
        f"{namespace}: {live['kind']} {live['metadata']['name']}"
        for namespace in namespaces
        for live in cluster.objects(_KINDS, namespace)
        if not _is_ours(live, known)
    ]


def _of_kinds(stack: Stack, cluster: Cluster) -> Iterator[str]:
    """Yield, as namespace: kind name, the objects of others whose kind the stack made and takes along."""
    resources = resources_of(stack.deployment)
    known = {resource.get("id", "") for resource in resources}
    for made in resources:
        if made["type"] != _DEFINITION or made.get("retainOnDelete"):
            continue
        spec = made["inputs"]["spec"]
        [stored] = [version["name"] for version in spec["versions"] if version["storage"]]
        for live in cluster.items(f"/apis/{spec['group']}/{stored}/{spec['names']['plural']}"):
            namespace, name = live["metadata"].get("namespace", ""), live["metadata"]["name"]
            if (f"{namespace}/{name}" if namespace else name) not in known:
                yield f"{namespace or 'the cluster'}: {made['id']} {name}"


def _is_ours(live: Object, known: set[str]) -> bool:
    metadata = live["metadata"]
    annotations = metadata.get("annotations", {})
    release = f"{annotations.get('meta.helm.sh/release-namespace')}/{annotations.get('meta.helm.sh/release-name')}"
    made_for_ours = f"{metadata['namespace']}/{metadata['name']}" in known or release in known
    owners = {owner["kind"] for owner in metadata.get("ownerReferences") or []}
    if live["kind"] == "PersistentVolumeClaim":
        # A pod's own volume has no data that outlives it; that of a second database may have an owner as well.
        return made_for_ours or "Pod" in owners or bool(_VOLUMES.fullmatch(metadata["name"]))
    return made_for_ours or bool(owners) or bool(_OURS.search(metadata["name"]))
