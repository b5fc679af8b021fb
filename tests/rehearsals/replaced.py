"""Make a platform the deployment that this project replaces: applied by ArgoCD, kubectl and Helm, with no state."""

from __future__ import annotations

import base64
import json
import shutil
from typing import Any

import yaml

from embedded.stack import STACK, Stack
from tests.e2e.views import Kubectl

Object = dict[str, Any]

NAMESPACES = ("infisical", "platform-db-pg", "platform-kv-redis-cluster")
# What the replaced setup had, and the field manager of who applied it.
APPLIED = {
    "Namespace": "argocd-controller",
    "Issuer": "argocd-controller",
    "Certificate": "argocd-controller",
    "postgresql": "argocd-controller",
    "RedisReplication": "argocd-controller",
    "RedisSentinel": "argocd-controller",
    "ConfigMap": "argocd-controller",
    "Ingress": "kubectl-client-side-apply",
    "Secret": "kubectl-create",
}
# What it did not have.
_OURS = ("networkpolicies", "jobs", "cronjobs", "rolebindings", "roles", "poddisruptionbudgets.policy")
_BUILT_IN = ("v1", "networking.k8s.io/v1")


def replaced(stack: Stack, kubectl: Kubectl) -> None:
    """Forget the state, and have every object owned by the tool that applied it."""
    made = [resource for resource in _resources(stack) if resource["type"].startswith("kubernetes:")]
    for namespace in NAMESPACES:
        for kind in _OURS:
            kubectl("delete", kind, "-n", namespace, "--all", "--ignore-not-found")
        ids = ("infisical-platform/stack-", "infisical-platform/stack-id-")
        kubectl("annotate", "namespace", namespace, *ids)
    for resource in made:
        outputs = resource["outputs"]
        if outputs.get("kind") in APPLIED and not resource.get("external"):
            _reapply(kubectl, outputs)
    _without_helm(kubectl)
    theirs = {"spec": {"users": {"reporting": []}, "databases": {"reporting": "reporting"}}}
    kubectl("patch", "postgresql", "platform-db-cluster", "-n", NAMESPACES[1], "--type=merge", "-p", json.dumps(theirs))
    shutil.rmtree(stack.configuration.parent / "state")
    configuration = yaml.safe_load(stack.configuration.read_text())
    del configuration["encryptionsalt"]  # or Pulumi takes the stack for one that is there
    stack.configuration.write_text(yaml.safe_dump(configuration))
    stack.init()


def _without_helm(kubectl: Kubectl) -> None:
    """ArgoCD renders charts itself: no record of a release, and none of Helm's own labels."""
    kubectl("delete", "secrets", "-n", NAMESPACES[0], "-l", "owner=helm")
    for kind, name in (
        ("deployment", "infisical"),
        ("service", "infisical"),
        ("serviceaccount", "infisical-infisical"),
    ):
        where = (kind, name, "-n", NAMESPACES[0])
        kubectl("label", *where, "app.kubernetes.io/managed-by-")
        tracked = f"argocd.argoproj.io/tracking-id=platform:{kind}:{NAMESPACES[0]}/{name}"
        kubectl("annotate", *where, "meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-", tracked)


def _resources(stack: Stack) -> list[Object]:
    state = stack.pulumi("stack", "export", "--stack", STACK, quiet=True)
    return json.loads(state)["deployment"]["resources"]


def _reapply(kubectl: Kubectl, made: Object) -> None:
    """Give every field that the stack owned to who applied it, as its managedFields and annotations tell."""
    manager = APPLIED[made["kind"]]
    group, _, version = made["apiVersion"].rpartition("/")
    kind, metadata = f"{made['kind']}.{version}.{group}", made["metadata"]
    where = ["-n", metadata["namespace"]] if "namespace" in metadata else []
    live = json.loads(kubectl("get", kind, metadata["name"], *where, "--show-managed-fields", "-o", "json"))
    for entry in live["metadata"].get("managedFields", []):
        if entry["manager"].startswith("pulumi-kubernetes-"):
            entry["manager"] = manager
            entry["operation"] = "Apply" if manager == "argocd-controller" else "Update"
    patch: list[Object] = [
        {"op": "replace", "path": "/metadata/managedFields", "value": live["metadata"].get("managedFields", [])}
    ]
    if made["apiVersion"] in _BUILT_IN:
        tracked = f"platform:{group}/{made['kind']}:{metadata.get('namespace', '')}/{metadata['name']}"
        annotations = {**live["metadata"].get("annotations", {}), "argocd.argoproj.io/tracking-id": tracked}
        patch.append({"op": "add", "path": "/metadata/annotations", "value": annotations})
    kubectl("patch", kind, metadata["name"], *where, "--type=json", "-p", json.dumps(patch))


def passwords(kubectl: Kubectl) -> str:
    """Return the manifest of the Secret that has every key and password, as its owner would export it."""
    data = kubectl.secret("infisical", "infisical-secrets")
    plain = {name: base64.b64decode(value).decode() for name, value in data.items()}
    return json.dumps({"kind": "Secret", "metadata": {"name": "infisical-secrets"}, "stringData": plain})
