"""Write docs/rehearsals.md: a row for each fault, with the figures of its last run."""

from __future__ import annotations

import datetime
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from tests.rehearsals.faults import FAULTS
from tests.rehearsals.writers import WRITERS, Course

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "rehearsals.md"
FIGURES = ROOT / "docs" / "rehearsals.json"


def note(name: str, seen: Course, lost: int) -> None:
    """Keep what a rehearsal has shown, beside what the others have, and write the page anew."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    row = asdict(seen) | {"lost": lost, "date": f"{datetime.date.today()}", "machine": machine}
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures[name] = {key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()}
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(figures))


def page(figures: dict[str, dict[str, object]]) -> str:
    """Return the page that these figures make."""
    rows = [
        f"| `{name}` | {fault.says} | {row['acknowledged']} | **{row['lost']}** | {row['errors']} "
        f"| {row['longest_gap']} s | {row['healed_after']} s | {row['whole_after']} s | {row['date']} |"
        for name, fault in FAULTS.items()
        if (row := figures.get(name))
    ]
    machines = sorted({f"{row['machine']}" for row in figures.values()})
    return f"""\
# Rehearsed faults

`make rehearse` writes this page. On a cluster of its own, {WRITERS} clients write numbered secrets through the ingress.
Each tries again until its write is acknowledged. Meanwhile something breaks. Afterwards every acknowledged number is
read back, and a lost one fails the rehearsal. Times are what clients saw on an embedded cluster of two nodes
({"; ".join(machines)}).

- **acknowledged**: secrets that the site has answered 200 for; **lost**: those that do not read back as written.
- **errors**: attempts that failed and were repeated. **longest gap**: between two acknowledgements, whoever got them.
- **healed**: from the fault to the end of the last failure, or of the last gap above two seconds. **whole**: until
  every pod was back and ready; writes flow meanwhile.

| fault | what happens | acknowledged | lost | errors | longest gap | healed | whole | date |
|---|---|---:|---:|---:|---:|---:|---:|---|
{chr(10).join(rows)}

`make rehearse FAULTS="primary node"` runs a selection. A row keeps the figures of its last run.
"""
