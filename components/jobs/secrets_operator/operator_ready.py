"""Waits until the secrets operator's pods run, and says what holds them up."""

from dataclasses import dataclass

from job import Pending, Report, run, wait
from kube import Api, path
from workloads import causes, pods_of, unfinished


@dataclass(frozen=True)
class Config:
    """deployment: the operator's, as its chart names it."""

    namespace: str
    deployment: str
    deadline_seconds: float


def ready(api: Api, namespace: str, name: str) -> str:
    """Return that the Deployment is rolled out. Raise Pending with what holds it up."""
    deployment = api.find(path("deployments", namespace, name))
    if deployment is None:
        raise Pending(
            f"deployment {namespace}/{name} does not exist: the release has not made it, or names it otherwise"
        )
    deployment = {"kind": "Deployment", **deployment}
    if held_up := unfinished(deployment):
        why = causes(api, namespace, deployment, pods_of(api, namespace, deployment))
        raise Pending(f"deployment {namespace}/{name}: {held_up}{why}")
    return f"deployment {namespace}/{name} runs"


def main(config: Config, report: Report) -> str:
    """Wait for it."""
    api = Api()
    return wait(
        lambda: ready(api, config.namespace, config.deployment), report, deadline_seconds=config.deadline_seconds
    )


if __name__ == "__main__":
    run("operator-ready", Config, main)
