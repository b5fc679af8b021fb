"""Waits until an operator's pods run and its webhook answers, and says what holds them up."""

from dataclasses import dataclass

from job import Failed, Pending, Report, run, wait
from kube import Api
from workloads import deployed


@dataclass(frozen=True)
class Config:
    """deployments: as the chart names them. webhook: the path of a kind that cert-manager's webhook judges."""

    namespace: str
    deployments: tuple[str, ...]
    deadline_seconds: float
    webhook: str | None = None


def answers(api: Api, issuers: str) -> None:
    """Raise Pending until the webhook refuses what it must refuse: that something passes tells nothing."""
    impossible = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Issuer",
        "metadata": {"name": "infisical-platform-asks"},
        "spec": {"selfSigned": {}, "ca": {"secretName": "none"}},  # an issuer has one of them
    }
    refusal = "an impossible Issuer was accepted"
    try:
        api.admit(issuers, impossible)
    except (Pending, Failed) as error:
        refusal = str(error)
    if "admission webhook" not in refusal:
        raise Pending(f"cert-manager's webhook doesn't answer: {refusal}")


def ready(api: Api, config: Config) -> str:
    """Return that all of it runs. Raise Pending with what holds it up."""
    for name in config.deployments:
        deployed(api, config.namespace, name)
    if config.webhook:
        answers(api, config.webhook)
    return f"{', '.join(config.deployments)} {'runs' if len(config.deployments) == 1 else 'run'}"


def main(config: Config, report: Report) -> str:
    """Wait for it."""
    api = Api()
    return wait(lambda: ready(api, config), report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("operators-ready", Config, main)
