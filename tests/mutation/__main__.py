"""`python -m tests.mutation`: takes away every wait, every secret mark and every protection, one at a time.

Each time the unit tests have to turn red. What they let pass is a survivor, and has to be explained in EXPLAINED.
Writes the list to docs/mutations.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs" / "mutations.md"
# What the tests read; a link would lead them back to the original.
COPIED = ("__main__.py", "components", "settings", "policy/rules.py", "embedded/charts", "tests", "pyproject.toml")
TESTS = ("program", "platform_db", "platform_kv", "infisical_secrets", "infisical_release", "cert_sync", "ingress",
         "gate", "pod", "requirements")  # fmt: skip

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
    """Exit status 1 when a survivor is not explained, or an explanation has no survivor."""
    found = [mutant for file in sources() for mutant in mutants(ROOT, file)]
    with tempfile.TemporaryDirectory() as folder:
        copies = SimpleQueue[Path]()
        for number in range(os.cpu_count() or 1):
            copies.put(_copy(Path(folder) / str(number)))
        _assert_green(copies)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(lambda mutant: _try(mutant, copies), found))
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
    """The program and its components."""
    yield Path("__main__.py")
    yield from sorted(path.relative_to(ROOT) for path in (ROOT / "components").glob("*.py"))


def _copy(folder: Path) -> Path:
    for name in (*COPIED, *(path.name for path in ROOT.glob("Pulumi*.yaml"))):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def _assert_green(copies: SimpleQueue[Path]) -> None:
    copy = copies.get()
    copies.put(copy)
    if killer := _first_red(copy):
        raise SystemExit(f"the tests are red without any mutation: {killer}")


def _try(mutant: Mutant, copies: SimpleQueue[Path]) -> Outcome:
    copy = copies.get()
    file = copy / mutant.file
    original = file.read_text()
    try:
        file.write_text(mutant.source)
        return Outcome(mutant, _first_red(copy))
    finally:
        file.write_text(original)
        copies.put(copy)


def _first_red(copy: Path) -> str:
    """The first test that fails, empty when all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += [f"tests/unit/test_{name}.py" for name in TESTS]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    red = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert bool(red) == bool(done.returncode), done.stdout + done.stderr
    return red[0].split(" - ")[0].partition("::")[2] if red else ""


def _report(outcomes: list[Outcome]) -> Iterator[str]:
    survivors = [outcome for outcome in outcomes if not outcome.killer]
    yield "# Mutations"
    yield ""
    yield (
        "Written by `make mutation`: every wait, secret mark and protection is taken away, one at a time, and a unit "
        "test has to turn red."
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
