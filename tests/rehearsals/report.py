"""Write docs/rehearsals.md: a row for each fault, with the worst of all its runs.

A run adds its figures to the file, whatever else has been rehearsed before. So a selection of faults, or a run that was
cut off, leaves the rows of the others as they are.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.rehearsals.faults import FAULTS
from tests.rehearsals.gone import KINDS, LAG_SECONDS, Gone
from tests.rehearsals.writers import WRITERS, Course

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "rehearsals.md"
FIGURES = ROOT / "docs" / "rehearsals.json"

# What is rehearsed by itself, because it leaves the platform changed.
APART = {"major": "PostgreSQL goes to a newer major version in place (pg_upgrade, by a stand-in for Spilo's program)"}

Figures = Mapping[str, Sequence[Mapping[str, int | float | str]]]  # of a fault, what each of its runs has shown


def note(name: str, seen: Course | Gone, lost: int) -> None:
    """Add what a run has shown to what is known already, and write the page anew."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    row = asdict(seen) | {"lost": lost, "date": f"{datetime.date.today()}", "machine": machine}
    rounded = {key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()}
    figures.setdefault(name, []).append(rounded)
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(figures))


def page(figures: Figures) -> str:
    """Return the page that these figures make."""
    machines = sorted({f"{run['machine']}" for runs in figures.values() for run in runs})
    return f"""\
# Rehearsed faults

`make rehearse` writes this page. On a cluster of its own, {WRITERS} clients write numbered secrets through the ingress.
Each tries again until its write is acknowledged. Meanwhile something breaks. Afterwards every acknowledged number is
read back, and a lost one fails the rehearsal. Times are what clients saw on an embedded cluster of two nodes
({"; ".join(machines)}). A row sums up what all its runs acknowledged and lost. Its other figures are the worst ones.

- **acknowledged**: secrets that the site has answered 200 for; **lost**: those that do not read back as written.
- **errors**: attempts that failed and were repeated. **longest gap**: between two acknowledgements, whoever got them.
- **healed**: from the fault to the end of the last failure, or of the last gap above two seconds. **whole**: until
  every pod was back and ready; writes flow meanwhile.

| fault | what happens | runs | acknowledged | lost | errors | longest gap | healed | whole | last run |
|---|---|---:|---:|---:|---:|---:|---:|---:|---|
{_faults(figures)}

`make rehearse FAULTS="primary drain"` runs a selection, and adds its runs to this page.
{_without_a_run(figures)}{_gone(figures)}"""


def _faults(figures: Figures) -> str:
    rows = []
    for name, says in ({name: fault.says for name, fault in FAULTS.items()} | APART).items():
        if runs := figures.get(name):
            whole, lost = (sum(int(run[key]) for run in runs) for key in ("acknowledged", "lost"))
            gap, healed, back = (_worst(runs, key) for key in ("longest_gap", "healed_after", "whole_after"))
            rows.append(
                f"| `{name}` | {says} | {len(runs)} | {whole} | **{lost}** | {_worst(runs, 'errors')} "
                f"| {gap} s | {healed} s | {back} s | {runs[-1]['date']} |"
            )
    return "\n".join(rows)


def _without_a_run(figures: Figures) -> str:
    names = [f"`{name}`" for name in FAULTS if name not in figures]
    return f"No run yet: {', '.join(names)}.\n" if names else ""


def _gone(figures: Figures) -> str:
    rows = [
        f"| {says} | {len(runs)} | {runs[-1]['rate']} | {sum(int(run['acknowledged']) for run in runs)} "
        f"| **{sum(int(run['lost']) for run in runs)}** | {runs[-1]['date']} |"
        for name, says in KINDS.items()
        if (runs := figures.get(name))
    ]
    if not rows:
        return ""
    return f"""
## The primary's node is gone for good

Replication lags for {LAG_SECONDS:.0f} s, then the primary's node is lost with its disk, and nothing of it comes back.
This is the one fault in which asynchronous replication can lose what was acknowledged. With `database.synchronous` a
write is acknowledged only once a replica has it. Three servers, the replicas on the node that stays.

| replication | runs | writes a second before | acknowledged | lost | last run |
|---|---:|---:|---:|---:|---|
{chr(10).join(rows)}
"""


def _worst(runs: Sequence[Mapping[str, int | float | str]], key: str) -> float:
    return max(float(run[key]) if isinstance(run[key], float) else int(run[key]) for run in runs)
