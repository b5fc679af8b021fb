"""Create Jobs that `up` waits for."""

from __future__ import annotations

from collections.abc import Sequence

from pulumi import Alias, CustomTimeouts, Input, Resource, ResourceOptions
from pulumi_kubernetes import batch, core, meta

START_SECONDS = 60  # until a Job's pod runs, unless the stack says more


def run_once(
    name: str,
    namespace: Input[str],
    template: core.v1.PodTemplateSpecArgs,
    deadline_seconds: int,
    *,
    parent: Resource,
    depends_on: Sequence[Resource] = (),
    aliases: Sequence[Alias] = (),
) -> batch.v1.Job:
    """Create a Job that `up` awaits: one attempt, with a deadline.

    It runs again when its pod template changes, or on the next `up` after it failed (`replaceUnready`); on any other
    `up` it is left alone. The scripts give up at `deadline_seconds`, and the Job gives up later, because its pod has to
    start first.
    """
    limit = deadline_seconds + START_SECONDS
    return batch.v1.Job(
        name,
        metadata=meta.v1.ObjectMetaArgs(
            name=name, namespace=namespace, annotations={"pulumi.com/replaceUnready": "true"}
        ),
        spec=batch.v1.JobSpecArgs(backoff_limit=0, active_deadline_seconds=limit, template=template),
        opts=ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            aliases=list(aliases),
            delete_before_replace=True,
            custom_timeouts=CustomTimeouts(create=f"{limit + 60}s", update=f"{limit + 60}s"),
        ),
    )


def data_annotation(data: str | None) -> dict[str, Input[str]] | None:
    """Return the annotation that reruns a Job after a restore or a recovery."""
    return {"infisical-platform/data": data} if data else None


def run_on_schedule(
    name: str,
    namespace: Input[str],
    schedule: str,
    template: core.v1.PodTemplateSpecArgs,
    deadline_seconds: int,
    *,
    parent: Resource,
    depends_on: Sequence[Resource] = (),
) -> batch.v1.CronJob:
    """Create a CronJob whose runs never overlap. A run that the cluster misses is made up for within an hour."""
    job = batch.v1.JobSpecArgs(
        backoff_limit=0, active_deadline_seconds=deadline_seconds + START_SECONDS, template=template
    )
    return batch.v1.CronJob(
        f"{name}-schedule",
        metadata=meta.v1.ObjectMetaArgs(name=name, namespace=namespace),
        spec=batch.v1.CronJobSpecArgs(
            schedule=schedule,
            concurrency_policy="Forbid",
            starting_deadline_seconds=3600,
            successful_jobs_history_limit=1,
            failed_jobs_history_limit=3,
            job_template=batch.v1.JobTemplateSpecArgs(spec=job),
        ),
        opts=ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
