"""Take away every parent, wait, secret mark and protection, one at a time, with `python -m tests.mutation`.

Each time the unit tests have to turn red. What they let pass is a survivor, and has to be explained in EXPLAINED.
Writes the list to docs/mutations.md; the test that it names for a mutant is the first that the next run tries.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.copy import first_red
from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs" / "mutations.md"
# Imported once; each mutant's process is forked from there.
PRELOADED = [
    "hypothesis",
    "pulumi",
    "pulumi_random",
    "pydantic",
    "pytest",
    "settings",
    "yaml",
    *(
        f"pulumi_kubernetes.{part}"
        for part in (
            "apiextensions",
            "apps.v1",
            "batch.v1",
            "core.v1",
            "helm.v3",
            "meta.v1",
            "networking.v1",
            "policy.v1",
            "rbac.v1",
        )
    ),
]

# Survivors by what they say of themselves, and why they do no harm.
EXPLAINED: dict[str, str] = {}


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    killer: str  # the test that turned red; empty for a survivor

    @property
    def unexplained(self) -> bool:
        return not self.killer and str(self.mutant) not in EXPLAINED


def main() -> int:
    """Return 1 when a survivor is not explained, or an explanation has no survivor."""
    files = [*sources()]
    found = [mutant for file in files for mutant in mutants(ROOT, file)]
    if holes := unmutated(files, found):
        raise SystemExit(f"these make resources, and no mutant is found in them: {', '.join(map(str, holes))}")
    guesses = dict(re.findall(r"^\| (.+?) \| `(test_\w+\.py::.+)` \|$", REPORT.read_text(), re.MULTILINE))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(os.cpu_count(), context, max_tasks_per_child=1) as pool:
        unchanged = pool.submit(first_red, ROOT, {})  # takes as long as many mutants, so they don't wait for it
        killers = pool.map(
            first_red,
            [ROOT] * len(found),
            [{mutant.file: mutant.source} for mutant in found],
            [guesses.get(str(mutant), "") for mutant in found],
        )
        if killer := unchanged.result():
            pool.shutdown(cancel_futures=True)
            raise SystemExit(f"the tests are red without any mutation: {killer}")
        outcomes = [Outcome(*each) for each in zip(found, killers, strict=True)]
    REPORT.write_text("\n".join(_report(outcomes)) + "\n")
    survivors = [outcome for outcome in outcomes if not outcome.killer]
    stale = EXPLAINED.keys() - {str(outcome.mutant) for outcome in survivors}
    for outcome in outcomes:
        if outcome.unexplained:
            print(f"survives: {outcome.mutant}")
    for what in sorted(stale):
        print(f"explained, and no survivor: {what}")
    print(f"{len(found)} mutants, {len(survivors)} survivors; {REPORT.relative_to(ROOT)} has the list")
    return int(bool(stale or any(outcome.unexplained for outcome in outcomes)))


def sources() -> Iterator[Path]:
    """Yield the program and every file below components/ but the scripts that run inside the cluster."""
    scripts = ROOT / "components" / "jobs"
    yield Path("__main__.py")
    for path in sorted((ROOT / "components").rglob("*.py")):
        if scripts not in path.parents:
            yield path.relative_to(ROOT)


def unmutated(files: Iterable[Path], found: Collection[Mutant]) -> list[Path]:
    """Return the holes in the net: files that make resources and of which nothing can be taken away."""
    mutated = {mutant.file for mutant in found}
    return [file for file in files if "ResourceOptions(" in (ROOT / file).read_text() and file not in mutated]


def _report(outcomes: list[Outcome]) -> Iterator[str]:
    survivors = [outcome for outcome in outcomes if not outcome.killer]
    yield "# Mutations"
    yield ""
    yield (
        "Written by `make mutation`. It takes every parent, wait, secret mark and protection away, one at a time, and "
        "a unit test has to turn red."
    )
    yield (
        "Which input each setting changes, and that the gates run again, is no mutant here: tests/unit/changes.py has "
        "it for every setting, and tests/unit/test_every_setting.py compares."
    )
    yield f"{len(outcomes)} mutants, {len(survivors)} survivors."
    yield ""
    if survivors:
        yield from ("| survivor | why it does no harm |", "|---|---|")
        yield from (f"| {o.mutant} | {EXPLAINED.get(str(o.mutant), '')} |" for o in survivors)
        yield ""
    yield from ("| mutant | first test that turns red |", "|---|---|")
    yield from (f"| {o.mutant} | `{o.killer}` |" for o in outcomes if o.killer)


if __name__ == "__main__":
    sys.exit(main())
