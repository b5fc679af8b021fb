"""When backups, a restore and a server that moves in take place, and how long they take."""

from __future__ import annotations

from tests.unit.harness import Graph, Resource

# What backups add. The one before a change precedes everything that may change the data.
BACKUP_SECONDS = {
    "Job/move-in-dump": 5,
    "Job/move-in-rehearsal": 6,
    "Job/restore": 9,
    "Job/backup-before": 5,
    "Job/backup": 8,
    "Job/backup-rehearsal": 10,
}
BACKUPS = {
    ("postgresql/platform-db-cluster", "Job/backup-before"),
    ("Job/backup", "Job/infisical-gate"),
    ("Job/backup-rehearsal", "Job/backup"),
}
RESTORES = {
    ("Job/restore", "Job/platform-db-gate-login"),
    ("Job/restore", "Job/platform-kv-gate"),
    ("Job/infisical-migration", "Job/restore"),
}
MOVES = {
    ("Job/move-in-dump", "Job/platform-db-gate-login"),
    ("Job/move-in-dump", "Job/platform-kv-gate"),
    ("Job/move-in-rehearsal", "Job/move-in-dump"),
    ("Job/restore", "Job/move-in-rehearsal"),
    ("Job/infisical-migration", "Job/restore"),
}


def backups_of(graph: Graph) -> list[Resource]:
    return [
        job for job in graph.of_type("kubernetes:batch/v1:Job") if job.name.startswith(("backup", "move-in", "restore"))
    ]


def seconds_of_backups(graph: Graph) -> dict[str, float]:
    there = {f"Job/{job.name}" for job in backups_of(graph)}
    return {name: long for name, long in BACKUP_SECONDS.items() if name in there}
