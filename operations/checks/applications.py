"""Check that Infisical has what applications ask for, as far as the hourly Job has told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from components.base.names import DRIFT_STATUS
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster
from settings import Commands, Settings

_LATE = timedelta(hours=3)  # the Job runs every hour


def applications(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what the Job has written down. Raises Unanswered."""
    if not settings.applications:
        return
    namespace = settings.cluster.names.infisical
    status = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{DRIFT_STATUS}")
    told: Mapping[str, str] = (status or {}).get("data") or {}
    if "checked" not in told:
        yield warn("applications", "nothing is provisioned yet", f"run `{commands.pulumi('up')}`")
        return
    age = datetime.now(UTC) - datetime.fromisoformat(told["checked"])
    lines = [line for line in told.get("drift", "").splitlines() if line]
    if age > _LATE:
        fix = f"{cluster.kubectl(f'get jobs -n {namespace}')} shows the last {DRIFT_STATUS}-…, whose log says why"
        yield fail("applications", f"nobody has looked for {age.total_seconds() / 3600:.0f} hours", fix)
    elif lines:
        fix = "as it says; or docs/applications.md, Take something away: list it, remove it, or let it be people's"
        yield fail("applications", "; ".join(lines), fix)
    else:
        yield ok("applications", f"{len(settings.applications)} as the stack says")
