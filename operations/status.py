"""Say on one screen how a stack is: what runs, how old backups are, what expires, what is pending. It only reads."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from functools import partial

from operations.checks import applications, archive, backup, changes, escrow, expiry, identity, running
from operations.checks.report import counted, rows
from operations.checks.result import Check, Level
from operations.doctor import judged
from operations.pulumi import Stack


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Print the table. Return 1 when something is broken, otherwise 0. Raises OperationError."""
    settings = stack.settings()
    results = judged(stack, settings, checks(stack))
    print("\n".join(rows(results)))
    found = Counter(result.level for result in results)
    print(f"\nstack {stack.name}, {settings.infisical.site_url}: {_verdict(found)}")
    return int(bool(found[Level.FAIL]))


def checks(stack: Stack) -> Mapping[str, Check]:
    """Return all checks in the order of the table. A check that the cluster doesn't answer is shown by its name."""
    return {
        "the stack's cluster": partial(identity.identity, stack),
        "what runs": partial(running.workloads, stack.commands),
        "PostgreSQL": running.database,
        "Redis": running.redis,
        "what is scheduled": running.scheduled,
        "certificates": expiry.expiry,
        "backup": partial(backup.backups, stack.commands),
        "archive": partial(archive.archived, stack.commands),
        "applications": partial(applications.applications, stack.commands),
        "escrow": partial(escrow.escrow, stack),
        "the last `up`": partial(changes.last_update, stack),
        "pending": partial(changes.changes, stack),
    }


def _verdict(found: Counter[Level]) -> str:
    told = [
        counted(found[Level.FAIL], "failure"),
        counted(found[Level.WARN], "warning"),
        f"{found[Level.UNKNOWN]} unknown",
    ]
    present = [text for text, level in zip(told, (Level.FAIL, Level.WARN, Level.UNKNOWN), strict=True) if found[level]]
    return ", ".join(present) or "all is well"
