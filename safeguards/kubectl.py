"""Run kubectl on a stack's cluster, with the user's own kubeconfig."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from settings.cluster import ClusterSettings


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl, pointed at one cluster. Without a context or a file it takes those of the shell."""

    context: str | None
    kubeconfig: str | None

    @classmethod
    def of(cls, settings: ClusterSettings) -> Kubectl:
        """Return it for a stack's cluster."""
        return cls(settings.context, settings.kubeconfig)

    def options(self, context: str = "context") -> list[str]:
        """Return the options that name the cluster. Helm calls the context `kube-context`."""
        options = [f"--{context}={self.context}"] if self.context else []
        return options + ([f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else [])

    def command(self, words: str) -> str:
        """Return `kubectl WORDS` on this cluster, for messages: the shell's own context may lead to a different one."""
        return " ".join([shlex.join(["kubectl", *self.options()]), words])

    def run(
        self, *arguments: str, request_seconds: int, seconds: float, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `kubectl ARGUMENTS` for at most `seconds`. Raises FileNotFoundError and subprocess.TimeoutExpired.

        A program that fetches credentials may take its own time. With an empty stdin it can't ask for a password.
        """
        command = ["kubectl", f"--request-timeout={request_seconds}s", *self.options(), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds)
