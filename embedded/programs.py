"""Build the cluster's programs from pinned Go modules, once, into a content-addressed cache.

Each folder under `programs/` is a Go module that pins one upstream project (go.mod, go.sum); checksum verification
stays on. The result of a build depends on that folder, on the flags below and on the compiler, so their digest names
the folder that it lands in. A changed pin makes a new build, and an interrupted build resumes from Go's own cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache as memoize
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.pinned import PROGRAMS

SOURCES = Path(__file__).parent / "programs"

# Debug information, which the linker strips, is an eighth of the compiler's work.
_FLAGS = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")

# Collecting its own garbage is a quarter of the compiler's work, for memory that is freed when it ends anyway.
# Whatever comes near the limit collects after all: no linker does, and only one package, Amazon's SDK for EC2.
_COLLECTOR = {"GOGC": "off", "GOMEMLIMIT": "2GiB"}

# A build runs this many compilers or linkers at a time; further cores get further builds.
_PROCESSES_PER_BUILD = 2

# The memory of all of them at their limit. 8 GiB bear two builds at a time.
BYTES_PER_BUILD = 4 << 30


class Programs:
    """The built programs in `cache`. Each is found by its file name."""

    def __init__(self, cache: Path) -> None:
        self._root = cache / "programs"

    def folder(self, module: str) -> Path:
        """Return where the binaries and files of `module` lie once they are built."""
        return self._root / f"{module}-{_key(module)}"

    def path(self, name: str) -> Path:
        """Return the built binary or file `name`."""
        for module, program in PROGRAMS.items():
            if name in program.binaries or name in program.files:
                return self.folder(module) / name
        raise KeyError(name)

    def missing(self) -> list[str]:
        """Return the modules that are not built yet."""
        return [module for module in PROGRAMS if not self.folder(module).exists()]

    def build(self, modules: Collection[str], progress: Callable[[str], None]) -> None:
        """Build `modules`, as many at a time as cores and memory allow.

        Raises EmbeddedError with the module and the compiler's last lines. Builds that were under way complete first.
        """
        workers = max(1, min(os.cpu_count() or 1, _available_memory() // BYTES_PER_BUILD, len(modules)))
        course = _Course(modules, workers)

        def build(module: str) -> None:
            course.begin(module)
            progress(f"building {module}{course.left()}")
            self._build(module)
            took = course.end(module)
            progress(f"built {module} in {took:.0f} s ({course.done()} of {len(modules)}){course.left()}")

        with ThreadPoolExecutor(workers) as pool:
            try:
                for outcome in [pool.submit(build, module) for module in modules]:
                    outcome.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _build(self, module: str) -> None:
        program, target = PROGRAMS[module], self.folder(module)
        work = self._root / "work" / target.name
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(sources_of(module), work)
        if (work / "prepare.sh").exists():
            _run(module, ["./prepare.sh"], work, {})
        env = {"CGO_ENABLED": "1" if program.cgo else "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        out = work / "out"
        out.mkdir()
        processes = ["-p", str(_PROCESSES_PER_BUILD)]
        for name, package in program.binaries.items():
            flags = [*_FLAGS, "-tags", program.tags, "-ldflags", f"-w -s {program.ldflags}"]
            _run(module, ["go", "build", *processes, *flags, "-o", str(out / name), package], work, env)
        for name, (dependency, path) in program.files.items():
            listed = _run(module, ["go", "list", "-m", "-f", "{{.Dir}}", dependency], work, env)
            source = Path(listed.strip()) / path
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, out / name)
        for path in out.rglob("*"):  # the module cache is read-only, and a copy of it need not be
            path.chmod(path.stat().st_mode | 0o200)
        os.rename(out, target)
        shutil.rmtree(work)


def sources_of(module: str) -> Path:
    """Return the folder with its pins, which two programs may share."""
    return SOURCES / (PROGRAMS[module].source or module)


class _Course:
    """Estimate how long a build has left from what its programs weigh, at the pace that this machine has shown."""

    def __init__(self, modules: Collection[str], workers: int) -> None:
        self._workers = workers
        self._begun: dict[str, float | None] = dict.fromkeys(modules)
        self._took: dict[str, float | None] = dict.fromkeys(modules)

    def begin(self, module: str) -> None:
        self._begun[module] = time.monotonic()

    def end(self, module: str) -> float:
        """Note the seconds that `module` took."""
        took = self._took[module] = self._elapsed(module)
        return took

    def done(self) -> int:
        """Return how many programs are built."""
        return sum(took is not None for took in self._took.values())

    def left(self) -> str:
        """Return the end of a line of progress, or nothing once all is built."""
        pace = self._pace()
        left = [
            max(0.0, PROGRAMS[module].seconds * pace - self._elapsed(module))
            for module, took in self._took.items()
            if took is None
        ]
        # No program is built by two workers, so the longest one is a lower bound.
        return f", about {_minutes(max(sum(left) / self._workers, *left))} left" if left else ""

    def _pace(self) -> float:
        took = {module: seconds for module, seconds in self._took.items() if seconds is not None}
        return sum(took.values()) / sum(PROGRAMS[module].seconds for module in took) if took else 1.0

    def _elapsed(self, module: str) -> float:
        begun = self._begun[module]
        return 0.0 if begun is None else time.monotonic() - begun


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


@memoize
def _key(module: str) -> str:
    program = PROGRAMS[module]
    digest = hashlib.sha256(_compiler().encode())
    digest.update(
        json.dumps([_FLAGS, dict(program.binaries), dict(program.files), program.ldflags, program.tags]).encode()
    )
    for path in sorted(sources_of(module).rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCES)}\0{path.stat().st_mode & 0o111}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@memoize
def _compiler() -> str:
    return subprocess.run(["go", "version"], check=True, capture_output=True, text=True).stdout


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _run(module: str, command: list[str], cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env={**_COLLECTOR, **os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-15:])
        raise EmbeddedError(f"building {module} failed in `{' '.join(command[:3])} …`:\n{last}")
    return done.stdout
