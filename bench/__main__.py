"""Measure with `make bench` what the program costs beside an empty one, and `up` beside what operators need alone.

Every figure is a ratio of two things measured in turn in one run. Writes docs/benchmarks.md, and the page of an `up`.
"""

from __future__ import annotations

import functools
import json
import os
import platform as machine
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from unittest import mock

from bench import alone, applications, programs
from bench.memory import peak_memory
from bench.samples import Samples, in_turn, seconds, unexplained, waited
from embedded.__main__ import Progress, start
from embedded.cluster import Cluster
from embedded.instance import Instance, cache_folder
from embedded.programs import Programs
from embedded.stack import PROJECT, STACK, Stack
from tests.e2e.views import Kubectl
from tests.unit.harness import PROJECT as PROJECT_NAME
from tests.unit.harness import configuration, platform

REPORT = PROJECT / "docs" / "benchmarks.md"
TIMELINE = PROJECT / "up.html"
COUNT = 5  # of the engine's runs
ROUNDS = 3  # of the whole platform
FEW, SOME, MANY, MOST = 10, 100, 500, 1000  # resources more
# What settings add to a Pulumi program: milliseconds for pydantic, milliseconds in all, and bytes.
_SETTINGS = """
import json, os, sys, time
import pulumi, pulumi_kubernetes, pulumi_random
def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
project, stack, configuration = json.load(sys.stdin)
before, began = resident(), time.perf_counter()
from pydantic import AfterValidator, BaseModel, Field, SecretStr
pydantic = time.perf_counter() - began
import settings
settings.load(settings.Commands(project, stack), configuration)
whole = time.perf_counter() - began
print(pydantic * 1000, whole * 1000, resident() - before)
"""
_IMPORTED = "import runpy; runpy.run_path('__main__.py', run_name='imported')"
Row = tuple[str, str, str]  # what, how much, target


def main() -> int:
    """Start a cluster, measure, write the report and end the cluster."""
    progress = Progress()
    instance, built = Instance("bench"), Programs(cache_folder())
    Cluster(instance, built, progress).down()
    cluster = start(instance, progress)
    stack = Stack(instance, built)
    stack.init()
    kubectl = Kubectl(built, instance)
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = [
                *_first_up(stack, kubectl, progress),
                *_engine(stack, Path(folder), progress),
                *_growth(stack, Path(folder), progress),
                *_start(stack, progress),
                *_applications(stack, kubectl, progress),
            ]
    finally:
        cluster.down()
    REPORT.write_text(_report(rows))
    print(f"{REPORT.relative_to(PROJECT)} is written, {TIMELINE.name} has the time of one `up`")
    return 0


def _first_up(stack: Stack, kubectl: Kubectl, progress: Progress) -> Iterator[Row]:
    progress("the first `up`")
    stack.up(TIMELINE)
    platform_objects = alone.Platform(kubectl, platform(), alone.rendered(kubectl))
    stack.run("destroy", "--yes", "--skip-preview", quiet=True)
    ups: list[float] = []
    waves: list[float] = []
    parts: list[dict[str, float]] = []
    for number in range(ROUNDS):
        progress(f"from empty, round {number + 1} of {ROUNDS}: `up`, the parts alone, waves")
        ups.append(seconds(lambda: stack.run("up", "--yes", "--skip-preview", quiet=True)))
        stack.run("destroy", "--yes", "--skip-preview", quiet=True)
        parts.append(platform_objects.parts())
        platform_objects.delete()
        waves.append(platform_objects.waves())
        platform_objects.delete()
    stack.run("up", "--yes", "--skip-preview", quiet=True)
    up, chain = Samples(ups), Samples([*map(_chain, parts)])
    yield "first `up`, to its critical path", up.over(chain).said(), "≤ 1.15"
    yield "the same objects in waves, to the first `up`", Samples(waves).over(up).said(), "≥ 1.5"
    yield "first `up`", up.said("{:.1f} s"), ""
    for name in parts[0]:
        yield f"{name}, alone", Samples([part[name] for part in parts]).said("{:.1f} s"), ""


def _chain(parts: dict[str, float]) -> float:
    """Return the longest way through the parts, in the order of tests/unit/test_program.py."""
    database = parts["database"] + parts["certificate sync"] + parts["migration"]
    return max(max(database, parts["redis"]) + parts["release"], parts["certificate"]) + parts["route"]


