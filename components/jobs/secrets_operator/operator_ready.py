"""Waits until the secrets operator's pods run, and says what holds them up."""

from dataclasses import dataclass

from job import Report, run, wait
from kube import Api
from workloads import deployed


@dataclass(frozen=True)
class Config:
    """deployment: the operator's, as its chart names it."""

    namespace: str
    deployment: str
    deadline_seconds: float


def ready(api: Api, namespace: str, name: str) -> str:
    """Return that the Deployment is rolled out. Raise Pending with what holds it up."""
    deployed(api, namespace, name)
    return f"deployment {namespace}/{name} runs"


def main(config: Config, report: Report) -> str:
    """Wait for it."""
    api = Api()
    return wait(
        lambda: ready(api, config.namespace, config.deployment), report, deadline_seconds=config.deadline_seconds
    )


if __name__ == "__main__":
    run("operator-ready", Config, main)
