"""Packages of npm which tests need: installed once, as their lock file says."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from embedded.instance import cache_folder


def installed(folder: Path) -> Path:
    """The node_modules of `folder`'s package.json and package-lock.json. Several processes may ask at once."""
    wanted = folder / "package-lock.json"
    packages = cache_folder() / "npm" / f"{folder.name}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]}"
    packages.parent.mkdir(parents=True, exist_ok=True)
    with packages.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(folder, packages)
    return packages / "node_modules"


def _install(folder: Path, packages: Path) -> None:
    if not (packages / "complete").exists():
        shutil.rmtree(packages, ignore_errors=True)
        packages.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, packages)
        subprocess.run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=packages, check=True)
        (packages / "complete").touch()
