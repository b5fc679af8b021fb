"""Make layers of Debian, PyPI and npm packages, static programs and files.

Each recipe tells what its layer's content follows from, so that a layer is made once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from embedded import rootfs
from embedded.errors import EmbeddedError
from embedded.oci import ARCHITECTURE, Entry, directory, symlink, tree

# What has to be on PATH. A venv made by uv has no pip, but whoever made it has uv.
REQUIRED_COMMANDS = ("mmdebstrap", "npm", "setpriv", "unshare", "uv")

Binaries = Callable[[str], Path]


class BuildError(EmbeddedError):
    """A step of a build failed. The message says which one, with the last lines that it wrote."""


class Recipe(ABC):
    """How a layer is made."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Return the name of what is made, for progress and errors."""

    @abstractmethod
    def made_from(self, binaries: Binaries) -> Any:
        """Return everything that the layer's content follows from, as JSON."""

    @abstractmethod
    def entries(self, binaries: Binaries, work: Path) -> Iterable[Entry]:
        """Return the layer's members. What they refer to may lie in `work`, an empty folder. Raises BuildError."""


@dataclass(frozen=True, slots=True)
class Debian(Recipe):
    """A root file system. All images of `make up` share the same one."""

    suite: str = rootfs.SUITE
    packages: tuple[str, ...] = rootfs.PACKAGES

    @property
    def title(self) -> str:
        return "Debian root file system"

    def made_from(self, binaries: Binaries) -> Any:
        return [self.suite, self.packages, rootfs.ESSENTIAL_HOOK, rootfs.LEFT_OUT, ARCHITECTURE]

    def entries(self, binaries: Binaries, work: Path) -> Iterable[Entry]:
        archive = work / "rootfs.tar"
        run_step(self.title, rootfs.command(archive, self.suite, self.packages), work, rootfs.ENVIRONMENT)
        return rootfs.entries(archive)


@dataclass(frozen=True, slots=True)
class Files(Recipe):
    """The files below `folder`, owned by root, and directories with owners or modes of their own."""

    folder: Path | None = None
    directories: tuple[Entry, ...] = ()

    @property
    def title(self) -> str:
        return f"files of {self.folder.parent.name}" if self.folder else "directories"

    def made_from(self, binaries: Binaries) -> Any:
        owned = [[entry.path, entry.mode, entry.uid, entry.gid] for entry in self.directories]
        return [_content(self.folder) if self.folder else [], owned]

    def entries(self, binaries: Binaries, work: Path) -> Iterable[Entry]:
        return chain(tree(self.folder) if self.folder else (), self.directories)


@dataclass(frozen=True, slots=True)
class PythonPackages(Recipe):
    """Pure Python distributions from PyPI, pinned by hash, where the Python of a suite looks for them."""

    requirements: Path
    suite: str = rootfs.SUITE

    @property
    def title(self) -> str:
        return f"Python packages of {self.requirements.parent.name}"

    def made_from(self, binaries: Binaries) -> Any:
        return [self.requirements.read_text(), rootfs.PYTHON_PACKAGES[self.suite]]

    def entries(self, binaries: Binaries, work: Path) -> Iterable[Entry]:
        site, to = work / "site", rootfs.PYTHON_PACKAGES[self.suite]
        install = ["uv", "pip", "install", "--python", sys.executable, "--no-deps", "--require-hashes"]
        run_step(self.title, [*install, "--target", str(site), "--requirement", str(self.requirements)], work)
        for entry in tree(site, to):
            # Commands would start this machine's interpreter, and the lock file is uv's own.
            if Path(entry.path).relative_to(to).parts[0] not in ("bin", ".lock"):
                yield entry


@dataclass(frozen=True, slots=True)
class StaticProgram(Recipe):
    """One static program, as `/name`."""

    binary: str
    name: str

    @property
    def title(self) -> str:
        return f"program {self.name}"

    def made_from(self, binaries: Binaries) -> Any:
        path = binaries(self.binary)
        status = path.stat()  # as git does, because reading hundreds of megabytes at each start would take seconds
        return [self.name, str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]

    def entries(self, binaries: Binaries, work: Path) -> Iterable[Entry]:
        return [Entry(path=self.name, source=binaries(self.binary))]


@dataclass(frozen=True, slots=True)
class NodeApplication(Recipe):
    """A Node application and the packages that its lock file names, with npm as a command if it is one of them."""

    folder: Path
    to: str
    uid: int
    gid: int

    @property
    def title(self) -> str:
        return f"Node application {self.folder.name}"

    def made_from(self, binaries: Binaries) -> Any:
        return [_content(self.folder), self.to, self.uid, self.gid, ARCHITECTURE]

    def entries(self, binaries: Binaries, work: Path) -> Iterable[Entry]:
        app = work / "app"
        shutil.copytree(self.folder, app, ignore=_generated)
        run_step(self.title, ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--update-notifier=false"], app)
        yield directory(self.to, uid=self.uid, gid=self.gid)
        yield from tree(app, self.to, uid=self.uid, gid=self.gid)
        npm = "node_modules/npm/bin/npm-cli.js"
        if (app / npm).exists():
            yield symlink("usr/local/bin/npm", f"/{self.to}/{npm}")


def _generated(_folder: str, names: Iterable[str]) -> set[str]:
    return {"node_modules", "__pycache__"} & set(names)


def _content(folder: Path) -> list[list[Any]]:
    """Return paths, executable bits and digests of a folder's files, which tell two states of it apart."""
    content: list[list[Any]] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _generated(parent, folders))
        for path in (Path(parent, name) for name in sorted(files)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            content.append([str(path.relative_to(folder)), path.stat().st_mode & 0o100, digest])
    return content


def run_step(step: str, command: list[str], work: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a step in `work`, where its temporary files go too."""
    try:
        process = subprocess.Popen(
            command,
            cwd=work,
            env={**os.environ, "TMPDIR": str(work), **(env or {})},
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except FileNotFoundError:
        raise BuildError(f"{step}: the command `{command[0]}` is not on PATH; install it, then try again") from None
    try:
        output, _ = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        last = "\n".join(output.splitlines()[-15:])
        raise BuildError(f"{step}: `{command[0]}` failed ({process.returncode}):\n{last}")
