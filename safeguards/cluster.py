"""What the cluster of a stack has before `up` begins, read by kubectl with the user's own kubeconfig.

Pulumi's provider can't be asked, because it fails on what doesn't exist.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from components.base.names import INFISICAL_SECRET
from safeguards.kubectl import Kubectl
from safeguards.operator_images import operator_of
from safeguards.refusal import Refusal
from settings.cluster import ClusterSettings

WHOLE = "kube-system"  # it exists as long as its cluster, so its uid identifies the cluster
_SECONDS = 30
_NOT_SHOWN = ("(Forbidden)", "the server doesn't have a resource type")


@dataclass(frozen=True, slots=True)
class LiveCluster:
    """The cluster that a stack's settings lead to. Its methods raise Refusal when it does not answer."""

    settings: ClusterSettings

    def namespaces(self, *others: str) -> Mapping[str, Mapping[str, Any]]:
        """Return metadata of kube-system and of those of the stack's namespaces and `others` that exist, by name."""
        found = self._get("namespaces", WHOLE, *self.settings.names.namespaces, *others)
        return {item["metadata"]["name"]: item["metadata"] for item in found}

    def environment(self) -> Mapping[str, str]:
        """Return the variables of `infisical-secrets`, none when the cluster has no such Secret."""
        found = self._get("secret", INFISICAL_SECRET, "--namespace", self.settings.names.infisical)
        data: Mapping[str, str] = found[0].get("data", {}) if found else {}
        return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}

    def images(self) -> Mapping[str, Collection[str]]:
        """Return the namespaces of the Deployments that run an image, by the last part of its name.

        There are none when the user may not list Deployments.
        """
        found: dict[str, set[str]] = {}
        for deployment in self._listed("deployments", "--all-namespaces"):
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                if name := operator_of(container["image"]):
                    found.setdefault(name, set()).add(deployment["metadata"]["namespace"])
        return found

    def api_server(self) -> Collection[tuple[str, int]]:
        """Return address and port of each endpoint of the API server, as pods reach it. None when they are hidden."""
        slices = self._listed(
            "endpointslices", "--namespace=default", "--selector=kubernetes.io/service-name=kubernetes"
        )
        return {
            (address, port["port"])
            for each in slices
            for endpoint in each.get("endpoints") or ()
            for address in endpoint["addresses"]
            for port in each.get("ports") or ()
        }

    def has_pods(self, namespace: str, labels: Mapping[str, str]) -> bool | None:
        """Return whether a namespace has pods with these labels; None when the user may not look."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        try:
            found = self._kubectl("get", "pods", "--namespace", namespace, f"--selector={selector}", "--output", "name")
        except Refusal:
            return None
        return bool(found.strip())

    def listeners(self, namespace: str, gateway: str) -> list[dict[str, Any]]:
        """Return the listeners of a Gateway; none when there is no such Gateway, or the user may not see it."""
        found = self._listed("gateways.gateway.networking.k8s.io", gateway, "--namespace", namespace)
        return found[0].get("spec", {}).get("listeners", []) if found else []

    def controller(self, class_name: str) -> str:
        """Return the controller of an IngressClass, empty when there is no such class, or the user may not see it."""
        found = self._listed("ingressclasses.networking.k8s.io", class_name)
        return str(found[0].get("spec", {}).get("controller", "")) if found else ""

    def statefulset(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Return a StatefulSet; empty when there is none, or the user may not see it."""
        found = self._listed("statefulsets.apps", name, f"--namespace={namespace}")
        return found[0] if found else {}

    def claims(self, namespace: str, app: str) -> list[dict[str, Any]]:
        """Return the PersistentVolumeClaims that have the label; none when the user may not see them."""
        return self._listed("persistentvolumeclaims", f"--namespace={namespace}", f"--selector=app={app}")

    def deployments(self, namespace: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the Deployments with these labels; none when the user may not see them."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return self._listed("deployments.apps", f"--namespace={namespace}", f"--selector={selector}")

    def helm_release(self, kind: str) -> str:
        """Return the namespace and name of the release that owns a kind's definition, empty when there is none."""
        found = self._listed("customresourcedefinitions.apiextensions.k8s.io", kind)
        annotations: Mapping[str, str] = found[0]["metadata"].get("annotations", {}) if found else {}
        name = annotations.get("meta.helm.sh/release-name", "")
        return f"{annotations.get('meta.helm.sh/release-namespace', '')}/{name}" if name else ""

    def _listed(self, *what: str) -> list[dict[str, Any]]:
        """Return what is found; nothing where the user may not look, or the cluster has no such kind.

        No answer is no proof: an operator that a slow API server didn't show would be installed a second time.
        """
        try:
            return self._get(*what)
        except Refusal as refusal:
            if not any(words in str(refusal) for words in _NOT_SHOWN):
                raise
            return []

    def _get(self, *what: str) -> list[dict[str, Any]]:
        output = self._kubectl("get", *what, "--ignore-not-found", "--output", "json")
        answer: dict[str, Any] = json.loads(output) if output.strip() else {"items": []}
        return answer.get("items", [answer])

    def _kubectl(self, *arguments: str) -> str:
        kubectl = Kubectl.of(self.settings)
        try:
            done = kubectl.run(*arguments, request_seconds=_SECONDS, seconds=_SECONDS + 5)
        except FileNotFoundError:
            raise Refusal(
                "`kubectl` is not on PATH, and `up` needs it to see what the cluster has before it begins. Install it: "
                "https://kubernetes.io/docs/tasks/tools/"
            ) from None
        except subprocess.TimeoutExpired:
            raise Refusal(
                f"cluster.context: the cluster doesn't answer within {_SECONDS} s. Check that this machine can reach it"
            ) from None
        if done.returncode:
            raise Refusal(f"cluster.context: kubectl can't read the cluster: {done.stderr.strip()}")
        return done.stdout


def uid_of(namespaces: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the uid that identifies the cluster."""
    return str(namespaces[WHOLE]["uid"])