def _engine(stack: Stack, folder: Path, progress: Progress) -> Iterator[Row]:
    progress("nothing to change, beside an empty program and one with as many ConfigMaps as ours has resources")
    empty, counted = programs.empty(folder), programs.counted(folder)
    state = json.loads(stack.pulumi("stack", "export", "--stack", STACK, quiet=True))
    count = len(state["deployment"]["resources"]) - 1  # the stack itself

    def measure(command: list[str], project: Path) -> float:
        return seconds(lambda: stack.pulumi(*command, "--stack", project.name, cwd=project, quiet=True))

    with mock.patch.dict(os.environ, {"MORE": str(count)}):
        for project in (empty, counted):
            stack.pulumi("stack", "init", project.name, cwd=project, quiet=True)
            stack.pulumi("up", "--stack", project.name, "--yes", "--skip-preview", cwd=project, quiet=True)
        for command in (["preview"], ["up", "--yes", "--skip-preview"]):
            ours, bare, nothing = in_turn(
                COUNT,
                lambda command=command: seconds(lambda: stack.run(*command, quiet=True)),
                lambda command=command: measure(command, counted),
                lambda command=command: measure(command, empty),
            )
            yield f"`{command[0]}` without a change, to an empty program's", ours.over(nothing).said(), "≤ 2.2"
            yield f"{count} ConfigMaps and nothing else, to an empty program's", bare.over(nothing).said(), ""
            yield f"`{command[0]}` without a change, to that of {count} ConfigMaps", ours.over(bare).said(), ""
            yield f"`{command[0]}` without a change", ours.said("{:.2f} s"), ""
        stack.pulumi("destroy", "--stack", counted.name, "--yes", "--skip-preview", cwd=counted, quiet=True)
    [waits] = in_turn(COUNT, lambda: waited(lambda: stack.pulumi("preview", "--stack", "empty", cwd=empty, quiet=True)))
    yield "an empty program's `preview`, while nothing computes", unexplained(waits), "≤ 1 s"


def _growth(stack: Stack, folder: Path, progress: Progress) -> Iterator[Row]:
    progress("previews with more resources")
    project = programs.grown(folder)

    def preview(more: int) -> float:
        with mock.patch.dict(os.environ, {"MORE": str(more)}):
            return seconds(lambda: stack.pulumi("preview", *stack.options, cwd=project, quiet=True))

    numbers: list[int] = [FEW, SOME, MANY, MOST]
    taken = dict(zip(numbers, in_turn(3, *(functools.partial(preview, more) for more in numbers)), strict=True))
    for more, samples in taken.items():
        yield f"`preview` with {more} resources more", samples.said("{:.1f} s"), ""

    def each(fewer: int, more: int) -> float:
        return (taken[more].median - taken[fewer].median) / (more - fewer)

    # Some of the first one's time passes while the provider starts.
    growth = f"{each(MANY, MOST) / each(SOME, MANY):.2f}"
    yield f"a resource between {MANY} and {MOST}, to one between {SOME} and {MANY}", growth, "1"


def _start(stack: Stack, progress: Progress) -> Iterator[Row]:
    progress("start and memory")
    ours, pulumi = in_turn(
        COUNT,
        lambda: seconds(lambda: _python(_IMPORTED)),
        lambda: seconds(lambda: _python("import pulumi")),
    )
    yield "the program's imports, to `import pulumi`", ours.over(pulumi).said(), ""
    given = json.dumps([PROJECT_NAME, "dev", configuration("dev")])
    measured = [[*map(float, _python(_SETTINGS, stdin=given).stdout.split())] for _ in range(COUNT)]
    pydantic, whole, memory = (Samples(values) for values in zip(*measured, strict=True))
    yield "settings, from import to the checked stack", whole.said("{:.0f} ms"), "< 100 ms"
    yield "of which `import pydantic`", pydantic.said("{:.0f} ms"), ""
    yield "memory of settings, pydantic's with it", f"{memory.median / (1 << 20):.0f} MiB", ""
    for name, milliseconds in _slowest_imports():
        yield f"import of `{name}`, with what it imports", f"{milliseconds:.0f} ms", ""
    with peak_memory("pulumi-language-python-exec") as peak:
        stack.run("preview", quiet=True)
    yield "memory of the program, at its highest", f"{peak() >> 20} MiB", "≤ 120 MB"


def _applications(stack: Stack, kubectl: Kubectl, progress: Progress) -> Iterator[Row]:
    progress("a thousand secrets of applications")
    yield from applications.rows(stack, kubectl)


def _slowest_imports(count: int = 6) -> list[tuple[str, float]]:
    """Return the imported packages that take longest, by `-X importtime`."""
    lines = _python(_IMPORTED, "-X", "importtime").stderr
    times = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \| (?:  )?([\w.]+)$", lines, re.MULTILINE)  # the top levels
    return sorted(((name, int(microseconds) / 1000) for microseconds, name in times), key=lambda item: -item[1])[:count]


def _python(code: str, *options: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, input=stdin, cwd=PROJECT, check=True, capture_output=True, text=True)


def _report(rows: list[Row]) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {date.today()}: {os.cpu_count()} cores ({machine.machine()}), {memory} GiB,",
        "the embedded cluster. Ratios are medians of pairs measured in turn. Behind ± stands half the distance of the",
        "quartiles. Seconds hold for this machine, and only say where the time goes.",
        "",
        "| what | measured | target |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
