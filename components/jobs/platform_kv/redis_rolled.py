"""Wait until the servers of Redis are those that the stack asks for, and name the cause when they are not.

The Sentinels change after it: an operator that is told of both at once may replace the Sentinels first, while the
master is being replaced.
"""

from dataclasses import dataclass

from as_asked_for import AsAskedFor, Wanted
from job import Report, run, secret, wait
from kube import Api


@dataclass(frozen=True)
class Config:
    """workloads: the StatefulSet of the servers."""

    namespace: str
    workloads: tuple[Wanted, ...]
    operator_patience_seconds: float
    deadline_seconds: float


def main(config: Config, report: Report) -> str:
    asked_for = AsAskedFor(
        Api(), config.namespace, config.workloads, secret("CONFIG_MAP"), config.operator_patience_seconds
    )

    def check() -> str:
        asked_for.check()
        return f"rolled: {' '.join(f'{part.replicas} of {part.statefulset}' for part in config.workloads)}"

    return wait(check, report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("redis servers", Config, main)
