"""Publish the database's certificate authorities to Infisical, and restart what holds an old certificate.

One round observes (what the Secrets hold, what every pod presents), decides, and acts. It writes only when every pod
is accepted under what is going to be published.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cert_act import Actor, Named, Target, published
from cert_decide import Observation, Plan, Pod, Service, decide
from cert_observe import MountedSecret, observe, pods_behind, read_trust
from job import Failed, Pending, Report, run, wait
from kube import Api, path


@dataclass(frozen=True)
class Config:
    """database: the postgresql custom resource, in the namespace of its Services; deployment: Infisical's."""

    authority: MountedSecret
    leaf: MountedSecret
    target: Target
    services: tuple[Service, ...]
    database: Named
    deployment: Named
    deadline_seconds: float


class CertSync:
    """Does rounds until one finds every pod accepted."""

    def __init__(self, config: Config, api: Api) -> None:
        self.config = config
        self.api = api
        self.act = Actor(api, config.target, config.deployment, config.database)

    def round(self) -> str:
        """Raises Pending while a pod may still change what it presents, Failed when it will not."""
        now = datetime.now(UTC)
        trust = read_trust(self.config.authority, self.config.leaf, now)
        target = self.act.read()
        so_far = [item for item in published(target, self.config.target.key) if not item.expired(now)]
        observations = [observe(pod, trust, so_far) for service in self.config.services for pod in self._pods(service)]
        plan = decide(trust, so_far, observations, now)
        if plan.restart_pooler:
            self.act.restart_pooler(trust.leaf)
        if plan.refused:
            kind = Failed if plan.hopeless else Pending
            raise kind("; ".join([plan.refused, *self.act.done]))
        published_at = self.act.publish(plan.publish, target)
        self.act.restart_infisical(plan.publish, published_at)
        if plan.overdue and not self.act.done:
            raise Failed(f"the renewed certificate is not taken up, restart the pods: {plan.overdue}")
        return self._outcome(plan, observations)

    def _pods(self, service: Service) -> list[Pod]:
        endpoints = self.api.find(path("endpoints", self.config.database.namespace, service.name))
        return pods_behind(service, endpoints)

    def _outcome(self, plan: Plan, observations: Sequence[Observation]) -> str:
        said = "; ".join([*(self.act.done or ["nothing to do"]), *plan.outdated])
        pods = Counter(seen.pod.service.role for seen in observations)
        counted = ", ".join(f"{number} {role}" for role, number in pods.items())
        authorities = ", ".join(f"{item.subject} sha256 {item.fingerprint[:16]}" for item in plan.publish)
        return f"{said}: every pod ({counted}) verified by {self.config.target.key} = {authorities}"


def main(config: Config, report: Report) -> str:
    """Return what was done once every pod is accepted."""
    return wait(CertSync(config, Api()).round, report, deadline_seconds=config.deadline_seconds, interval=1)


if __name__ == "__main__":
    run("cert-sync", Config, main)
