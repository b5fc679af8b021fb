"""Holds up the end of what the route led to before, until the ingress controller has surely followed the route."""

from dataclasses import dataclass

from job import Pending, Report, run, wait
from kube import Api, path


@dataclass(frozen=True)
class Config:
    """leaves: the Deployment that the route led to before; gone when there was none, or it has been deleted."""

    namespace: str
    leaves: str
    to: str
    settle_seconds: float


class Move:
    """Looks until nothing is left behind, or the route has stood for long enough."""

    def __init__(self, config: Config, api: Api, report: Report) -> None:
        self.config, self.api, self.report = config, api, report

    def check(self) -> str:
        """Raise Pending while somebody may still be sent to what the route has left."""
        config = self.config
        if self.api.find(path("deployments", config.namespace, config.leaves)) is None:
            return f"the way in leads to {config.to}; there is no {config.leaves} to leave"
        if self.report.elapsed < config.settle_seconds:
            # No API says when a controller has taken over a changed route.
            raise Pending(f"the way in leads to {config.to}; {config.leaves} stays for {config.settle_seconds:.0f} s")
        return f"the way in has led to {config.to} for {config.settle_seconds:.0f} s: {config.leaves} can go"


def main(config: Config, report: Report) -> str:
    """Wait for the move."""
    return wait(Move(config, Api(), report).check, report, deadline_seconds=config.settle_seconds + 60)


if __name__ == "__main__":
    run("route-moved", Config, main)
